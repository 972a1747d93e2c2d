"""A JSON value that knows where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from framewire.topology.problems import printable, quoted

_MAX_INTEGER_DIGITS = 4300

JsonKind = Literal["object", "array", "string", "number", "boolean", "null"]


@dataclass(slots=True, eq=False)
class Json:
    """A value of a document, and where it stands.

    Args:
        kind: What it is.
        content: Members by name, a list, a text, the digits of a number as they stand there, a boolean or None.
        line: From 1.
        column: From 1, in characters.
        parent: The object or array that it is part of.
        key: Its name or index there.
        is_secret: Never to be shown.
        is_unset: It depends on a parameter that has no value yet, so nothing can be said about it.
    """

    kind: JsonKind
    content: Any
    line: int
    column: int
    parent: Json | None = None
    key: str | int = ""
    is_secret: bool = False
    is_unset: bool = False

    @property
    def pointer(self) -> str:
        """JSON pointer of the value."""
        keys: list[str] = []
        value = self
        while value.parent is not None:
            keys.append(str(value.key).replace("~", "~0").replace("/", "~1"))
            value = value.parent
        return "".join(f"/{key}" for key in reversed(keys))

    @property
    def shown(self) -> str:
        """The value as a text for problems."""
        if self.is_secret:
            return "***"
        match self.kind:
            case "object":
                return "an object"
            case "array":
                return "a list"
            case "string":
                return quoted(self.content)
            case "number":
                return printable(self.content)
        return "null" if self.content is None else str(self.content).lower()

    @property
    def text(self) -> str | None:
        """The text of a scalar, as a number or boolean may stand for one; None when it has none or is unset."""
        if self.is_unset or self.kind in ("object", "array", "null"):
            return None
        return str(self.content).lower() if self.kind == "boolean" else str(self.content)

    def member(self, name: str) -> Json | None:
        """A member of an object, whatever the case of its name; the last of several."""
        found = None
        if self.kind == "object":
            for key, value in self.content.items():
                if key.lower() == name.lower():
                    found = value
        return found

    def items(self) -> Iterator[Json]:
        """The values of an array; nothing for any other kind."""
        if self.kind == "array":
            yield from self.content

    def with_text(self, text: str, *, is_secret: bool, is_unset: bool = False) -> Json:
        """The same place with another text."""
        return replace(self, content=text, is_secret=self.is_secret or is_secret, is_unset=is_unset)

    def plain(self) -> Any:
        """The value as Python's json module would give it; a whole number of thousands of digits becomes a float."""
        match self.kind:
            case "object":
                return {name: value.plain() for name, value in self.content.items()}
            case "array":
                return [value.plain() for value in self.content]
            case "number":
                is_whole = not set(self.content) & set(".eE") and len(self.content) <= _MAX_INTEGER_DIGITS
                return int(self.content) if is_whole else float(self.content)
        return self.content
