"""What the commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import os
import sys

from framewire.errors import FramewireError


def emit(text: str) -> None:
    """Prints a result on stdout at once, so that whoever reads a pipe sees it when it happens.

    Raises:
        BrokenPipeError: Whoever read our output has gone.
        FramewireError: It cannot be written, for example on a full disk.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FramewireError(f"results cannot be written to stdout: {error.strerror}") from None


def say(text: str, end: str = "\n") -> None:
    """Prints a line on stderr. That nobody can read it stops no command."""
    with contextlib.suppress(OSError):
        print(text, end=end, file=sys.stderr, flush=True)


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
