"""What a load came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from framewire.errors import FramewireError
from framewire.load.cost import OwnCost
from framewire.load.statistics import ServerFrames
from framewire.load.tally import Tally

_BUSY = 0.85
_ALL_CORES = 0.9


@dataclass(frozen=True, slots=True)
class ServerCost:
    """What a local server used during the window.

    Args:
        cpu_s: User and system time in seconds, children included.
        rss_bytes: Resident memory at the end of the window, summed over its processes.
        processes: How many these are.
    """

    cpu_s: float
    rss_bytes: int
    processes: int


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The figures of one load.

    Args:
        streams: Sessions at once.
        offered_per_second: Frames/s that all streams were to send; None for a closed loop.
        duration_s: Length of the window.
        tally: What was counted.
        own: What the generator used during the window.
        server: What the server used; None when that cannot be known.
        statistics: What the server says of itself since it was started; None when it offers nothing.
        server_frames: What it says of the frames of the window; None when it does not.
        failure: What ended the load too early.
        alone_per_second: Frames/s that the generator alone can do; None when that was not measured.
    """

    streams: int
    offered_per_second: float | None
    duration_s: float
    tally: Tally
    own: OwnCost
    server: ServerCost | None = None
    statistics: dict[str, Any] | None = None
    server_frames: ServerFrames | None = None
    failure: FramewireError | None = None
    alone_per_second: float | None = None

    @property
    def frames_per_second(self) -> float:
        """Answers of the window by its length."""
        return self.tally.answered / self.duration_s

    @property
    def is_clean(self) -> bool:
        """Whether every frame was answered exactly once, and nothing else came."""
        return not (self.failure or self.tally.lost or self.tally.doubled or self.tally.unknown)

    def latency_ms(self, percent: float) -> float | None:
        """The latency in milliseconds that `percent` of the frames do not exceed; None when there was none."""
        latency_s = self.tally.latencies.percentile(percent)
        return None if latency_s is None else latency_s * 1000

    @property
    def server_cpu_ms(self) -> float | None:
        """Processor time of the server per answered frame in milliseconds; None when it cannot be known."""
        if self.server is None or not self.tally.answered:
            return None
        return self.server.cpu_s * 1000 / self.tally.answered

    @property
    def own_cpu_ms(self) -> float | None:
        """Processor time of the generator per answered frame in milliseconds; None without answers."""
        return self.own.process_s * 1000 / self.tally.answered if self.tally.answered else None

    @property
    def is_own_limit(self) -> bool:
        """Whether the generator, not the server, probably sets the figures."""
        return self.own.busy >= _BUSY

    @property
    def is_short_of_cores(self) -> bool:
        """Whether the generator would have been busy all the time, had others not taken its core."""
        return not self.is_own_limit and self.own.busy + self.own.starved >= _ALL_CORES

    def document(self) -> dict[str, Any]:
        """The figures as JSON values, with camel case names."""
        tally = self.tally
        latencies = tally.latencies
        return {
            "streams": self.streams,
            "offeredPerSecond": self.offered_per_second,
            "durationS": round(self.duration_s, 3),
            "framesPerSecond": round(self.frames_per_second, 2),
            "latencyMs": {
                "count": latencies.count,
                "mean": _ms(latencies.mean),
                **{f"p{percent:g}": _ms(latencies.percentile(percent)) for percent in (50, 90, 95, 99, 99.9)},
                "max": _ms(latencies.maximum if latencies.count else None),
            },
            "histogramMs": [[_ms(edge_s), count] for edge_s, count in latencies.bins()],
            "sent": tally.sent,
            "answered": tally.answered,
            "empty": tally.empty,
            "lost": tally.lost,
            "doubled": tally.doubled,
            "unknown": tally.unknown,
            "late": tally.late,
            "unsent": tally.unsent,
            "server": self.server
            and {
                "cpuMsPerFrame": _rounded(self.server_cpu_ms),
                "rssMib": round(self.server.rss_bytes / (1 << 20), 1),
                "processes": self.server.processes,
            },
            "generator": {
                "cpuMsPerFrame": _rounded(self.own_cpu_ms),
                "busy": round(self.own.busy, 3),
                "waitedForCore": round(self.own.starved, 3),
                "aloneFramesPerSecond": self.alone_per_second and round(self.alone_per_second),
                "isLimit": self.is_own_limit,
            },
            "serverFrames": self.server_frames and self.server_frames.document(),
            "statistics": self.statistics,
            "failure": self.failure and str(self.failure),
        }


def _ms(seconds: float | None) -> float | None:
    return _rounded(None if seconds is None else seconds * 1000)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
