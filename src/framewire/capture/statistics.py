"""What a capture has done so far, in numbers."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from framewire.capture.policy import CaptureState


@dataclass(frozen=True, slots=True)
class CaptureStatistics:
    """A moment in the life of a capture.

    Attributes:
        state: Where it stands.
        frames: Frames handed out.
        undecodable: Packets that gave an error instead of a picture.
        damaged: Pictures that were handed out although parts of them were missing or wrong, as the decoder says.
        reconnects: Sessions after the first.
        jumps: How often the medium's time made no sense and was counted anew.
        received_bytes: Encoded video that came in.
        read_cpu_s: CPU time that reading and decoding took, in seconds.
        hung: Connections that were given up and have not ended yet.
        is_stuck: Whether so many hang that no more are made; only another process helps then.
        seconds: How long it has been in each state.
        last_error: What went wrong last, in plain words; None for nothing.
    """

    state: CaptureState
    frames: int
    undecodable: int
    damaged: int
    reconnects: int
    jumps: int
    received_bytes: int
    read_cpu_s: float
    hung: int
    is_stuck: bool
    seconds: dict[CaptureState, float]
    last_error: str | None


class Counters:
    """What readers count. Several threads may add: one that hangs is followed by the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.received_bytes = 0
        self.undecodable = 0
        self.damaged = 0
        self.cpu_s = 0.0

    def add(self, *, received_bytes: int = 0, undecodable: int = 0, damaged: int = 0, cpu_s: float = 0.0) -> None:
        """Adds what one packet brought."""
        with self._lock:
            self.received_bytes += received_bytes
            self.undecodable += undecodable
            self.damaged += damaged
            self.cpu_s += cpu_s
