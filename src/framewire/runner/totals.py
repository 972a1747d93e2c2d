"""The figures of a live pipeline over all the processes that it has had."""

from __future__ import annotations

from collections import Counter
from typing import Any

from framewire.pipeline.figures import Figures


class Totals:
    """Adds what each process counts, so that nothing goes backwards when one is started again.

    Args:
        pipeline: The live pipeline's name.
    """

    def __init__(self, pipeline: str) -> None:
        self._pipeline = pipeline
        self._ended: Counter[tuple[str, str]] = Counter()
        self._now: Counter[tuple[str, str]] = Counter()
        self._latencies: dict[str, tuple[float, float]] = {}
        self._topology = ""

    def note(self, status: dict[str, Any]) -> None:
        """The process has said how it is."""
        source = status["source"]
        now = Counter({(source["name"], "bytes"): source["received_bytes"]})
        now[source["name"], "video"] = source["undecodable"]
        self._latencies = {}
        for name, node in status["nodes"].items():
            now[name, "video"] = sum(node["dropped"].values())
            if (latency := node["latency_s"]) is not None:
                self._latencies[name] = (latency["average"], latency["max"])
        now["", "application"] = status["messages_dropped"]
        self._now = now
        self._topology = status["topology"]

    def end(self) -> None:
        """The process is no more."""
        self._ended.update(self._now)
        self._now = Counter()
        self._latencies = {}

    def figures(self, *, is_active: bool) -> Figures | None:
        """As they are now; None before anything was said."""
        if not self._topology:
            return None
        total = Counter(self._ended)
        total.update(self._now)
        return Figures(
            self._topology,
            self._pipeline,
            is_active,
            {node: count for (node, kind), count in total.items() if kind == "bytes"},
            {key: count for key, count in total.items() if key[1] != "bytes"},
            self._latencies,
        )
