"""A camera or a recording that stays open: the thin shell around policy, time and readers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from enum import Enum, auto
from types import TracebackType
from typing import Self, assert_never

from framewire.capture.attempt import Arrival, Attempt, Established, Over
from framewire.capture.clock import TICKS_PER_S, Clock, SystemClock
from framewire.capture.events import CaptureEvent, event_of_fault, event_of_session
from framewire.capture.faults import ENDED, Fault, fault_of, stuck
from framewire.capture.frame import CapturedFrame
from framewire.capture.kinds import Target, target_of
from framewire.capture.options import CaptureOptions
from framewire.capture.pace import Pace
from framewire.capture.pictures import Converter
from framewire.capture.policy import CaptureState, ConnectionPolicy
from framewire.capture.reader import Reader, Session
from framewire.capture.statistics import CaptureStatistics, Counters
from framewire.capture.timestamps import MediaTime
from framewire.errors import ConfigurationError

_MOST_HUNG = 3
"""Connections that were given up and hang. More of them would be a leak: then the next waits until one has ended."""

_USUAL_RATE = 25.0

Tell = Callable[[CaptureEvent], None]


class _Next(Enum):
    """What follows a session that is over and was not lost."""

    AGAIN = auto()
    NOTHING = auto()


def open_capture(options: CaptureOptions, tell: Tell | None = None, *, clock: Clock | None = None) -> Capture:
    """Makes a capture. It opens nothing yet: the first frame that is asked for does.

    Args:
        options: What to open.
        tell: Called for each event, by the thread that reads the frames. It should not block.
        clock: Where time comes from.

    Raises:
        ConfigurationError: The address is of no kind that is known, or there is no such file.
    """
    return Capture(options, target_of(options), tell or (lambda event: None), clock or SystemClock())


class Capture:
    """Frames of one camera or recording; a context manager that closes itself.

    One thread reads the frames. Any thread may close it, and look at its state and its statistics.

    Args:
        options: What to open.
        target: What its address stands for.
        tell: Called for each event.
        clock: Where time comes from.

    Attributes:
        name: The address without user, password and query.
    """

    def __init__(self, options: CaptureOptions, target: Target, tell: Tell, clock: Clock) -> None:
        self.name = target.name
        self._options = options
        self._target = target
        self._tell = tell
        self._clock = clock
        self._policy = ConnectionPolicy(options, now=clock.steady_s())
        self._converter = Converter()
        self._counters = Counters()
        self._pace = Pace()
        self._time: MediaTime | None = None
        self._frames_given = 0
        self._closing = threading.Event()
        self._attempt: Attempt | None = None
        self._left_behind: list[Attempt] = []
        self._is_stuck = False
        self._frames = self._run()
        # How long to wait for an item before looking whether the camera is still well.
        self._glance_s = min(0.5, options.stall_s / 10, options.connect_timeout_s / 10)

    @property
    def state(self) -> CaptureState:
        """Where it stands."""
        return CaptureState.ENDED if self._closing.is_set() else self._policy.state

    def frames(self) -> Iterator[CapturedFrame]:
        """Reads frame after frame; asked a second time it goes on where the first stopped. It blocks.

        A camera's frames end with :meth:`close` alone: everything else is told, waited for and tried again. Those of a
        recording end at its end.

        Raises:
            ConfigurationError: A recording cannot be read, or holds no picture. Never for a camera.
        """
        return self._frames

    def close(self) -> None:
        """Ends the frames, soon, from any thread and in the middle of a read too. Closing twice is fine.

        The connection itself is closed by its own thread when the read in progress returns.
        """
        self._closing.set()
        attempt = self._attempt
        if attempt is not None:
            attempt.abandon()

    def statistics(self) -> CaptureStatistics:
        """What it has done so far. Any thread may ask."""
        policy, counters = self._policy, self._counters
        return CaptureStatistics(
            state=self.state,
            frames=self._frames_given,
            undecodable=counters.undecodable,
            damaged=counters.damaged,
            reconnects=policy.reconnects if self._target.kind.is_camera else 0,
            jumps=self._time.jumps if self._time else 0,
            received_bytes=counters.received_bytes,
            read_cpu_s=counters.cpu_s,
            hung=sum(attempt.is_running for attempt in list(self._left_behind)),
            is_stuck=self._is_stuck,
            seconds=policy.seconds(self._clock.steady_s()),
            last_error=policy.last_fault.words if policy.last_fault else None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> Iterator[CapturedFrame]:
        try:
            while not self._closing.is_set():
                follows = yield from self._connect()
                if follows is _Next.NOTHING:
                    return
                if isinstance(follows, Fault):
                    # First the state: who is told should see it.
                    pause_s = self._policy.lose(follows, self._clock.steady_s())
                    self._tell_fault(follows)
                    self._closing.wait(pause_s)
        finally:
            self._policy.end(self._clock.steady_s())

    def _connect(self) -> Generator[CapturedFrame, None, Fault | _Next]:
        """One connection from start to end."""
        self._left_behind = [attempt for attempt in self._left_behind if attempt.is_running]
        self._is_stuck = len(self._left_behind) >= _MOST_HUNG
        if self._is_stuck:
            return stuck(len(self._left_behind))
        self._policy.connect(self._clock.steady_s())
        try:
            attempt = Attempt(self._open, self._clock, self._counters, name=f"framewire capture {self.name}")
        except RuntimeError as error:  # no more threads
            return fault_of(error)
        self._attempt = attempt
        try:
            return (yield from self._read(attempt))
        finally:
            attempt.abandon()
            self._attempt = None
            self._left_behind.append(attempt)

    def _read(self, attempt: Attempt) -> Generator[CapturedFrame, None, Fault | _Next]:
        session: Session | None = None
        given = self._frames_given
        while True:
            item = attempt.take(self._glance_s)
            if self._closing.is_set():
                return _Next.NOTHING
            now = self._clock.steady_s()
            match item:
                case None:
                    fault = self._policy.watch(now, silent_s=attempt.silent_s(now), blind_s=attempt.blind_s(now))
                    # A file may be on a disk that sleeps; its user sees that nothing comes.
                    if fault is not None and self._target.kind.is_camera:
                        return fault
                case Established(session):
                    self._begin(session, now)
                case Arrival():
                    assert session is not None
                    self._policy.watch(now, silent_s=0.0, blind_s=0.0)
                    frame = self._frame(item, session)
                    if not session.is_live and self._options.in_real_time:
                        wait_s = self._pace.wait_s(frame.timestamp, self._clock.steady_s())
                        if wait_s > 0 and self._closing.wait(wait_s):
                            return _Next.NOTHING
                    self._frames_given += 1
                    yield frame
                case Over(error):
                    return self._after(error, session, is_empty=self._frames_given == given)
                case _:
                    assert_never(item)

    def _open(self) -> Reader:
        target = self._target
        return target.kind.open(target.address, self._options, self._converter, self._counters)

    def _begin(self, session: Session, now: float) -> None:
        is_first = self._time is None
        if self._time is None:
            self._time = MediaTime(is_live=session.is_live)
        # What was a recording may be live the next time: then arrival counts from there on.
        self._time.is_live = session.is_live
        wall = self._clock.wall_ticks()
        self._time.begin(wall, now)
        self._policy.establish(now)
        # A recording that starts over is still the same session to the outside.
        if is_first or self._target.kind.is_camera:
            self._tell(event_of_session(session.sdp, time=wall))

    def _frame(self, item: Arrival, session: Session) -> CapturedFrame:
        assert self._time is not None
        period = round(TICKS_PER_S / (session.frames_per_second or _USUAL_RATE))
        timestamp = self._time.place(item.shot.media, arrived_s=item.arrived_s, period=period)
        return CapturedFrame(timestamp, item.shot.picture, item.shot.truth)

    def _after(self, error: Exception | None, session: Session | None, *, is_empty: bool) -> Fault | _Next:
        """What follows a session that is over."""
        if error is None and session is not None and not session.is_live and not is_empty:
            return _Next.AGAIN if self._options.loop else _Next.NOTHING
        if self._target.kind.is_camera:
            return ENDED if error is None else self._policy.blame(fault_of(error), self._clock.steady_s())
        if isinstance(error, ConfigurationError):
            raise error
        if error is None:
            raise ConfigurationError(
                f"{self.name} holds no picture that can be decoded", remedy="see whether it is complete"
            )
        fault = fault_of(error)
        self._tell_fault(fault)
        raise ConfigurationError(
            f"{self.name} cannot be read as video ({fault.words})",
            remedy="give a video, an image or a folder of images",
        )

    def _tell_fault(self, fault: Fault) -> None:
        time = self._clock.wall_ticks()
        self._tell(event_of_fault(fault, target=self.name, protocol=self._target.protocol, time=time))
