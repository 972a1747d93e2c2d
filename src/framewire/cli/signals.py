"""Signals of the commands that come to an end by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

from framewire.errors import FramewireError

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_on_interrupt() -> None:
    """Until there is something to stop, SIGINT simply ends the process, as SIGTERM does.

    As an exception it could be lost in a callback of a library that is being loaded.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def on_stop(receive: Callable[[], object]) -> None:
    """Calls `receive` on the running loop for each signal to stop; what nohup or a script ignores stays ignored."""
    loop = asyncio.get_running_loop()
    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, receive)


@contextlib.contextmanager
def stopping_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """The first signal stops sending; frames in flight are still answered. A second one ends at once."""
    task = asyncio.current_task()

    def receive() -> None:
        if stop.is_set() and task is not None:
            task.cancel()
        stop.set()

    on_stop(receive)
    try:
        yield
    except asyncio.CancelledError:
        if stop.is_set():
            raise FramewireError("interrupted") from None
        raise
