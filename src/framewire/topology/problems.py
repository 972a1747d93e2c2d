"""What is wrong with a document, and where."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Severity = Literal["error", "warning", "note"]
"""An error keeps the document from running, a warning does not. A note says what could not be checked."""

_SHOWN_CHARACTERS = 80
_MOST_PROBLEMS = 200
_MOST_SEARCHES = 50
"""Names are compared by trial: a document full of mistakes must not take seconds."""

_MOST_NAMES = 200
_NAMES_LISTED = 20
_SECRET_NAME = re.compile(r"passw|passphrase|secret|token|credential|headervalue|api[-_]?key", re.IGNORECASE)
_ORDER = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or odd, at one place of a document.

    Args:
        severity: Whether the document can still run.
        pointer: JSON pointer (RFC 6901) of the place; empty for the whole document.
        line: Where it stands, from 1.
        column: In characters, from 1.
        value: The value there, parameters put in, in quotes when it is a text. Long ones are cut, secrets are `***`.
            Empty when the value is not what is wrong.
        message: What is wrong with it.
        allowed: What would be right; empty when `message` says it.
        nearest: The valid name or value that was probably meant; empty when none is near.
    """

    severity: Severity
    pointer: str
    line: int
    column: int
    value: str
    message: str
    allowed: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        where = printable(self.pointer)
        what = f"{where} is {self.value}: " if where and self.value else f"{where}: " if where else ""
        text = f"{self.line}:{self.column}: {self.severity}: {what}{self.message}"
        if self.value and not where:
            text += f"; there: {self.value}"
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        if self.nearest:
            text += f"; did you mean {printable(self.nearest)}?"
        return text

    def to_document(self) -> dict[str, object]:
        """The problem as JSON members, those that are empty left out."""
        members: dict[str, object] = {
            "severity": self.severity,
            "pointer": self.pointer,
            "line": self.line,
            "column": self.column,
        }
        texts = {"value": self.value, "message": self.message, "allowed": self.allowed, "nearest": self.nearest}
        return {**members, **{name: text for name, text in texts.items() if text}}


class Place(Protocol):
    """Where a problem is found, and the value there as it may be shown."""

    line: int
    column: int

    @property
    def pointer(self) -> str: ...  # noqa: D102

    @property
    def shown(self) -> str: ...  # noqa: D102


class Findings:
    """Collects the problems of one document: so many as somebody may read."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._left_out = 0
        self._searches = 0

    def error(self, place: Place, message: str, **more: Any) -> None:
        """Notes what keeps the document from running; `more` as of :meth:`add`."""
        self.add("error", place, message, **more)

    def warning(self, place: Place, message: str, **more: Any) -> None:
        """Notes what is odd; `more` as of :meth:`add`."""
        self.add("warning", place, message, **more)

    def add(
        self,
        severity: Severity,
        place: Place,
        message: str,
        *,
        allowed: str = "",
        meant: str = "",
        names: Iterable[str] = (),
        near: str = "",
        is_value_shown: bool = True,
    ) -> None:
        """Notes a problem.

        Args:
            severity: How bad it is.
            place: Where.
            message: What is wrong.
            allowed: What would be right.
            meant: What was written in place of one of `names`.
            names: The valid ones; the nearest is named.
            near: What is probably meant, when no search is needed.
            is_value_shown: Whether the value at the place is what is wrong.
        """
        # Warnings leave room for errors.
        if len(self._problems) >= _MOST_PROBLEMS * (2 if severity == "error" else 1):
            self._left_out += 1
            return
        near = near or (self._nearest(meant, names) if meant else "")
        shown = place.shown if is_value_shown else ""
        self._problems.append(Problem(severity, place.pointer, place.line, place.column, shown, message, allowed, near))

    @property
    def errors(self) -> int:
        """How many errors there are."""
        return sum(problem.severity == "error" for problem in self._problems)

    def all(self) -> tuple[Problem, ...]:
        """The problems by their place; a last one says how many more there were."""
        found = sorted(
            dict.fromkeys(self._problems), key=lambda problem: (problem.line, problem.column, _ORDER[problem.severity])
        )
        if self._left_out:
            last = found[-1]
            found.append(
                Problem("note", "", last.line, last.column, "", f"{self._left_out} more problems are not listed")
            )
        return tuple(found)

    def _nearest(self, meant: str, names: Iterable[str]) -> str:
        self._searches += 1
        return nearest(meant, names) if self._searches <= _MOST_SEARCHES else ""


def nearest(meant: str, names: Iterable[str]) -> str:
    """The name that is most like `meant`, whatever its case; empty when none is near."""
    known = {name[:_SHOWN_CHARACTERS].lower(): name for name, _ in zip(names, range(_MOST_NAMES), strict=False)}
    found = difflib.get_close_matches(meant[:_SHOWN_CHARACTERS].lower(), known, n=1)
    return known[found[0]] if found else ""


def listed(names: Iterable[str]) -> str:
    """Names as a text for `allowed`: the first of them."""
    every = list(dict.fromkeys(names))
    text = ", ".join(printable(name) for name in every[:_NAMES_LISTED])
    return f"{text}, .." if len(every) > _NAMES_LISTED else text


def printable(text: str, characters: int = _SHOWN_CHARACTERS) -> str:
    """A text from outside as one short line: what a terminal could take for an order is escaped."""
    text = without_credentials(text)
    cut = text if len(text) <= characters else f"{text[:characters]}.."
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in cut
    )


def quoted(text: str) -> str:
    """A text from outside in quotes, as one short line."""
    return f'"{printable(text)}"'


def is_secret_name(name: str) -> bool:
    """Whether what has this name is probably a secret: published files declare passwords as plain texts."""
    return _SECRET_NAME.search(name) is not None


def without_credentials(text: str) -> str:
    """A text in which a URL has no user and password.

    Whatever stands before the last `@` is taken as them: people forget to escape what passwords may hold.
    """
    begin = text.find("://") + 3
    end = text.rfind("@")
    return f"{text[:begin]}***{text[end:]}" if 3 <= begin <= end else text
