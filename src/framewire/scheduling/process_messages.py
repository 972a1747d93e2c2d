"""What a server and its worker process say to each other.

Requests are tuples that begin with one of the numbers here, so that their pickles are short: :data:`RUN` and the two of
sessions are answered, the others are not. An answer bears the number of its request. Frames are told by their place,
never sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from framewire.errors import FormatError, FrameError, FramewireError, ProcessorError, ProtocolError, SharedMemoryError
from framewire.model.frame import SessionInfo
from framewire.model.inference import Inference

RUN = 0
"""``(RUN, sessions to be opened first, frames)``; answered with a :data:`RunAnswer`."""

OPEN_SESSION = 1
"""``(OPEN_SESSION, number, info)``; answered with a :data:`Failure` or None."""

CLOSE_SESSION = 2
"""``(CLOSE_SESSION, number)``; answered with None."""

ADOPT = 3
"""``(ADOPT, number, memory, mode)``, with the open file."""

FORGET = 4
"""``(FORGET, numbers of memories)``."""

CLOSE = 5
"""``(CLOSE,)``: the processor is closed and the process ends."""

OpenSession: TypeAlias = tuple[int, SessionInfo]
"""Number of a session, and the session."""

FrameRecord: TypeAlias = tuple[int, int, int, int, int, int, Sequence[Inference]]
"""Session, sequence number, timestamp, memory, offset, length, upstream inferences."""

Failure: TypeAlias = tuple[str, str, str, str]
"""Name of the branch of our tree of errors, problem, what is allowed, remedy."""

RunAnswer: TypeAlias = tuple[list[Sequence[Inference]], list[tuple[int, Failure]], list[int]]
"""Inferences of each frame, failures with the index of their frame, numbers of sessions that could not be opened."""

_ERRORS = {kind.__name__: kind for kind in (FormatError, FrameError, ProcessorError, ProtocolError, SharedMemoryError)}


@dataclass(frozen=True, slots=True)
class Setup:
    """The first message to a worker process; answered with a :data:`Failure` or None once the processor is open.

    Args:
        text: By which the processor is found again.
        name: Under which it is known.
        options: Its options, pickled: they can be read once the processor's module is there.
        path: Where modules are looked for.
        threads: Most threads of a library.
        logs: How the log is written, see :mod:`framewire.scheduling.process_logs`.
    """

    text: str
    name: str
    options: bytes
    path: Sequence[str]
    threads: int
    logs: bytes


def failure_of(error: FramewireError) -> Failure:
    """An error as it travels: by its branch, because a user's own subclass may not be known at the other end."""
    branch = next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _ERRORS), "ProcessorError")
    return branch, error.problem, error.allowed, error.remedy


def error_of(failure: Failure) -> FramewireError:
    """The error that :func:`failure_of` was given."""
    branch, problem, allowed, remedy = failure
    return _ERRORS[branch](problem, allowed=allowed, remedy=remedy)
