"""The histogram: how exact, how large."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.model.histogram import Histogram

LATENCIES = st.lists(st.floats(2e-6, 1000.0), min_size=1, max_size=300)


def filled(latencies: list[float]) -> Histogram:
    histogram = Histogram()
    for latency in latencies:
        histogram.add(latency)
    return histogram


def test_an_empty_one_knows_nothing() -> None:
    histogram = Histogram()
    assert histogram.count == 0
    assert histogram.percentile(50) is None
    assert histogram.mean is None
    assert list(histogram.bins()) == []


def test_percentiles_of_a_hundred_latencies() -> None:
    histogram = filled([number / 1000 for number in range(1, 101)])
    assert histogram.percentile(50) == pytest.approx(0.050, rel=0.004)
    assert histogram.percentile(95) == pytest.approx(0.095, rel=0.004)
    assert histogram.percentile(99) == pytest.approx(0.099, rel=0.004)
    assert histogram.percentile(100) == 0.1
    assert histogram.mean == pytest.approx(0.0505)


def test_one_slow_frame_of_a_thousand_is_the_maximum_and_not_the_p999() -> None:
    histogram = filled([0.001] * 999 + [2.0])
    assert histogram.percentile(99.9) == pytest.approx(0.001, rel=0.004)
    assert histogram.percentile(100) == 2.0
    assert histogram.maximum == 2.0


@given(LATENCIES, st.sampled_from([1, 25, 50, 90, 95, 99, 99.9]))
def test_a_percentile_is_off_by_less_than_half_a_per_cent(latencies: list[float], percent: float) -> None:
    rank = max(1, math.ceil(round(len(latencies) * percent / 100, 6)))
    exact = sorted(latencies)[rank - 1]
    assert filled(latencies).percentile(percent) == pytest.approx(exact, rel=0.004)


@given(LATENCIES)
def test_the_bins_hold_every_latency_once(latencies: list[float]) -> None:
    assert sum(count for _, count in filled(latencies).bins()) == len(latencies)


def test_what_is_not_above_zero_and_what_is_huge_is_counted_too() -> None:
    histogram = filled([0.0, -1e-9, 1e-9, 1e6])
    assert histogram.count == 4
    assert histogram.percentile(100) == 1e6
    assert sum(count for _, count in histogram.bins()) == 4


def test_an_edge_is_above_what_is_in_its_bin() -> None:
    ((edge_s, count),) = filled([0.0123]).bins()
    assert count == 1
    assert 0.0123 <= edge_s < 0.0123 * 1.0079
