"""Figures over several processes of one pipeline, and rates."""

from __future__ import annotations

from typing import Any

from framewire.pipeline.figures import Figures
from framewire.pipeline.rates import RateMeter
from framewire.runner.totals import Totals


def status(received: int, busy: int, lost: int = 0, latency: float | None = None) -> dict[str, Any]:
    return {
        "topology": "Motion",
        "messages_dropped": lost,
        "source": {"name": "camera", "received_bytes": received, "undecodable": 1},
        "nodes": {
            "grpc": {
                "dropped": {"extension-busy": busy, "extension-away": 2},
                "latency_s": None if latency is None else {"average": latency, "max": latency},
            }
        },
    }


def test_counts_go_on_when_a_process_is_started_again() -> None:
    totals = Totals("gate-1")
    assert totals.figures(is_active=False) is None
    totals.note(status(500, 3))
    totals.note(status(1000, 5, lost=4, latency=0.5))
    first = Figures(
        "Motion",
        "gate-1",
        True,
        {"camera": 1000},
        {("camera", "video"): 1, ("grpc", "video"): 7, ("", "application"): 4},
        {"grpc": (0.5, 0.5)},
    )
    assert totals.figures(is_active=True) == first
    totals.end()
    between = totals.figures(is_active=True)
    assert between is not None
    assert (between.received_bytes, between.dropped, between.latencies) == (first.received_bytes, first.dropped, {})
    totals.note(status(10, 0))
    after = totals.figures(is_active=True)
    assert after is not None
    assert after.received_bytes == {"camera": 1010}
    assert after.dropped == {("camera", "video"): 2, ("grpc", "video"): 9, ("", "application"): 4}


def test_rates_are_those_of_the_last_ten_seconds() -> None:
    meter = RateMeter()
    assert meter.note(100.0, {"frames": 50}) == {"frames": 0.0}
    assert meter.note(102.0, {"frames": 80}) == {"frames": 15.0}
    assert meter.note(112.0, {"frames": 80}) == {"frames": 0.0}
    assert meter.note(113.0, {"frames": 103}) == {"frames": 2.09}
