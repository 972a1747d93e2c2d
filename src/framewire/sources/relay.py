"""Reading in a thread of its own, for sources that can block for long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Relay(Iterator[T], Generic[T]):
    """Hands on what an iterator gives, and stops waiting for it when it is closed.

    A read from a camera that went silent cannot be called back; only its own timeout ends it. Here it blocks a thread
    that nobody waits for. One item is read ahead, no more.

    Args:
        items: What to read. It is read in the background and must not be used elsewhere.
        name: Name of the thread.
    """

    def __init__(self, items: Iterator[T], *, name: str) -> None:
        self._items = items
        self._changed = threading.Condition()
        self._waiting: list[T] = []
        self._error: BaseException | None = None
        self._is_over = False
        # A daemon: a silent camera must not keep the process from exiting.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._is_started = False

    def __next__(self) -> T:
        with self._changed:
            if not self._is_started and not self._is_over:
                self._is_started = True
                self._thread.start()
            self._changed.wait_for(lambda: self._waiting or self._is_over)
            if self._waiting:
                self._changed.notify_all()
                return self._waiting.pop()
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def close(self) -> None:
        """Ends the iteration at once, for a consumer that waits too; the thread ends with the read it is in."""
        with self._changed:
            self._waiting.clear()
            self._is_over = True
            self._changed.notify_all()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                with self._changed:
                    self._changed.wait_for(lambda: not self._waiting or self._is_over)
                    if self._is_over:
                        return
                    self._waiting.append(item)
                    self._changed.notify_all()
        except BaseException as raised:  # the consumer is the one to deal with it
            error = raised
        with self._changed:
            # The last item is still taken before the end is told.
            self._changed.wait_for(lambda: not self._waiting or self._is_over)
            if not self._is_over:
                self._is_over, self._error = True, error
                self._changed.notify_all()
