"""What a load consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from framewire.errors import ConfigurationError
from framewire.model.format import VideoFormat

MAX_STREAMS = 4096
MAX_IN_FLIGHT = 4096
MIN_FRAMES_PER_SECOND = 0.001
MAX_FRAMES_PER_SECOND = 100_000.0


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """One load on one server. Its frames are ready: nothing is encoded while the clock runs.

    Args:
        address: ``HOST:PORT``, ``tcp://HOST:PORT`` or ``unix:/path``.
        video_format: Form of every frame.
        frames: The frames, sent in turn; each in the form of `video_format`.
        streams: Sessions at once, each on a connection of its own.
        in_flight: Most frames of one stream that wait for their answer.
        shared_memory_bytes: Shared memory of each stream; 0 embeds the frames. `memory_bytes` tells how much holds all
            frames in flight; less means fewer frames in flight.
        shared_memory_mode: Permission bits of the shared memory files.
        frames_per_second: Rate of each stream, whatever the answers do (open loop), 0.001 to 100,000. None: the next
            frame is sent when an answer has come (closed loop).
        warm_up_s: Seconds of load before the measurement.
        duration_s: Seconds that are measured.
        timeout_s: Longest wait for an answer in seconds.
        configuration: Extension configuration, free text.
        user: User for ``x-ms-authentication``; None sends none.
        password: Its password.

    Raises:
        ConfigurationError: A value is out of range, or the shared memory holds no frame.
    """

    address: str
    video_format: VideoFormat
    frames: Sequence[bytes]
    streams: int = 1
    in_flight: int = 4
    shared_memory_bytes: int = 0
    shared_memory_mode: int = 0o600
    frames_per_second: float | None = None
    warm_up_s: float = 1.0
    duration_s: float = 10.0
    timeout_s: float = 10.0
    configuration: str = ""
    user: str | None = None
    password: str = ""

    def __post_init__(self) -> None:
        if not self.frames:
            raise ConfigurationError("there is no frame to send", allowed="one or more")
        for name, value, most in (("streams", self.streams, MAX_STREAMS), ("in flight", self.in_flight, MAX_IN_FLIGHT)):
            if not 1 <= value <= most:
                raise ConfigurationError(f"{name} is {value}", allowed=f"1 to {most}")
        rate = self.frames_per_second
        if rate is not None and not MIN_FRAMES_PER_SECOND <= rate <= MAX_FRAMES_PER_SECOND:
            raise ConfigurationError(
                f"fps is {rate:g}",
                allowed=f"{MIN_FRAMES_PER_SECOND:g} to {MAX_FRAMES_PER_SECOND:.0f}",
                remedy="without --fps frames are sent as fast as answers come",
            )
        for name, number in (("duration", self.duration_s), ("timeout", self.timeout_s)):
            if not 0 < number < float("inf"):
                raise ConfigurationError(f"{name} is {number:g}", allowed="a number above 0")
        if not 0 <= self.warm_up_s < float("inf"):
            raise ConfigurationError(f"warm-up is {self.warm_up_s:g}", allowed="0 or more seconds")
        if self.shared_memory_bytes and self.shared_memory_bytes < self.slot_bytes:
            raise ConfigurationError(
                f"shared memory of {self.shared_memory_bytes} bytes does not hold a frame of {self.slot_bytes}",
                allowed=f"{self.slot_bytes} or more; {self.in_flight * self.slot_bytes} for all frames in flight",
            )

    @property
    def slot_bytes(self) -> int:
        """Length of the longest frame, and of a slot in shared memory."""
        return max(1, *map(len, self.frames))

    @property
    def slots(self) -> int:
        """Frames that one stream has in flight at most: what is allowed, and what its memory holds."""
        if not self.shared_memory_bytes:
            return self.in_flight
        return min(self.in_flight, self.shared_memory_bytes // self.slot_bytes)


def memory_bytes(frames: Sequence[bytes], in_flight: int) -> int:
    """How much shared memory a stream needs to have so many frames in flight."""
    return in_flight * max(1, *map(len, frames))
