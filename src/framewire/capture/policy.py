"""When to connect, when to give up, how long to wait. Pure: it owns no socket, no clock and no thread."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import Enum

from framewire.capture.faults import NO_PICTURE, Fault, no_answer, silence
from framewire.capture.options import CaptureOptions

_GRACE_S = 1.0
"""FFmpeg's own timeouts go first: a connection that ends by itself leaves no thread behind."""


class CaptureState(Enum):
    """Where a capture stands."""

    CONNECTING = "connecting"
    STREAMING = "streaming"
    STALLED = "stalled"
    """Connected, but silent for half of the time after which the connection is given up."""
    BACKING_OFF = "backing off"
    ENDED = "ended"


class ConnectionPolicy:
    """The life of the connections to one camera. All times are seconds of one steady clock.

    connect -> establish -> watch .. -> lose -> (pause) -> connect, and so on; end from anywhere.

    Args:
        options: How patient to be.
        now: When the first connection begins.
        draw: Gives numbers from 0 to 1, to spread the pauses: a hundred cameras behind one switch that restarts are not
            asked all at once.
    """

    def __init__(self, options: CaptureOptions, *, now: float, draw: Callable[[], float] = random.random) -> None:
        self._options = options
        self._draw = draw
        self._state = CaptureState.CONNECTING
        self._since = now
        self._spent = dict.fromkeys(CaptureState, 0.0)
        self._established: float | None = None
        self._pause_s = 0.0
        self.last_fault: Fault | None = None
        self.sessions = 0

    @property
    def state(self) -> CaptureState:
        """Where the capture stands."""
        return self._state

    @property
    def reconnects(self) -> int:
        """How many sessions were established after the first."""
        return max(0, self.sessions - 1)

    def seconds(self, now: float) -> dict[CaptureState, float]:
        """How long the capture has been in each state so far."""
        spent = dict(self._spent)
        spent[self._state] += max(0.0, now - self._since)
        return spent

    def connect(self, now: float) -> None:
        """A connection is being made."""
        self._established = None
        self._enter(CaptureState.CONNECTING, now)

    def establish(self, now: float) -> None:
        """The session stands."""
        self.sessions += 1
        self._established = now
        self._enter(CaptureState.STREAMING, now)

    def watch(self, now: float, *, silent_s: float, blind_s: float) -> Fault | None:
        """Looks at the connection.

        Args:
            now: The time.
            silent_s: For how long a read has been waiting.
            blind_s: For how long no picture came out of what was read.

        Returns:
            Why to give the connection up; None to keep it.
        """
        options = self._options
        if self._state is CaptureState.CONNECTING:
            return no_answer(options.connect_timeout_s) if now - self._since >= self.connect_limit_s else None
        if self._state not in (CaptureState.STREAMING, CaptureState.STALLED):
            return None
        if silent_s >= options.stall_s:
            self._enter(CaptureState.STALLED, now)
            return silence(options.stall_s)
        if blind_s >= options.picture_s:
            return NO_PICTURE
        self._enter(CaptureState.STALLED if silent_s >= options.stall_s / 2 else CaptureState.STREAMING, now)
        return None

    def blame(self, fault: Fault, now: float) -> Fault:
        """The true reason of a fault: FFmpeg, interrupted by its timeout, reports what it was about to do."""
        is_late = self._state is CaptureState.CONNECTING and now - self._since >= self._options.connect_timeout_s
        return no_answer(self._options.connect_timeout_s) if is_late and not fault.is_refusal else fault

    @property
    def connect_limit_s(self) -> float:
        """How long to wait for a connection that has limits of its own."""
        return self._options.connect_timeout_s + _GRACE_S

    def lose(self, fault: Fault, now: float) -> float:
        """The connection failed or is lost.

        Returns:
            How many seconds to wait before the next.
        """
        options = self._options
        self.last_fault = fault
        if self._established is not None and now - self._established >= options.stable_s:
            self._pause_s = 0.0
        self._established = None
        self._enter(CaptureState.BACKING_OFF, now)
        if fault.is_refusal:
            # Only ever longer: a lock-out may count in whole minutes.
            return options.refused_s * (1 + 0.1 * self._draw())
        self._pause_s = min(options.backoff_most_s, max(options.backoff_least_s, 2 * self._pause_s))
        return self._pause_s * (1 - 0.25 * self._draw())

    def end(self, now: float) -> None:
        """Nothing more will come."""
        self._enter(CaptureState.ENDED, now)

    def _enter(self, state: CaptureState, now: float) -> None:
        if state is self._state:
            return
        self._spent[self._state] += max(0.0, now - self._since)
        self._state, self._since = state, now
