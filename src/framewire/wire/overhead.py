"""How much of a message is not its frame, which bounds what reading it may cost."""

from __future__ import annotations

from collections.abc import Iterator

from framewire.errors import ProtocolError

_MAX_FIELDS = 16_384
"""Fields of a message and its sample together that are walked: more than any that is accepted has."""

# Numbers of the contract (section 2) and of protobuf's encoding.
_MEDIA_SAMPLE, _CONTENT_BYTES = 6, 5
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def overhead_bytes(data: bytes) -> int:
    """Bytes of a serialised ``MediaStreamMessage`` that are not the content of its sample.

    protobuf makes an object of each empty inference, which takes two bytes on the wire: eight megabytes of them cost a
    gigabyte and 17 seconds. Here only the tags and lengths of the upper two levels are looked at.

    Raises:
        ProtocolError: There are more fields than in any message that makes sense.
        ValueError: The bytes are no message.
    """
    walk = _Walk(data)
    content = 0
    for field, start, end in walk.fields(0, len(data)):
        if field == _MEDIA_SAMPLE:
            content += sum(last - first for inner, first, last in walk.fields(start, end) if inner == _CONTENT_BYTES)
    return len(data) - content


class _Walk:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._fields_left = _MAX_FIELDS

    def fields(self, position: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Number, start and end of each field with a length between two positions; others are passed over."""
        while position < end:
            self._fields_left -= 1
            if self._fields_left < 0:
                raise ProtocolError(f"a message has more than {_MAX_FIELDS} fields")
            tag, position = self._varint(position)
            kind = tag & 7
            if kind == _LENGTH:
                length, position = self._varint(position)
                if length > end - position:
                    raise ValueError("a field ends behind its message")
                yield tag >> 3, position, position + length
                position += length
            elif kind == _VARINT:
                _, position = self._varint(position)
            elif kind in (_FIXED32, _FIXED64):
                position += 4 if kind == _FIXED32 else 8
            else:
                raise ValueError(f"wire type {kind}")
        if position > end:
            raise ValueError("a field ends behind its message")

    def _varint(self, position: int) -> tuple[int, int]:
        value = 0
        for shift, byte in enumerate(self._data[position : position + 10]):
            value |= (byte & 0x7F) << 7 * shift
            if byte < 0x80:
                return value, position + shift + 1
        raise ValueError("a number is cut off, or longer than 64 bits")
