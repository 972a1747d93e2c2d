"""Durations as topologies write them (ISO 8601)."""

from __future__ import annotations

import re

_PARTS = re.compile(
    r"(?P<sign>[+-]?)P(?:(?P<weeks>N)W)?(?:(?P<days>N)D)?"
    r"(?:T(?=\d)(?:(?P<hours>N)H)?(?:(?P<minutes>N)M)?(?:(?P<seconds>N)S)?)?".replace("N", r"\d{1,9}(?:[.,]\d{1,9})?"),
    re.ASCII | re.IGNORECASE,
)
_SECONDS = {"weeks": 604_800, "days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
_PLAIN = re.compile(r"(?P<sign>[+-]?)(?P<seconds>\d{1,9}(?:\.\d{1,9})?) ?(?:s|sec|seconds?)?", re.ASCII | re.IGNORECASE)
_CLOCK = re.compile(
    r"(?P<sign>[+-]?)(?:(?P<hours>\d{1,2}):)?(?P<minutes>\d{1,2}):(?P<seconds>\d{1,2}(?:\.\d{1,9})?)", re.ASCII
)


def parse_duration(text: str) -> float:
    """Reads a duration such as `PT30S`, `-PT5S`, `PT1.5M` or `P7D`.

    Years and months, whose length depends on the calendar, are not taken.

    Returns:
        Seconds.

    Raises:
        ValueError: It is none.
    """
    match = _PARTS.fullmatch(text.strip())
    if match is None or all(match[part] is None for part in _SECONDS):
        raise ValueError(f"no duration: {text[:40]!r}")
    return _seconds(match)


def format_duration(seconds: float) -> str:
    """The shortest common form of a duration: `PT30S`, `PT5M`, `P7D`."""
    sign, rest = ("-", -seconds) if seconds < 0 else ("", seconds)
    for unit, prefix, letter in ((86_400, "P", "D"), (3600, "PT", "H"), (60, "PT", "M")):
        if rest and rest % unit == 0:
            return f"{sign}{prefix}{rest // unit:.0f}{letter}"
    return f"{sign}PT{rest:.10g}S"


def guess_duration(text: str) -> str:
    """What was probably meant by `5`, `5s` or `00:00:05`; empty for anything else."""
    match = _PLAIN.fullmatch(text.strip()) or _CLOCK.fullmatch(text.strip())
    return format_duration(_seconds(match)) if match else ""


def _seconds(match: re.Match[str]) -> float:
    parts = match.groupdict()
    total = sum(float(parts[part].replace(",", ".")) * unit for part, unit in _SECONDS.items() if parts.get(part))
    return -total if parts["sign"] == "-" else total
