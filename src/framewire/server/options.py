"""Options of the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from framewire.errors import ConfigurationError
from framewire.frames.shared_memory import ReadMode
from framewire.model.terms import Terms, WhenBusy
from framewire.scheduling.executor import PoolOptions

MEBIBYTE = 1 << 20

DEFAULT_FRAME_TIMEOUT_S = 60.0
"""Longer than any call that is alive, short enough that somebody who waits for answers still does."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a server does, checked when it is made.

    Args:
        host: Where it listens: empty for all interfaces (IPv4 and IPv6), an address, or ``unix:/path``.
        port: TCP port; 0 picks a free one.
        batch_size: Most frames that the processor gets at once.
        batch_wait_ms: How long a frame may wait for a fuller batch while the processor is idle.
        executor: Where the processor runs: `inline` on the event loop, in `threads`, or in `processes`.
        workers: How many batches run at once, each with an instance of the processor; 1 with `inline`.
        frame_timeout_s: How long a batch may take before its worker is given up; 0 for as long as it does. None is
            60 s, and no limit with `inline`, which can have none.
        when_busy: What becomes of a frame that comes while one of the limits below is reached: `wait` leaves it
            unread, `drop-oldest`, `drop-newest` and `latest` answer one without processing it.
        max_age_ms: A frame that has waited longer is answered without being processed; 0 never.
        batch_reply: `frame` answers each frame with its own result, `aggregate` as older servers did (ADR 0004).
        max_message_mib: Largest message that is received, in MiB.
        max_frame_mib: Largest decoded frame (width x height x 3 bytes) that is accepted, in MiB.
        max_sessions: Most streams at once; a further one is refused with RESOURCE_EXHAUSTED.
        max_pools: Most processors with different options at once, each with workers of its own; a session that asks for
            a further one is refused with RESOURCE_EXHAUSTED.
        max_bad_frames: So many frames in a row that cannot be read or processed end their session; 0 never does.
        max_in_flight: Most frames of one session between receipt and answer; then its stream is not read.
        max_in_flight_mib: The same in MiB of embedded frames.
        max_total_in_flight: Most frames of all sessions together.
        max_total_in_flight_mib: The same in MiB of embedded frames.
        strict_configuration: Refuse members of an extension configuration that mean nothing to the processor.
        shared_memory_read: `map` reads frames in place, `copy` survives a client that shortens the file meanwhile.
        drain_timeout_s: How long a stopping server waits for frames in flight.
        credentials: User to password; empty accepts any client and none.

    Raises:
        ConfigurationError: A value is outside its range.
    """

    host: str = ""
    port: int = 5001
    batch_size: int = 1
    batch_wait_ms: float = 0.0
    executor: Literal["inline", "threads", "processes"] = "threads"
    workers: int = 1
    frame_timeout_s: float | None = None
    when_busy: Literal["wait", "drop-oldest", "drop-newest", "latest"] = "wait"
    max_age_ms: float = 0.0
    batch_reply: Literal["frame", "aggregate"] = "frame"
    max_message_mib: float = 64
    max_frame_mib: float = 256
    max_sessions: int = 256
    max_pools: int = 32
    max_bad_frames: int = 30
    max_in_flight: int = 32
    max_in_flight_mib: float = 64
    max_total_in_flight: int = 1024
    max_total_in_flight_mib: float = 512
    strict_configuration: bool = False
    shared_memory_read: ReadMode = "map"
    drain_timeout_s: float = 8.0
    credentials: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check("port", self.port, 0, 65_535)
        _check("batch size", self.batch_size, 1, 4_096)
        _check("batch wait (ms)", self.batch_wait_ms, 0, 60_000)
        _check("workers", self.workers, 1, 256)
        _check("frame timeout (s)", self.frame_timeout_s or 0, 0, 86_400)
        _check("max age (ms)", self.max_age_ms, 0, 3_600_000)
        if self.executor == "inline" and self.workers > 1:
            raise ConfigurationError(
                f"workers is {self.workers} and the executor is inline",
                allowed="1 with inline",
                remedy="choose --executor threads or processes",
            )
        if self.executor == "inline" and self.frame_timeout_s is not None:
            raise ConfigurationError(
                f"frame timeout is {self.frame_timeout_s:g} s and the executor is inline, which cannot stop a call",
                remedy="choose --executor threads or processes, or leave --frame-timeout out",
            )
        # grpc counts message bytes in 32 bits.
        _check("max message (MiB)", self.max_message_mib, 0.001, 2_047)
        _check("max frame (MiB)", self.max_frame_mib, 0.001, 16_384)
        _check("max sessions", self.max_sessions, 1, 65_535)
        _check("max pools", self.max_pools, 1, 4096)
        _check("max bad frames", self.max_bad_frames, 0, 1_000_000_000)
        _check("max in flight", self.max_in_flight, 1, 65_535)
        _check("max in flight (MiB)", self.max_in_flight_mib, 0.001, 1_048_576)
        _check("max total in flight", self.max_total_in_flight, 1, 1_048_576)
        _check("max total in flight (MiB)", self.max_total_in_flight_mib, 0.001, 1_048_576)
        _check("drain timeout (s)", self.drain_timeout_s, 0, 86_400)

    @property
    def pool(self) -> PoolOptions:
        """How the executor works."""
        timeout_s = self.frame_timeout_s
        if timeout_s is None and self.executor != "inline":
            timeout_s = DEFAULT_FRAME_TIMEOUT_S
        return PoolOptions(self.batch_size, self.batch_wait_ms / 1000, self.workers, timeout_s or None)

    @property
    def terms(self) -> Terms:
        """How the frames of a session are scheduled that asks for nothing else."""
        return Terms(when_busy=WhenBusy(self.when_busy), max_age_s=self.max_age_ms / 1000 or None)

    @property
    def max_message_bytes(self) -> int:
        """Largest message in bytes."""
        return int(self.max_message_mib * MEBIBYTE)

    @property
    def max_frame_bytes(self) -> int:
        """Largest decoded frame in bytes."""
        return int(self.max_frame_mib * MEBIBYTE)


def _check(name: str, value: float, lowest: float, highest: float) -> None:
    # A comparison that NaN fails, too.
    if not lowest <= value <= highest:
        raise ConfigurationError(f"{name} is {value}", allowed=f"{lowest} to {highest}")
