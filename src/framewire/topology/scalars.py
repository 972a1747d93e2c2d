"""The values of topologies: texts that are read as numbers, switches, durations and names.

All of them may be given as texts; numbers and booleans are taken too. A :class:`Leaf` in the annotation of a model's
member says how its text is read and what the JSON Schema says of it. Values that have their type already pass.
"""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from framewire.topology.durations import format_duration, guess_duration, parse_duration

MAX_TEXT_CHARACTERS = 1 << 18
"""Longest text after parameters are put in: what an extension configuration may have."""

_VARIABLE = r"\$\{.*\}"
_WHOLE = re.compile(r"[+-]?\d{1,18}(?:\.0{1,18})?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_BROKEN_CHARACTER = re.compile(r"[\x00\ud800-\udfff]")


class WrongValueError(ValueError):
    """A text is not what its place wants.

    Args:
        message: What is wrong, without the value, which may be a secret.
        allowed: What would be right.
        names: The valid ones, of which the nearest is named.
        meant: What is probably meant, when that can be told.
    """

    def __init__(self, message: str, *, allowed: str = "", names: Iterable[str] = (), meant: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.allowed = allowed
        self.names = tuple(names)
        self.meant = meant


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Leaf:
    """How one kind of value is read.

    Args:
        read: Makes the value of a text; raises :class:`WrongValueError`.
        schema: JSON Schema of what may stand in a document.
        is_secret: Its value is never shown.
        is_any: It takes objects and lists, too, as Python's json module gives them.
        keeps_runtime: Variables that get their value at every file, such as the time, stay in it.
        is_public: It is not shown in problems, but answered by who keeps the document.
        write: Makes a text of a value, the opposite of `read`.
    """

    read: Callable[[Any], Any]
    schema: Mapping[str, Any] = field(default_factory=dict)
    is_secret: bool = False
    is_any: bool = False
    keeps_runtime: bool = False
    is_public: bool = False
    write: Callable[[Any], str] = _written

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._validate, handler(source))

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> dict[str, Any]:
        return dict(self.schema)

    def _validate(self, value: Any) -> Any:
        return self.read(value) if isinstance(value, str) else value


def text(*, most: int = MAX_TEXT_CHARACTERS, least: int = 0, is_line: bool = False) -> Leaf:
    """A text of `least` to `most` characters, on one line where it becomes part of an address or a path."""

    def read(value: str) -> str:
        if broken := _BROKEN_CHARACTER.search(value):
            raise WrongValueError(f"holds U+{ord(broken[0]):04X}, which is no text")
        if is_line and (control := _CONTROL.search(value)):
            raise WrongValueError(f"holds the control character U+{ord(control[0]):04X}", allowed="text on one line")
        if not value.strip() and least:
            raise WrongValueError("empty", allowed="a text")
        if len(value) > most:
            raise WrongValueError(f"{len(value)} characters", allowed=f"up to {most}")
        return value

    schema: dict[str, Any] = {"type": "string"}
    if most < MAX_TEXT_CHARACTERS:
        # What a parameter stands for may be shorter than its name.
        schema = {"anyOf": [{"type": "string", "maxLength": most}, {"type": "string", "pattern": _VARIABLE}]}
    return Leaf(read, schema)


def secret() -> Leaf:
    """A text that is never shown."""
    return Leaf(text().read, {"type": "string"}, is_secret=True)


def address() -> Leaf:
    """A URL, its scheme in lower case as libraries want it, or a path as it is."""
    line = text(is_line=True, least=1)

    def read(value: str) -> str:
        stripped = value.strip(" ")
        scheme = _SCHEME.match(stripped)
        given: str = line.read(scheme[0].lower() + stripped[scheme.end() :] if scheme else value)
        return given

    return Leaf(read, line.schema)


def certificate() -> Leaf:
    """A certificate in PEM. It is not shown: it may be a key that was put there by mistake."""
    any_text = text().read

    def read(value: str) -> str:
        if not _CERTIFICATE.search(any_text(value)):
            allowed = "-----BEGIN CERTIFICATE----- .. -----END CERTIFICATE-----"
            raise WrongValueError("no certificate in PEM", allowed=allowed)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=value)
        except (ssl.SSLError, ValueError, TypeError):  # TypeError is for text that is no ASCII
            raise WrongValueError(
                "a certificate that cannot be read", allowed="PEM as it was issued, line breaks and all"
            ) from None
        return value

    return Leaf(read, {"type": "string"}, is_secret=True, is_public=True)


def name() -> Leaf:
    """A name of a topology, a pipeline or a node (topologies, section 1)."""
    pattern = "^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$"
    return Leaf(read_name, {"anyOf": [{"type": "string", "pattern": pattern}, _parameter()]})


def read_name(value: str) -> str:
    """A name as it is; raises WrongValueError when it cannot be one."""
    if not value:
        raise WrongValueError("empty", allowed=NAME_RULE)
    if not _NAME.fullmatch(value):
        raise WrongValueError(
            "no name" if len(value) <= 32 else f"a name of {len(value)} characters", allowed=NAME_RULE
        )
    return value


NAME_RULE = "1 to 32 letters, digits and dashes, no dash first or last"


def choice(*names: str) -> Leaf:
    """One of some words, in any case; the value is spelled as here."""
    by_lower = {word.lower(): word for word in names}

    def read(value: str) -> str:
        found = by_lower.get(value.strip().lower())
        if found is None:
            raise WrongValueError("unknown" if value else "empty", allowed=", ".join(names), names=names)
        return found

    any_case = "|".join("".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else c for c in word) for word in names)
    return Leaf(
        read, {"anyOf": [{"enum": list(names)}, {"type": "string", "pattern": f"^({any_case})$"}, _parameter()]}
    )


def boolean() -> Leaf:
    """true or false."""
    word = choice("true", "false")

    def read(value: str) -> bool:
        lower = value.strip().lower()
        if lower not in ("true", "false"):
            raise WrongValueError("neither true nor false", allowed="true, false")
        return lower == "true"

    return Leaf(read, {"anyOf": [{"type": "boolean"}, dict(word.schema)]})


def whole(low: int, high: int) -> Leaf:
    """A whole number."""

    def read(value: str) -> int:
        given = value.strip()
        if not _WHOLE.fullmatch(given):
            raise WrongValueError("no whole number", allowed=f"{low} to {high}")
        number = int(given.partition(".")[0])
        if not low <= number <= high:
            raise WrongValueError("too small" if number < low else "too large", allowed=f"{low} to {high}")
        return number

    numbers = {"type": "integer", "minimum": low, "maximum": high}
    digits = {"type": "string", "pattern": r"^\s*[+-]?[0-9]+(\.0+)?\s*$"}
    return Leaf(read, {"anyOf": [numbers, digits, _parameter()]})


def rate() -> Leaf:
    """A decimal above 0."""

    def read(value: str) -> float:
        number = read_decimal(value)
        if number <= 0:
            raise WrongValueError("not above 0", allowed="a decimal such as 0.2 or 30; leave it out for no limit")
        return number

    numbers = {"type": "number", "exclusiveMinimum": 0}
    return Leaf(read, {"anyOf": [numbers, {"type": "string", "pattern": r"^[0-9.eE+ -]+$"}, _parameter()]})


def read_decimal(value: str) -> float:
    """A finite number; raises WrongValueError when it is none."""
    given = value.strip()
    number = float(given) if _DECIMAL.fullmatch(given) else math.nan
    if not math.isfinite(number):
        raise WrongValueError("no number", allowed="a decimal such as 0.2 or 30")
    return number


def duration(low_s: float, high_s: float, *, step_s: float = 0.0) -> Leaf:
    """An ISO 8601 duration, in seconds as the value."""
    allowed = f"{format_duration(low_s)} to {format_duration(high_s)}"
    if step_s:
        allowed += f" in steps of {format_duration(step_s)}"

    def read(value: str) -> float:
        try:
            seconds = parse_duration(value)
        except ValueError:
            form = "an ISO 8601 duration"
            raise WrongValueError("no duration", allowed=f"{form}, {allowed}", meant=guess_duration(value)) from None
        if not low_s <= seconds <= high_s:
            raise WrongValueError("too small" if seconds < low_s else "too large", allowed=allowed)
        if step_s and seconds % step_s:
            raise WrongValueError("between two steps", allowed=allowed)
        return seconds

    pattern = r"^\s*[+-]?[Pp]([0-9.,]+[WwDd])*([Tt]([0-9.,]+[HhMmSs])+)?\s*$"
    return Leaf(read, {"anyOf": [{"type": "string", "pattern": pattern}, _parameter()]}, write=format_duration)


def _parameter() -> dict[str, Any]:
    return {"type": "string", "pattern": _VARIABLE}
