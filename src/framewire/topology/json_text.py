"""JSON with the place of every value, so that a problem can be shown where it stands (RFC 8259).

Comments and commas too many are errors, but the reading goes on behind them: all that is wrong is to be found at once.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from framewire.topology.json_value import Json, JsonKind
from framewire.topology.problems import Findings, is_secret_name, printable

MAX_CHARACTERS = 1 << 20
"""Longest document. Published ones have some thousand characters."""

MAX_DEPTH = 64
MAX_VALUES = 50_000
_MAX_NAME_CHARACTERS = 1000
_TEXT_THERE_CHARACTERS = 40

_SPACE = re.compile(r"[ \t\n\r]*")
_NEW_LINE = re.compile(r"\r\n|\n|\r")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_PLAIN_TEXT = re.compile(r'[^"\\\x00-\x1f]*')
_HEX = re.compile(r"[0-9A-Fa-f]{4}")
_WORD = re.compile(r"[A-Za-z_$][\w$]{0,40}")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERALS: dict[str, tuple[JsonKind, bool | None]] = {
    "true": ("boolean", True),
    "false": ("boolean", False),
    "null": ("null", None),
}
_OTHER_LANGUAGES = {"True": "true", "False": "false", "None": "null", "undefined": "null", "nil": "null"}
_SECRET_PLACE = re.compile(r'"(?:key|default|value)"', re.IGNORECASE)
_WORDS_OF_TEXT = re.compile(r"[^\s{}\[\]:,\"'/]+")


def read_json(text: str, findings: Findings) -> Json | None:
    """Reads a document.

    Args:
        text: The whole of it.
        findings: Gets what is wrong: one error where the reading ends, and those behind which it goes on.

    Returns:
        The document, or None when it cannot be read to its end.
    """
    return _Reader(text, findings).read()


class _BrokenError(Exception):
    """The reading cannot go on."""

    def __init__(self, at: int, message: str, allowed: str = "") -> None:
        super().__init__(message)
        self.at = at
        self.message = message
        self.allowed = allowed


@dataclass(slots=True)
class _Spot:
    """A place in the text that is no value."""

    line: int
    column: int
    shown: str
    pointer: str = ""


class _Reader:
    def __init__(self, text: str, findings: Findings) -> None:
        self._text = text
        self._findings = findings
        self._at = 0
        self._values = 0
        self._line_starts = [0, *(match.end() for match in _NEW_LINE.finditer(text[: MAX_CHARACTERS + 1]))]

    def read(self) -> Json | None:
        try:
            if len(self._text) > MAX_CHARACTERS:
                raise _BrokenError(
                    0, f"the document has {len(self._text)} characters", allowed=f"up to {MAX_CHARACTERS} characters"
                )
            return self._document()
        except _BrokenError as broken:
            line, column = self._place(broken.at)
            there = self._text_there(broken.at)
            self._findings.error(_Spot(line, column, there), f"no JSON: {broken.message}", allowed=broken.allowed)
            return None

    def _document(self) -> Json:
        if self._text.startswith("\ufeff"):
            self._at = 1
            self._findings.warning(
                _Spot(1, 1, ""), "the file begins with a byte order mark (BOM), which JSON does not have; it is skipped"
            )
        self._space()
        if self._at == len(self._text):
            raise _BrokenError(self._at, "the document is empty")
        if self._text[self._at] == "<":
            raise _BrokenError(self._at, "this looks like a web page or XML", allowed="the JSON file itself")
        root = self._value(None, "", 1)
        self._space()
        if self._at < len(self._text):
            raise _BrokenError(self._at, "there is more text behind the document", allowed="one JSON object")
        return root

    def _value(self, parent: Json | None, key: str | int, depth: int) -> Json:
        line, column = self._place(self._at)
        if depth > MAX_DEPTH:
            raise _BrokenError(self._at, "too deep", allowed=f"{MAX_DEPTH} levels")
        self._values += 1
        if self._values > MAX_VALUES:
            raise _BrokenError(self._at, "too many values", allowed=f"{MAX_VALUES} values")
        character = self._text[self._at : self._at + 1]
        match character:
            case "{":
                json = Json("object", {}, line, column, parent, key)
                self._members(json, depth)
            case "[":
                json = Json("array", [], line, column, parent, key)
                self._elements(json, depth)
            case '"':
                json = Json("string", self._string(), line, column, parent, key)
            case _:
                kind, content = self._literal(character)
                json = Json(kind, content, line, column, parent, key)
        return json

    def _members(self, json: Json, depth: int) -> None:
        opened = self._at
        comma: int | None = None
        self._at += 1
        while True:
            self._space()
            if self._is_next("}"):
                self._trailing_comma(comma, "}")
                self._at += 1
                return
            name_at = self._at
            name = self._name(opened)
            self._space()
            if not self._is_next(":"):
                raise _BrokenError(self._at, "':' is missing behind a name")
            self._at += 1
            self._space()
            self._demand_more(opened)
            value = self._value(json, name, depth + 1)
            if name in json.content:
                spot = _Spot(*self._place(name_at), "", value.pointer)
                self._findings.warning(spot, "this member is there twice; the last one counts", is_value_shown=False)
            json.content[name] = value
            comma = self._comma(opened, "}")

    def _elements(self, json: Json, depth: int) -> None:
        opened = self._at
        comma: int | None = None
        self._at += 1
        while True:
            self._space()
            if self._is_next("]"):
                self._trailing_comma(comma, "]")
                self._at += 1
                return
            self._demand_more(opened)
            json.content.append(self._value(json, len(json.content), depth + 1))
            comma = self._comma(opened, "]")

    def _comma(self, opened: int, closing: str) -> int | None:
        """Takes the comma behind a value, and answers where it is; None before the end of an object or array."""
        self._space()
        self._demand_more(opened)
        if self._is_next(closing):
            return None
        if not self._is_next(","):
            raise _BrokenError(self._at, f"',' or '{closing}' is missing before this")
        self._at += 1
        return self._at - 1

    def _trailing_comma(self, comma: int | None, closing: str) -> None:
        if comma is not None:
            spot = _Spot(*self._place(comma), ",")
            self._findings.error(spot, f"no JSON: a trailing comma before '{closing}'", allowed="no comma there")

    def _demand_more(self, opened: int) -> None:
        if self._at >= len(self._text):
            line, column = self._place(opened)
            raise _BrokenError(
                self._at, f"the text ends too early: '{self._text[opened]}' of {line}:{column} is never closed"
            )

    def _name(self, opened: int) -> str:
        self._demand_more(opened)
        if not self._is_next('"'):
            self._refuse_quotes()
            if _WORD.match(self._text, self._at):
                raise _BrokenError(self._at, "a member name without quotes", allowed='"name"')
            raise _BrokenError(self._at, "a member name is missing here", allowed='"name"')
        begin = self._at
        name = self._string()
        if len(name) > _MAX_NAME_CHARACTERS:
            raise _BrokenError(begin, "the member name is too long", allowed=f"{_MAX_NAME_CHARACTERS} characters")
        return name

    def _literal(self, character: str) -> tuple[JsonKind, Any]:
        if number := _NUMBER.match(self._text, self._at):
            following = self._text[number.end() : number.end() + 1]
            if following.isalnum() or following in (".", "+", "-", "_"):
                raise _BrokenError(self._at, "no number as JSON writes them", allowed="for example 0, -5, 2.5, 1e3")
            self._at = number.end()
            return "number", number[0]
        if word := _WORD.match(self._text, self._at):
            if word[0] in _LITERALS:
                self._at = word.end()
                return _LITERALS[word[0]]
            if word[0] in _OTHER_LANGUAGES:
                raise _BrokenError(self._at, f"{word[0]} is no JSON", allowed=_OTHER_LANGUAGES[word[0]])
            if word[0] in ("NaN", "Infinity"):
                raise _BrokenError(self._at, f"{word[0]} is no JSON number")
            raise _BrokenError(self._at, "a text without quotes", allowed="a text in double quotes, true, false, null")
        self._refuse_quotes()
        if character in ("+", ".", "-"):
            raise _BrokenError(self._at, "no number as JSON writes them", allowed="for example 0, -5, 2.5, 1e3")
        if character in (",", "]", "}", ":"):
            raise _BrokenError(self._at, "a value is missing before this")
        raise _BrokenError(self._at, "this begins no value", allowed='{, [, ", a number, true, false, null')

    def _refuse_quotes(self) -> None:
        if self._text.startswith(("'", "`"), self._at):
            raise _BrokenError(self._at, "a text in single quotes", allowed='double quotes: "')
        if self._text.startswith(("\u201c", "\u201d", "\u201e", "\u00ab", "\u2018", "\u2019"), self._at):
            raise _BrokenError(self._at, "a text in typographic quotes", allowed='straight quotes: "')

    def _string(self) -> str:
        begin = self._at
        parts: list[str] = []
        self._at += 1
        while True:
            plain = _PLAIN_TEXT.match(self._text, self._at)
            assert plain is not None  # it matches the empty text
            parts.append(plain[0])
            self._at = plain.end()
            character = self._text[self._at : self._at + 1]
            if character == '"':
                self._at += 1
                return "".join(parts)
            if character == "\\":
                parts.append(self._escape(begin))
            elif character in ("", "\n", "\r"):
                raise _BrokenError(begin, "the text that begins here is not closed on its line", allowed='" at its end')
            else:
                raise _BrokenError(
                    self._at,
                    f"a control character (U+{ord(character):04X}) in a text",
                    allowed=f"\\u{ord(character):04x}",
                )

    def _escape(self, begin: int) -> str:
        character = self._text[self._at + 1 : self._at + 2]
        if character in _ESCAPES:
            self._at += 2
            return _ESCAPES[character]
        if character == "u":
            return self._unicode()
        if not character:
            raise _BrokenError(begin, "the text that begins here is not closed on its line", allowed='" at its end')
        raise _BrokenError(
            self._at, "no escape that JSON knows", allowed='\\", \\\\, \\/, \\b, \\f, \\n, \\r, \\t, \\u0000'
        )

    def _unicode(self) -> str:
        unit = self._code_unit(self._at)
        self._at += 6
        # A high surrogate and a low one that follows are one character; one alone stays as it is.
        if 0xD800 <= unit <= 0xDBFF and self._text.startswith("\\u", self._at) and _HEX.match(self._text, self._at + 2):
            low = self._code_unit(self._at)
            if 0xDC00 <= low <= 0xDFFF:
                self._at += 6
                return chr(0x10000 + ((unit - 0xD800) << 10 | low - 0xDC00))
        return chr(unit)

    def _code_unit(self, at: int) -> int:
        digits = _HEX.match(self._text, at + 2)
        if digits is None:
            raise _BrokenError(at, "\\u without four hexadecimal digits", allowed="\\u0000 to \\uffff")
        return int(digits[0], 16)

    def _space(self) -> None:
        """Skips white space, and comments, which JSON does not have."""
        while True:
            space = _SPACE.match(self._text, self._at)
            assert space is not None  # it matches the empty text
            self._at = space.end()
            if self._text.startswith("/*", self._at):
                end = self._text.find("*/", self._at + 2)
                if end < 0:
                    raise _BrokenError(self._at, "a comment that is never closed", allowed="no comments")
                end += 2
            elif self._text.startswith(("//", "#"), self._at):
                new_line = _NEW_LINE.search(self._text, self._at)
                end = new_line.start() if new_line else len(self._text)
            else:
                return
            line, column = self._place(self._at)
            spot = _Spot(line, column, self._text_there(self._at))
            self._findings.error(spot, "no JSON: a comment", allowed="no comments; a description member takes text")
            self._at = end

    def _is_next(self, character: str) -> bool:
        return self._text.startswith(character, self._at)

    def _place(self, at: int) -> tuple[int, int]:
        line = bisect_right(self._line_starts, at)
        return line, at - self._line_starts[line - 1] + 1

    def _text_there(self, at: int) -> str:
        there = _NEW_LINE.split(self._text[at : at + _MAX_NAME_CHARACTERS], maxsplit=1)[0]
        if not there:
            return "the end of the line" if at < len(self._text) else "the end of the text"
        # What stands here may be a password, as nothing tells where texts begin and end. The names of what stands on
        # this line and the two before it, which belongs to the same object in most files, must do.
        line, _ = self._place(at)
        before = self._text[max(self._line_starts[max(line - 3, 0)], at - _MAX_NAME_CHARACTERS) : at]
        if is_secret_name(before + there) or _SECRET_PLACE.search(before + there):
            there = _WORDS_OF_TEXT.sub("***", there)
        return printable(there, _TEXT_THERE_CHARACTERS)
