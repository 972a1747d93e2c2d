"""What Prometheus is told."""

from __future__ import annotations

import pytest

from framewire.pipeline.figures import Figures
from framewire.pipeline.latency import LatencyWindow
from framewire.pipeline.metrics import generate_latest, make_registry


def lines_of(*figures: Figures) -> list[str]:
    text: str = generate_latest(make_registry(lambda: figures)).decode()
    return [line for line in text.splitlines() if not line.startswith("# HELP")]


def test_the_figures_have_the_documented_names_and_labels() -> None:
    one = Figures("Motion", "gate-1", True, {"camera": 1200}, {("grpc", "video"): 7}, {"grpc": (0.25, 1.5)})
    of = 'live_pipeline="gate-1",node="grpc",pipeline_topology="Motion"'
    assert lines_of(one, Figures("Motion", "gate-2", True), Figures("Motion", "gate-3", False)) == [
        "# TYPE va_active_live_pipelines gauge",
        'va_active_live_pipelines{pipeline_topology="Motion"} 2.0',
        "# TYPE va_cumulative_latency_seconds_average gauge",
        f"va_cumulative_latency_seconds_average{{{of}}} 0.25",
        "# TYPE va_cumulative_latency_seconds_max gauge",
        f"va_cumulative_latency_seconds_max{{{of}}} 1.5",
        "# TYPE va_data_dropped_total counter",
        'va_data_dropped_total{data_kind="video",live_pipeline="gate-1",node="grpc",pipeline_topology="Motion"} 7.0',
        "# TYPE va_received_bytes_total counter",
        'va_received_bytes_total{live_pipeline="gate-1",node="camera",pipeline_topology="Motion"} 1200.0',
    ]


def test_a_name_cannot_write_lines_of_its_own() -> None:
    found = lines_of(Figures('a"\nb\\', "p", True))
    assert 'va_active_live_pipelines{pipeline_topology="a\\"\\nb\\\\"} 1.0' in found


def test_latencies_are_those_of_the_last_minute() -> None:
    window = LatencyWindow()
    assert window.read(1000.0) is None
    window.add(1000.5, 0.5)
    window.add(1030.0, 0.1)
    window.add(1030.9, 0.3)
    average, most = window.read(1031.0) or (0, 0)
    assert (average, most) == (pytest.approx(0.3), 0.5)
    average, most = window.read(1060.0) or (0, 0)
    assert (average, most) == (pytest.approx(0.2), 0.3)
    window.add(1060.0, 2.0)
    assert window.read(1090.0) == (2.0, 2.0)
    assert window.read(1120.0) is None
