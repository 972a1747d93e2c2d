"""What the commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator

from framewire.errors import FramewireError

_STATUS_S = 0.5

_shown: list[str] = []
"""The status line that stands on the terminal, if any: there is one terminal."""

_writing = threading.RLock()
"""Held by who writes to that terminal: messages leave on a thread of their own."""

_WRITING_S = 0.5
"""How long a line waits for that: who is held up on stdout (Ctrl-S) must not hold up the event loop."""


def emit(text: str) -> None:
    """Prints a result on stdout at once, so that whoever reads a pipe sees it when it happens.

    Raises:
        BrokenPipeError: Whoever read our output has gone.
        FramewireError: It cannot be written, for example on a full disk.
    """
    with room_for_results():
        try:
            print(text, flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise FramewireError(f"results cannot be written to stdout: {error.strerror}") from None


def say(text: str, end: str = "\n") -> None:
    """Prints a line on stderr, in the place of a status line. That nobody can read it stops no command."""
    is_alone = _writing.acquire(timeout=_WRITING_S)
    try:
        clear = "\r\x1b[K" if _shown else ""
        _shown.clear()
        with contextlib.suppress(OSError):
            # In one write: others may write to the terminal, too.
            print(clear + text + end, end="", file=sys.stderr, flush=True)
    finally:
        if is_alone:
            _writing.release()


@contextlib.contextmanager
def room_for_results() -> Iterator[None]:
    """Takes the status line away and keeps it away, while something is written to stdout of the same terminal.

    For any thread. A pipe or a file needs no room, and whoever does not read it holds up no line on stderr.
    """
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        yield
        return
    with _writing:
        if _shown:
            say("", end="")
        yield


@contextlib.contextmanager
def status_line(line: Callable[[], str]) -> Iterator[None]:
    """Shows a line on stderr and writes it anew twice a second, as long as this lasts and when that is a terminal.

    Args:
        line: Gives it. What does not fit the terminal's width is cut: it could not be taken away any more.
    """
    if not sys.stderr.isatty():
        yield
        return

    def show() -> None:
        if not _writing.acquire(blocking=False):
            return  # a terminal that is held up (Ctrl-S) holds up nothing else
        try:
            text = line()
            columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80  # some say 0
            say(text if len(text) < columns else text[: max(columns - 2, 0)] + "…", end="")
            _shown.append(text)
        finally:
            _writing.release()

    async def keep_showing() -> None:
        while True:
            show()
            await asyncio.sleep(_STATUS_S)

    showing = asyncio.ensure_future(keep_showing())
    try:
        yield
    finally:
        showing.cancel()
        if _shown:
            say("", end="")


def open_missing_streams() -> None:
    """Opens what a parent has closed of stdin, stdout and stderr, on nothing.

    Otherwise the next file or socket gets its number, and what is printed goes there.
    """
    # The lowest free number is taken, so they are opened in their order.
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False, errors="backslashreplace"))  # noqa: SIM115 - as long as the process
    # JSON is UTF-8, whatever the terminal's language.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")


def flush_streams() -> None:
    """Writes what is left; what nobody takes is dropped, as Python would complain and change the exit status."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
