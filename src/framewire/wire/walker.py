"""Finds the frame in a serialised message, so that it can be used where it lies and protobuf reads only the rest.

Of the message and its sample the tags and lengths are looked at, and nothing else: whether what lies between them is
right, protobuf judges. Positions and lengths are in bytes.
"""

from __future__ import annotations

from typing import NamedTuple

from framewire.errors import ProtocolError

_MAX_FIELDS = 16_384
"""Fields of a message and its sample together that are walked: more than any that is accepted has."""

_MAX_LENGTH = (1 << 31) - 1
"""protobuf's own limit of a message and of each part of it."""

# Numbers of the contract (section 2) and of protobuf's encoding.
_MEDIA_SAMPLE, _CONTENT_BYTES = 6, 5
_VARINT, _FIXED64, _LENGTH, _GROUP, _GROUP_END, _FIXED32 = 0, 1, 2, 3, 4, 5
_MEDIA_SAMPLE_TAG, _CONTENT_BYTES_TAG, _BYTES_TAG = b"\x32", b"\x2a", b"\x0a"


_Span = tuple[int, int, int]
"""One field with a length: where its tag begins, where its value begins, and where that ends."""


class Walk(NamedTuple):
    """What a walk has found.

    Args:
        overhead_bytes: Bytes of the message that are not the content of its sample.
        frame: A read-only view of the embedded frame, into the message; None when there is none, and when something is
            unusual about where it lies.
        rest: The message with an empty frame in its place, for protobuf; the whole message when `frame` is None.
    """

    overhead_bytes: int
    frame: memoryview | None
    rest: bytes


def walk(data: bytes) -> Walk:
    """Looks for the frame in a serialised ``MediaStreamMessage``.

    The frame is found when the message has one sample with one ``content_bytes``, with nothing in it but one ``bytes``
    and all written as every serialiser writes it. What surrounds them may be anything: it stays, byte for byte, in the
    rest. protobuf's reading of the rest tells whether the frame counts: a ``content_reference`` behind it replaces it.

    The walk also bounds what reading the message may cost. protobuf makes an object of each empty inference, which
    takes two bytes on the wire: eight megabytes of them cost a gigabyte and 17 seconds.

    Raises:
        ProtocolError: There are more fields than in any message that makes sense.
        ValueError: The bytes are no message. Not all such bytes are found out.
    """
    walker = _Walker(data)
    samples = walker.find(_MEDIA_SAMPLE, 0, len(data))
    contents: list[_Span] = []
    for _, start, end in samples:
        contents += walker.find(_CONTENT_BYTES, start, end)
    overhead_bytes = len(data) - sum(end - start for _, start, end in contents)
    if len(samples) == len(contents) == 1 and len(data) <= _MAX_LENGTH:
        (sample,), (content,) = samples, contents
        frame = walker.bytes_of(content)
        if (
            frame is not None
            and frame[2] == content[2]
            and _is_plain(data, sample, _MEDIA_SAMPLE_TAG)
            and _is_plain(data, content, _CONTENT_BYTES_TAG)
            and _is_plain(data, frame, _BYTES_TAG)
        ):
            return Walk(overhead_bytes, memoryview(data)[frame[1] : frame[2]], _without(data, sample, content))
    return Walk(overhead_bytes, None, data)


def join(head: bytes, before: bytes, frame: bytes | memoryview, behind: bytes) -> bytes:
    """Puts a message together around a frame.

    Args:
        head: The message's fields before its sample.
        before: The sample's fields before its ``content_bytes``.
        frame: What is embedded, below 1 GiB.
        behind: The sample's fields behind it.
    """
    view = memoryview(frame)
    if not view.c_contiguous:
        view = memoryview(bytes(view))
    opening = _BYTES_TAG + _length(view.nbytes)
    content = _CONTENT_BYTES_TAG + _length(len(opening) + view.nbytes) + opening
    length = _length(len(before) + len(content) + view.nbytes + len(behind))
    return b"".join((head, _MEDIA_SAMPLE_TAG, length, before, content, view, behind))


def _length(length: int) -> bytes:
    """A length as every serialiser writes it, in as few bytes as can be."""
    prefix = bytearray()
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix)


def _is_plain(data: bytes, field: _Span, tag: bytes) -> bool:
    """Whether a field's tag and length are written as every serialiser writes them."""
    # Others would be lost from the rest, and protobuf does not take all of them.
    tag_at, start, end = field
    return data[tag_at:start] == tag + _length(end - start)


def _without(data: bytes, sample: _Span, content: _Span) -> bytes:
    """The message with an empty ``content_bytes``."""
    sample_at, start, end = sample
    content_at, _, content_end = content
    inside = data[start:content_at] + _CONTENT_BYTES_TAG + b"\x00" + data[content_end:end]
    return data[:sample_at] + _MEDIA_SAMPLE_TAG + _length(len(inside)) + inside + data[end:]


class _Walker:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._fields_left = _MAX_FIELDS

    def find(self, wanted: int, position: int, end: int) -> list[_Span]:
        """Fields with a length and a number, between two positions; what groups hold is not looked at.

        Raises:
            ProtocolError: The whole walk has passed too many fields.
            ValueError: There are no fields here, or they do not end where they should.
        """
        found: list[_Span] = []
        groups: list[int] = []
        while position < end:
            if not self._fields_left:
                raise ProtocolError(f"a message has more than {_MAX_FIELDS} fields")
            self._fields_left -= 1
            tag_at = position
            tag, position = self._varint(position)
            kind = tag & 7
            if kind == _LENGTH:
                length, position = self._varint(position)
                if tag >> 3 == wanted and not groups:
                    found.append((tag_at, position, position + length))
                position += length
            elif kind == _VARINT:
                _, position = self._varint(position)
            elif kind == _FIXED32:
                position += 4
            elif kind == _FIXED64:
                position += 8
            elif kind == _GROUP:
                groups.append(tag >> 3)
            elif kind == _GROUP_END:
                if not groups or groups.pop() != tag >> 3:
                    raise ValueError("a group ends that has not begun")
            else:
                raise ValueError(f"wire type {kind}")
        if position > end or groups:
            raise ValueError("a field ends behind its message")
        return found

    def bytes_of(self, content: _Span) -> _Span | None:
        """The ``bytes`` that a content_bytes begins with, wherever they end; None when it begins otherwise."""
        start = content[1]
        if self._data[start : start + 1] != _BYTES_TAG:
            return None
        length, position = self._varint(start + 1)
        return start, position, position + length

    def _varint(self, position: int) -> tuple[int, int]:
        chunk = self._data[position : position + 10]
        value = shift = 0
        for byte in chunk:
            position += 1
            if byte < 0x80:
                return value | byte << shift, position
            value |= (byte & 0x7F) << shift
            shift += 7
        raise ValueError("a number is cut off, or longer than 64 bits")
