"""Blocking reads on a thread that nobody waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

from framewire.sources import Source, open_source

_P = ParamSpec("_P")
_T = TypeVar("_T")


class ReaderThread(Executor):
    """Runs calls one after the other on a thread of its own.

    Python joins the threads of its own executors at exit: there a camera, a pipe or a file system that hangs would hold
    the whole process.

    Args:
        name: Name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Queues a call."""
        future: Future[_T] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        self._calls.put(call)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the thread after the calls that are queued; never waits for it."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


async def open_source_aside(spec: str, *, loop: bool = False) -> Source:
    """Opens a source without holding up the event loop, nor the process when it hangs; see ``open_source``."""
    reader = ReaderThread("framewire-opening")
    try:
        return await asyncio.get_running_loop().run_in_executor(reader, lambda: open_source(spec, loop=loop))
    finally:
        reader.shutdown()
