"""One connection, read in a thread of its own that can be left behind."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from framewire.capture.clock import Clock
from framewire.capture.reader import Reader, Session, Shot
from framewire.capture.statistics import Counters

_MOST_AHEAD = 2
"""Pictures that wait for the consumer: the next is decoded while it works on the last."""

_SOON_S = 0.2
"""A read that has been waiting for longer is interrupted when nobody wants it any more."""


@dataclass(frozen=True, slots=True)
class Established:
    """The session stands."""

    session: Session


@dataclass(frozen=True, slots=True)
class Arrival:
    """A picture came.

    Attributes:
        shot: The picture.
        arrived_s: When, by the steady clock.
    """

    shot: Shot
    arrived_s: float


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing more comes.

    Attributes:
        error: What ended it; None for an end that the session has of its own.
    """

    error: Exception | None


Item = Established | Arrival | Over


class Attempt:
    """Opens a session and reads it to its end, in the background.

    A read that hangs cannot be called back for sure: native code waits for a network, or a codec for itself. So nobody
    waits for this thread. Who has lost patience leaves it behind with :meth:`abandon`; it closes its session and ends
    as soon as the read in progress does, which a broken connection or FFmpeg's own timeouts see to in most cases.

    Args:
        open_reader: Opens the session; called in the thread.
        clock: Tells how long reads take.
        counters: Counts the work.
        name: Name of the thread; nothing secret.
    """

    def __init__(self, open_reader: Callable[[], Reader], clock: Clock, counters: Counters, *, name: str) -> None:
        self._open_reader = open_reader
        self._counters = counters
        self._clock = clock
        self._changed = threading.Condition()
        self._items: deque[Item] = deque()
        self._is_abandoned = False
        self._reader: Reader | None = None
        self._reading_since: float | None = None
        self._picture_at: float | None = None
        # A daemon: a silent camera must not keep the process from exiting.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether its thread has not ended."""
        return self._thread.is_alive()

    def silent_s(self, now: float) -> float:
        """For how long the read in progress has been waiting; 0 while none is."""
        since = self._reading_since
        return 0.0 if since is None else max(0.0, now - since)

    def blind_s(self, now: float) -> float:
        """For how long reads have given no picture."""
        since = self._picture_at
        return 0.0 if since is None else max(0.0, now - since)

    def take(self, timeout_s: float) -> Item | None:
        """Waits for what comes next; None when nothing did, or when it was abandoned."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._is_abandoned, timeout_s)
            if self._is_abandoned or not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def abandon(self) -> None:
        """Leaves it behind; whoever waits in :meth:`take` returns at once. From any thread, and more than once."""
        with self._changed:
            self._is_abandoned = True
            self._items.clear()
            self._changed.notify_all()
        reader = self._reader
        # A read that is about to return does so by itself, and its session can then say goodbye.
        if reader is not None and self.silent_s(self._clock.steady_s()) > _SOON_S:
            reader.interrupt()

    def _run(self) -> None:
        error: Exception | None = None
        try:
            reader = self._reader = self._open_reader()
            try:
                self._put(Established(reader.session))
                self._read(reader)
            finally:
                self._reader = None
                reader.close()
        except Exception as raised:  # the consumer is the one to deal with it
            error = raised
        self._put(Over(error))

    def _read(self, reader: Reader) -> None:
        self._picture_at = self._clock.steady_s()
        cpu_s = self._clock.thread_cpu_s()
        while not self._is_abandoned:
            self._reading_since = self._clock.steady_s()
            shots = reader.read()
            spent_s, cpu_s = cpu_s, self._clock.thread_cpu_s()
            self._counters.add(cpu_s=cpu_s - spent_s)
            arrived_s = self._clock.steady_s()
            self._reading_since = None
            if shots is None:
                return
            for shot in shots:
                self._put(Arrival(shot, arrived_s))
                self._picture_at = self._clock.steady_s()

    def _put(self, item: Item) -> None:
        """Hands on, and waits until there is room: a consumer that is slow has the camera wait, and nothing is lost."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < _MOST_AHEAD or self._is_abandoned)
            if not self._is_abandoned:
                self._items.append(item)
                self._changed.notify_all()
