"""Messages of the V2 inference protocol (KServe, Triton, MLServer), as much of it as a load needs, written as bytes.

Field numbers are those of the protocol's published GRPCInferenceService. The load builds its requests once, before
the clock starts, and looks at answers only to check them, so no generated stubs are needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SERVICE = "/inference.GRPCInferenceService/"


@dataclass(frozen=True)
class Region:
    """A place in a shared memory region that the server knows by its name."""

    name: str
    offset_bytes: int
    length_bytes: int


def infer_request(
    model: str, shape: tuple[int, ...], content: bytes | Region, *, identity: str = "", datatype: str = "UINT8"
) -> bytes:
    """A ModelInferRequest with one input named ``frame``.

    Args:
        model: Its name.
        shape: Of the input, with the batch dimension where the model has one.
        content: The input's bytes, or where they lie.
        identity: Comes back in the answer.
        datatype: Of the input.
    """
    tensor = _text(1, "frame") + _text(2, datatype) + _bytes(3, b"".join(_varint(size) for size in shape))
    raw = b""
    if isinstance(content, Region):
        tensor += _parameter("shared_memory_region", _text(3, content.name))
        tensor += _parameter("shared_memory_byte_size", _number(2, content.length_bytes))
        tensor += _parameter("shared_memory_offset", _number(2, content.offset_bytes))
    else:
        raw = _bytes(7, content)
    return _text(1, model) + (_text(3, identity) if identity else b"") + _bytes(5, tensor) + raw


def register_request(name: str, file_name: str, length_bytes: int) -> bytes:
    """A SystemSharedMemoryRegisterRequest for a file below /dev/shm."""
    return _text(1, name) + _text(2, "/" + file_name) + _number(4, length_bytes)


def unregister_request(name: str) -> bytes:
    """A SystemSharedMemoryUnregisterRequest."""
    return _text(1, name)


def streamed(response: bytes) -> bytes:
    """The ModelInferResponse inside a ModelStreamInferResponse.

    Raises:
        ValueError: It holds an error instead; the text is the server's.
    """
    found = dict(_fields(response))
    if 1 in found:
        raise ValueError(found[1].decode(errors="replace"))  # type: ignore[union-attr] # a string field
    return found[2]  # type: ignore[return-value] # a message field


def identity(response: bytes) -> str:
    """Which request a ModelInferResponse answers."""
    for number, value in _fields(response):
        if number == 3 and isinstance(value, bytes):
            return value.decode()
    raise ValueError("the answer names no request")


def first_output(response: bytes) -> int:
    """The first element of a ModelInferResponse's first output, a uint8 tensor, raw or in typed contents.

    Raises:
        ValueError: There is none.
    """
    for number, value in _fields(response):
        if number == 6 and isinstance(value, bytes) and value:
            return value[0]
    for number, value in _fields(response):
        if number == 5 and isinstance(value, bytes):
            for inner, contents in _fields(value):
                if inner == 5 and isinstance(contents, bytes):
                    for kind, packed in _fields(contents):
                        # uint_contents, packed.
                        if kind == 4:
                            return packed if isinstance(packed, int) else packed[0]
    raise ValueError("the answer holds no output")


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        value, position = _read_varint(message, position)
        if tag & 7 == 0:
            yield tag >> 3, value
        elif tag & 7 == 2:
            yield tag >> 3, message[position : position + value]
            position += value
        else:
            raise ValueError(f"wire type {tag & 7} in an answer")


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode())


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _parameter(name: str, value: bytes) -> bytes:
    """An entry of an input's parameters, whose value is an InferParameter."""
    return _bytes(4, _text(1, name) + _bytes(2, value))
