"""The figures of live pipelines under the names that the edge module gave them (topologies, section 6)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

from framewire.errors import ConfigurationError, FramewireError
from framewire.pipeline.figures import Figures

try:
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, start_http_server
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
except ImportError:
    raise ConfigurationError(
        "metrics need prometheus-client, which is not installed", remedy="pip install 'framewire[pipeline]'"
    ) from None

__all__ = ["CONTENT_TYPE_LATEST", "generate_latest", "make_registry", "serve_metrics"]

_LABELS = ("pipeline_topology", "live_pipeline", "node")


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
    except (OSError, UnicodeError) as error:  # the latter for a name that can be none
        reason = error.strerror if isinstance(error, OSError) else "no name of a host"
        raise FramewireError(f"port {port} of {host} cannot be used: {reason}") from None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
