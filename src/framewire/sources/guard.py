"""A resource that one thread reads and any thread may close."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class CloseGuard:
    """Sees to it that a resource is closed once, and never while it is read.

    Native libraries crash when they are torn down at work. So a close that comes in the middle of a read only makes a
    note of it, and the reader closes when it is through.

    Args:
        close: Closes the resource.
    """

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close
        self._lock = threading.Lock()
        self._is_reading = False
        self._is_closing = False
        self._is_closed = False

    @contextmanager
    def reading(self) -> Iterator[bool]:
        """Gives True and keeps the resource open until the end of the block; False when it was closed before."""
        with self._lock:
            self._is_reading = not self._is_closing
            may_read = self._is_reading
        try:
            yield may_read
        finally:
            with self._lock:
                self._is_reading = False
                self._close_if_idle()

    def close(self) -> None:
        """Closes now, or when the read in progress ends."""
        with self._lock:
            self._is_closing = True
            self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._is_closing and not self._is_reading and not self._is_closed:
            self._is_closed = True
            self._close()
