"""What is told of a live pipeline in numbers, wherever it runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framewire.pipeline.live import LivePipeline


@dataclass(frozen=True, slots=True)
class Figures:
    """What is told of one live pipeline.

    Args:
        topology: The topology's name.
        pipeline: The live pipeline's name.
        is_active: Whether its state is active.
        received_bytes: Encoded video that came in, by source.
        dropped: What was dropped, by node and kind of data.
        latencies: Average and maximum of the last minute in seconds, by node; without those that no frame has left.
    """

    topology: str
    pipeline: str
    is_active: bool
    received_bytes: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[tuple[str, str], int] = field(default_factory=dict)
    latencies: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def figures_of(pipeline: LivePipeline) -> Figures:
    """The figures of a pipeline of this process; from any thread."""
    source, now_s = pipeline.graph.source, time.monotonic()
    capture = None if source.capture is None else source.capture.statistics()
    dropped = {(source.name, "video"): 0 if capture is None else capture.undecodable}
    latencies = {}
    for node in pipeline.graph.processors:
        dropped[node.name, "video"] = sum(dict(node.counts.dropped).values())
        if (latency := node.latency.read(now_s)) is not None:
            latencies[node.name] = latency
    return Figures(
        pipeline.topology_name,
        pipeline.name,
        pipeline.state.value == "active",
        {source.name: 0 if capture is None else capture.received_bytes},
        dropped,
        latencies,
    )
