"""Serialised messages as no serialiser writes them: field by field, in any order, whole or damaged.

They are made from choices, which are plain bytes: Hypothesis, atheris and a random generator all can give them, and
fewer and smaller ones make shorter and more usual messages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

_T = TypeVar("_T")

VARINT, FIXED64, LENGTH, GROUP, GROUP_END, FIXED32 = 0, 1, 2, 3, 4, 5

_FIELD_NUMBERS = [1, 2, 3, 5, 6, 10, 15, 16, 100, 0, 2**28, 2**29 - 1, 2**29, 2**29 + 6, 2**32 + 5]
_VALUES = [0, 1, 7, 127, 128, 300, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1, 2**64, 2**66]
_TEXTS = [b"", b"word", b"\xc3\xa9", b"\xff", b"\xed\xa0\x80", b"a\x00b"]
_WRONG_BY = [1, -1, 2, -2, 2**31, 2**32, 2**35, 2**63]
_DEPTHS = [1, 1, 1, 2, 3, 97, 98, 99, 100, 101]


def varint(value: int, *, padding: int = 0) -> bytes:
    """A number, with so many bytes more than it needs."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    for _ in range(padding):
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


def field(number: int, value: bytes) -> bytes:
    """A field with a length, as every serialiser writes it."""
    return varint(number << 3 | LENGTH) + varint(len(value)) + value


class Choices:
    """Bytes, taken one by one; when they are used up, the first choice is taken each time."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._next = 0

    def below(self, limit: int) -> int:
        if self._next >= len(self._data):
            return 0
        self._next += 1
        return self._data[self._next - 1] % limit

    def one_of(self, values: Sequence[_T]) -> _T:
        return values[self.below(len(values))]

    def seldom(self, one_in: int = 16) -> bool:
        return self.below(one_in) == one_in - 1

    def some(self, most: int) -> bytes:
        return bytes(self.below(256) for _ in range(self.below(most + 1)))


def odd_message(choices: Choices) -> bytes:
    """A message that is right in most of its parts."""
    return _fields(choices, [_numbers, _sample, _sample, _descriptor], 5)


def plain_sample(choices: Choices) -> bytes:
    """A message with one embedded frame as every serialiser writes it, among fields of any kind."""
    before, behind = _fields(choices, [_number(1)], 2), _fields(choices, [_inference, _inference, _reference], 2)
    sample = field(6, before + field(5, field(1, choices.some(9))) + behind)
    return _fields(choices, [_numbers, _descriptor], 2) + sample + _fields(choices, [_numbers, _descriptor], 2)


def damaged_message(choices: Choices) -> bytes:
    """A message with a byte changed, some cut off, some doubled, moved or put in, a few times over."""
    data = bytearray(plain_sample(choices) if choices.below(2) else odd_message(choices))
    for _ in range(1 + choices.below(3)):
        place = choices.below(256) % (len(data) + 1)
        match choices.below(6):
            case 0:
                del data[place:]
            case 1:
                data[place : place + 1] = bytes([choices.below(256)])
            case 2:
                data[place:place] = _strange(choices)
            case 3:
                data[place:place] = choices.some(4)
            case 4:
                data += data[place:]
            case _:
                data = data[place:] + data[:place]
    return bytes(data)


def any_bytes(choices: Choices) -> bytes:
    """Any of these."""
    return choices.one_of([plain_sample, odd_message, damaged_message])(choices)


def _padding(choices: Choices) -> int:
    return choices.one_of([1, 2, 3, 4, 5, 8, 9]) if choices.seldom(32) else 0


def _with_length(choices: Choices, number: int, value: bytes) -> bytes:
    """A field with a length: as it should be, or its tag or length too long, or its length wrong."""
    length = max(len(value) + choices.one_of(_WRONG_BY), 0) if choices.seldom(64) else len(value)
    tag = varint(number << 3 | LENGTH, padding=_padding(choices))
    return tag + varint(length, padding=_padding(choices)) + value


def _number(number: int) -> Callable[[Choices], bytes]:
    def make(choices: Choices) -> bytes:
        return varint(number << 3) + varint(choices.one_of(_VALUES), padding=_padding(choices))

    return make


def _text(number: int) -> Callable[[Choices], bytes]:
    def make(choices: Choices) -> bytes:
        return _with_length(choices, number, choices.one_of(_TEXTS))

    return make


def _strange(choices: Choices) -> bytes:
    """A field that is unknown or of the wrong kind, or the beginning or the end of a group."""
    number, kind = choices.one_of(_FIELD_NUMBERS), choices.below(8)
    tag = varint(number << 3 | kind, padding=_padding(choices))
    match kind:
        case 0:
            return tag + varint(choices.one_of(_VALUES), padding=_padding(choices))
        case 1:
            return tag + bytes(8)
        case 2:
            value = choices.some(6)
            return tag + varint(len(value), padding=_padding(choices)) + value
        case 5:
            return tag + bytes(4)
        case _:
            return tag


def _group(choices: Choices, inside: bytes) -> bytes:
    number = choices.one_of(_FIELD_NUMBERS)
    last = 1 if choices.seldom() else number
    depth = choices.one_of(_DEPTHS)
    return varint(number << 3 | GROUP) * depth + inside + varint(last << 3 | GROUP_END) * depth


def _fields(choices: Choices, usual: Sequence[Callable[[Choices], bytes]], most: int) -> bytes:
    """Fields in a row, most of them usual."""
    out = b""
    for _ in range(choices.below(most + 1)):
        match choices.below(16):
            case 13:
                out += _strange(choices)
            case 14:
                out += _group(choices, _strange(choices))
            case 15:
                out += _group(choices, choices.one_of(usual)(choices))
            case _:
                out += choices.one_of(usual)(choices)
    return out


def _numbers(choices: Choices) -> bytes:
    return _number(1 + choices.below(2))(choices)


def _sample(choices: Choices) -> bytes:
    return _with_length(choices, 6, _fields(choices, [_number(1), _content, _content, _reference, _inference], 4))


def _content(choices: Choices) -> bytes:
    return _with_length(choices, 5, _fields(choices, [_bytes], 2))


def _bytes(choices: Choices) -> bytes:
    return _with_length(choices, 1, choices.some(9))


def _reference(choices: Choices) -> bytes:
    return _with_length(choices, 6, _fields(choices, [_number(1), _number(2)], 2))


def _inference(choices: Choices) -> bytes:
    return _with_length(choices, 10, _fields(choices, [_text(2), _text(3), _event], 3))


def _event(choices: Choices) -> bytes:
    return _with_length(choices, 9, _fields(choices, [_text(1)], 2))


def _descriptor(choices: Choices) -> bytes:
    return _with_length(choices, 5, _fields(choices, [_text(2), _text(3), _memory, _media], 3))


def _memory(choices: Choices) -> bytes:
    return _with_length(choices, 10, _fields(choices, [_text(1), _number(2)], 2))


def _media(choices: Choices) -> bytes:
    return _with_length(choices, 5, _fields(choices, [_number(1), _format], 2))


def _format(choices: Choices) -> bytes:
    return _with_length(
        choices, 5, _fields(choices, [_number(1), _number(2), _number(4)], 3) + b"\x1a\x04\x08\x02\x10\x02"
    )
