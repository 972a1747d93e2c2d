"""Rates of counts."""

from __future__ import annotations

from framewire.pipeline.rates import RateMeter


def test_the_first_reading_tells_no_rate() -> None:
    assert RateMeter().note(5.0, {"camera": 100}) == {"camera": 0.0}


def test_a_rate_is_what_was_added_in_a_second() -> None:
    meter = RateMeter()
    meter.note(0.0, {"camera": 100, "ai": 7})
    assert meter.note(2.0, {"camera": 130, "ai": 7}) == {"camera": 15.0, "ai": 0.0}


def test_what_is_longer_ago_than_ten_seconds_counts_no_more() -> None:
    meter = RateMeter()
    rates = {}
    for second in range(30):
        # Ten frames a second for twenty seconds, and none for ten.
        rates = meter.note(float(second), {"camera": 10 * min(second, 19)})
    assert rates == {"camera": 0.0}
    assert meter.note(30.0, {"camera": 220}) == {"camera": 3.0}


def test_readings_in_quick_succession_are_bounded_and_still_right() -> None:
    meter = RateMeter()
    rates = {}
    for reading in range(1000):
        rates = meter.note(reading / 100, {"camera": reading})
    assert rates == {"camera": 100.0}


def test_a_node_that_appears_later_begins_at_nothing() -> None:
    meter = RateMeter()
    meter.note(0.0, {"camera": 10})
    assert meter.note(4.0, {"camera": 50, "late": 8}) == {"camera": 10.0, "late": 2.0}


def test_two_readings_at_one_time_tell_no_rate() -> None:
    meter = RateMeter()
    meter.note(1.0, {"camera": 10})
    assert meter.note(1.0, {"camera": 20}) == {"camera": 0.0}
