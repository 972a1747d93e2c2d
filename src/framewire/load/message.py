"""Messages as cheap as a client in Python can make and read them.

The wire encodes what is the same in every message of a slot, once; here the two numbers that differ are put before it.
protobuf takes fields in any order, so does whoever parses it.
"""

from __future__ import annotations

from framewire.errors import ProtocolError
from framewire.model.message import ContentReference, Message, Sample
from framewire.wire import encode

# Tags of the contract, section 2: field number times eight, plus the kind of its value.
_SEQUENCE_NUMBER = b"\x08"
_ACK_SEQUENCE_NUMBER = 0x10
_MEDIA_SAMPLE = b"\x32"
_TIMESTAMP = b"\x08"
_INFERENCES = 0x52


class FrameMessage:
    """The message of one frame, to be sent again and again.

    Args:
        content: The frame, or its place in shared memory. An embedded frame is copied.
    """

    def __init__(self, content: bytes | ContentReference) -> None:
        data = encode(Message(0, 0, Sample(0, content)))
        _, start = _read_varint(data, 1)
        self._content = data[start:]

    def numbered(self, sequence_number: int, timestamp: int) -> bytes:
        """The message's bytes for a sequence number and a timestamp in ticks."""
        stamp = _varint(timestamp)
        return b"".join(
            (
                _SEQUENCE_NUMBER,
                _varint(sequence_number),
                _MEDIA_SAMPLE,
                _varint(len(_TIMESTAMP) + len(stamp) + len(self._content)),
                _TIMESTAMP,
                stamp,
                self._content,
            )
        )


def read_answer(data: bytes) -> tuple[int, bool]:
    """What counts of an answer; nothing else of it is looked at.

    Returns:
        The message that it acknowledges, 0 for none, and whether it carries an inference.

    Raises:
        ProtocolError: The bytes are no message.
    """
    number = at = 0
    is_full = False
    try:
        while at < len(data):
            tag, at = _read_varint(data, at)
            start, at = at, _behind(data, tag, at)
            if tag == _ACK_SEQUENCE_NUMBER:
                number = _read_varint(data, start)[0]
            elif tag == _MEDIA_SAMPLE[0]:
                is_full = is_full or _holds_inference(data, start, at)
        if at > len(data):
            raise IndexError
    except IndexError:
        raise ProtocolError(f"an answer of {len(data)} bytes is no MediaStreamMessage") from None
    return number, is_full


def _holds_inference(data: bytes, at: int, end: int) -> bool:
    """Whether a sample, which begins with its length, has a field of inferences."""
    _, at = _read_varint(data, at)
    while at < end:
        tag, at = _read_varint(data, at)
        if tag == _INFERENCES:
            return True
        at = _behind(data, tag, at)
    if at > end:
        raise IndexError
    return False


def _behind(data: bytes, tag: int, at: int) -> int:
    """Where a field ends whose value begins here; IndexError when there is no such kind of value."""
    match tag & 7:
        case 0:
            return _read_varint(data, at)[1]
        case 2:
            length, at = _read_varint(data, at)
            return at + length
        case 1:
            return at + 8
        case 5:
            return at + 4
        case _:
            raise IndexError


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends; IndexError when the data ends before."""
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    number, shift = byte & 0x7F, 7
    while True:
        at += 1
        byte = data[at]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at + 1
        shift += 7
        if shift > 63:
            raise IndexError
