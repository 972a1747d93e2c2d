"""What somebody else's program says, fit to be told on."""

from __future__ import annotations

MOST_SHOWN = 200
"""Characters of somebody's own words that go into an event."""


def in_one_line(text: str, most_characters: int) -> str:
    """Somebody's words in one line, short, without what would move a terminal's cursor."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= most_characters else f"{line[:most_characters]}..."
