"""A thread for what may block: a disk that is slow, a pipe that nobody reads."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")

_Job = tuple[Callable[[], Any], asyncio.Future[Any], asyncio.AbstractEventLoop]


class SideThread:
    """Runs calls one after the other, in the order in which they were asked for.

    It is a daemon: a write to a pipe that nobody reads never returns, and must not keep the process from ending.
    Those who call it wait for each answer, so it holds as many calls as there are tasks that use it.

    Args:
        name: Name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def call(self, function: Callable[..., _T], *arguments: object) -> _T:
        """Calls a function there and gives what it returns or raises.

        A call that is cancelled still runs; what it answers is lost.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()
        self._jobs.put((lambda: function(*arguments), answer, loop))
        return await answer

    def close(self) -> None:
        """Lets the thread end after the calls that it has; does not wait for it."""
        self._jobs.put(None)

    def join(self, timeout_s: float) -> bool:
        """Waits for the end of a closed thread; whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, answer, loop = job
            result: Any = None
            error: BaseException | None = None
            try:
                result = function()
            except BaseException as raised:  # whoever called is the one to deal with it
                error = raised
            try:
                loop.call_soon_threadsafe(_settle, answer, result, error)
            except RuntimeError:
                # The loop is closed: nobody waits any more.
                continue


def _settle(answer: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)
