"""ISO 8601 durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.topology.durations import format_duration, guess_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT1S", 1.0),
        ("PT1.0S", 1.0),
        ("PT0,5S", 0.5),
        ("-PT5S", -5.0),
        ("+PT5S", 5.0),
        (" pt30s ", 30.0),
        ("PT1M30S", 90.0),
        ("PT1H", 3600.0),
        ("P1DT1H", 90_000.0),
        ("P7D", 604_800.0),
        ("P1W", 604_800.0),
        ("PT0S", 0.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "1S", "PT1", "P1Y", "P1M", "PTS", "PT1S1M", "PT\u0661S", "PT1S\n1"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "PT0S"), (1.5, "PT1.5S"), (-5, "-PT5S"), (60, "PT1M"), (3600, "PT1H"), (86_400, "P1D"), (90, "PT90S")],
)
def test_how_durations_are_written(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "meant"),
    [("5", "PT5S"), ("5s", "PT5S"), ("-5 seconds", "-PT5S"), ("00:01:30", "PT90S"), ("1:30", "PT90S"), ("soon", "")],
)
def test_what_was_probably_meant(text: str, meant: str) -> None:
    assert guess_duration(text) == meant


@given(st.integers(-10_000_000, 10_000_000))
def test_what_is_written_is_read_back(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds
