"""The figures of live pipelines under the names that the edge module gave them (topologies, section 6)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from framewire.errors import ConfigurationError, FramewireError

if TYPE_CHECKING:
    from framewire.pipeline.live import LivePipeline

try:
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, start_http_server
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
except ImportError:
    raise ConfigurationError(
        "metrics need prometheus-client, which is not installed", remedy="pip install 'framewire[pipeline]'"
    ) from None

__all__ = ["CONTENT_TYPE_LATEST", "Figures", "figures_of", "generate_latest", "make_registry", "serve_metrics"]

_LABELS = ("pipeline_topology", "live_pipeline", "node")


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


class _Collector:
    def __init__(self, read: Callable[[], Iterable[Figures]]) -> None:
        self._read = read

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        active = GaugeMetricFamily("va_active_live_pipelines", "Live pipelines that are active.", labels=_LABELS[:1])
        average = GaugeMetricFamily(
            "va_cumulative_latency_seconds_average",
            "Mean time from the receipt of a frame until it left the node, over the last minute.",
            labels=_LABELS,
        )
        most = GaugeMetricFamily(
            "va_cumulative_latency_seconds_max",
            "Longest time from the receipt of a frame until it left the node, over the last minute.",
            labels=_LABELS,
        )
        dropped = CounterMetricFamily(
            "va_data_dropped", "What a node did not work on although it should have.", labels=(*_LABELS, "data_kind")
        )
        received = CounterMetricFamily("va_received_bytes", "Encoded video that a source received.", labels=_LABELS)
        count: dict[str, int] = {}
        for one in self._read():
            count[one.topology] = count.get(one.topology, 0) + one.is_active
            of = (one.topology, one.pipeline)
            for node, number in one.received_bytes.items():
                received.add_metric((*of, node), number)
            for (node, kind), number in one.dropped.items():
                dropped.add_metric((*of, node, kind), number)
            for node, (average_s, most_s) in one.latencies.items():
                average.add_metric((*of, node), average_s)
                most.add_metric((*of, node), most_s)
        for topology, number in count.items():
            active.add_metric((topology,), number)
        yield from (active, average, most, dropped, received)


def make_registry(read: Callable[[], Iterable[Figures]]) -> CollectorRegistry:
    """What Prometheus is told: the figures as they are when it asks.

    Args:
        read: The figures of all live pipelines; called on the thread that answers.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(read))
    return registry


@contextlib.contextmanager
def serve_metrics(read: Callable[[], Iterable[Figures]], host: str, port: int) -> Iterator[int]:
    """Answers Prometheus in a thread of its own as long as the block runs; gives the port.

    Raises:
        FramewireError: The port cannot be used.
    """
    try:
        server, thread = start_http_server(port, host, make_registry(read))
    except OSError as error:
        raise FramewireError(f"port {port} of {host} cannot be used: {error.strerror}") from None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
