"""One tree of errors.

A branch says what the error ends: :class:`ProtocolError` ends a session, :class:`FrameError` one frame,
:class:`ProcessorError` the work of a processor on one frame, :class:`ConfigurationError` a command before it started.

Every text names the value, what is allowed and what to do, from the attributes that an error carries. Texts of
:class:`ProtocolError` and :class:`FrameError` travel to clients, so they hold no paths and no internals.
"""

from __future__ import annotations


class FramewireError(Exception):
    """Root of all errors that framewire raises on purpose.

    Args:
        problem: What is wrong, naming the value.
        allowed: What would have been right; empty when `problem` says it.
        remedy: What to do about it; empty when that is obvious.
    """

    def __init__(self, problem: str, *, allowed: str = "", remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.allowed = allowed
        self.remedy = remedy

    def __str__(self) -> str:
        text = self.problem
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        if self.remedy:
            text += f"; {self.remedy}"
        return text


class ProtocolError(FramewireError):
    """The peer broke a rule of the contract: its session ends with INVALID_ARGUMENT."""


class FormatError(ProtocolError):
    """A descriptor announces frames that cannot be: unknown numbers, no size, a stride too small."""


class SharedMemoryError(ProtocolError):
    """The announced shared memory cannot be used: its name, its kind, its size or its permissions."""


class FrameError(FramewireError):
    """One frame cannot be read; it is acknowledged without inferences and the session goes on."""


class InferenceError(FramewireError, ValueError):
    """A value is not a legal inference (contract, section 7)."""


class ProcessorError(FramewireError):
    """A processor failed: it raised, or answered with something that is not one list of inferences per frame."""


class UnavailableError(ProcessorError):
    """A processor has nothing to run on for the moment: what it ran on was lost, and its frames are not why."""


class ConfigurationError(FramewireError):
    """A flag, a file, an option or an environment variable is wrong."""


class ClosedError(FramewireError):
    """The resource was closed, or the session has ended."""


class BusyError(FramewireError):
    """A limit is reached; try again later."""


class PeerError(FramewireError):
    """The other side ended the call with an error, cannot be reached, or speaks something else.

    Args:
        problem: What happened, in the peer's words where it sent some.
        status: Name of the gRPC status, for example ``INVALID_ARGUMENT``.
    """

    def __init__(self, problem: str, *, status: str, allowed: str = "", remedy: str = "") -> None:
        super().__init__(problem, allowed=allowed, remedy=remedy)
        self.status = status
