"""Where the frames of a pipeline come from."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from enum import Enum
from typing import ClassVar

from framewire.capture import Capture, CapturedFrame
from framewire.errors import FramewireError
from framewire.pipeline.node import Group, Node, Surroundings
from framewire.pipeline.sample import WINDOW, MediaSample, Ticket

_log = logging.getLogger(__name__)

_ROOM_EVERY = 16
"""Frames between two looks at whether the messages are taken."""

_CLOSE_S = 5.0
"""How long a read in progress may take to end; after that its thread is left behind."""


class _End(Enum):
    NONE = 0


class SourceNode(Node):
    """Reads a capture in a thread of its own; the nodes before the first extension work there, too.

    Args:
        name: Its name in the topology.
        surroundings: What the pipeline gives it.
        open_capture: Opens it; called in the thread, as that may take long.
    """

    group: ClassVar[Group] = "sources"

    def __init__(self, name: str, surroundings: Surroundings, open_capture: Callable[[], Capture]) -> None:
        super().__init__(name, surroundings)
        self._open_capture = open_capture
        self._window = threading.Semaphore(WINDOW) if surroundings.is_lossless else None
        self._thread: threading.Thread | None = None
        self._is_closing = threading.Event()
        self._lock = threading.Lock()
        self.capture: Capture | None = None
        """What is read; None before it is open."""
        self.error: FramewireError | None = None
        """Why it ended early."""
        self.ended = asyncio.Event()
        """Set when there are no more frames."""
        self.keeps: object = None
        """What has to last as long as it does."""

    def receive(self, sample: MediaSample) -> None:
        self.emit(sample)

    async def open(self) -> None:
        # A daemon: a camera that hangs must not keep the process from exiting.
        self._thread = threading.Thread(target=self._work, name=f"framewire source {self.name}", daemon=True)
        self._thread.start()

    async def finish(self) -> None:
        await self.close()

    async def close(self) -> None:
        with self._lock:
            self._is_closing.set()
            capture = self.capture
        if capture is not None:
            capture.close()
        thread, self._thread = self._thread, None
        if thread is not None:  # one that hangs is waited for once
            await asyncio.to_thread(thread.join, _CLOSE_S)

    def _work(self) -> None:
        try:
            self._read()
        except FramewireError as error:
            self.error = error
        except Exception as error:
            _log.exception("the source broke; this is a fault of framewire")
            self.error = FramewireError(f"source {self.name} broke: {type(error).__name__}: {error}")
        finally:
            self._surroundings.loop.call_soon_threadsafe(self.ended.set)

    def _read(self) -> None:
        capture = self._open_capture()
        with self._lock:
            self.capture = capture
            if self._is_closing.is_set():
                capture.close()
        frames = capture.frames()
        profile = self._surroundings.profile
        while not self._is_closing.is_set():
            if profile is None:
                frame = next(frames, _End.NONE)
            else:
                with profile.of(self.name):
                    frame = next(frames, _End.NONE)
            if isinstance(frame, _End):
                return
            self._take(frame)

    def _has_room(self) -> bool:
        """Waits until those who take the messages keep up; False when the source is closed meanwhile."""
        if self._surroundings.room is None:
            return True

        async def wait() -> None:
            assert self._surroundings.room is not None
            await self._surroundings.room()

        waiting = asyncio.run_coroutine_threadsafe(wait(), self._surroundings.loop)
        while not self._is_closing.is_set():
            with contextlib.suppress(TimeoutError):
                waiting.result(0.2)
                return True
        waiting.cancel()
        return False

    def _take(self, frame: CapturedFrame) -> None:
        ticket = None
        if self._window is not None:
            while not self._window.acquire(timeout=0.2):
                if self._is_closing.is_set():
                    return
            ticket = Ticket(self._window)
            if self.counts.received % _ROOM_EVERY == 0 and not self._has_room():
                return
        sample = MediaSample(frame, (), ticket)
        self.counts.received += 1
        self.emit(sample)
        sample.release()
