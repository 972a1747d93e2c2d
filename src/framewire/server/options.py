"""Options of the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from framewire.errors import ConfigurationError
from framewire.frames.shared_memory import ReadMode

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a server does, checked when it is made.

    Args:
        host: Where it listens: empty for all interfaces (IPv4 and IPv6), an address, or ``unix:/path``.
        port: TCP port; 0 picks a free one.
        batch_size: Most frames that the processor gets at once.
        batch_wait_ms: How long a frame may wait for a fuller batch while the processor is idle.
        batch_reply: `frame` answers each frame with its own result, `aggregate` as older servers did (ADR 0004).
        max_message_mib: Largest message that is received, in MiB.
        max_frame_mib: Largest decoded frame (width x height x 3 bytes) that is accepted, in MiB.
        max_sessions: Most streams at once; a further one is refused with RESOURCE_EXHAUSTED.
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
    batch_reply: Literal["frame", "aggregate"] = "frame"
    max_message_mib: float = 64
    max_frame_mib: float = 256
    max_sessions: int = 256
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
        # grpc counts message bytes in 32 bits.
        _check("max message (MiB)", self.max_message_mib, 0.001, 2_047)
        _check("max frame (MiB)", self.max_frame_mib, 0.001, 16_384)
        _check("max sessions", self.max_sessions, 1, 65_535)
        _check("max bad frames", self.max_bad_frames, 0, 1_000_000_000)
        _check("max in flight", self.max_in_flight, 1, 65_535)
        _check("max in flight (MiB)", self.max_in_flight_mib, 0.001, 1_048_576)
        _check("max total in flight", self.max_total_in_flight, 1, 1_048_576)
        _check("max total in flight (MiB)", self.max_total_in_flight_mib, 0.001, 1_048_576)
        _check("drain timeout (s)", self.drain_timeout_s, 0, 86_400)

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
