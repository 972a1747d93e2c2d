"""One frame on its way through a worker, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from framewire.errors import FramewireError
from framewire.frames.content import FrameContent
from framewire.model.frame import SessionInfo
from framewire.model.inference import Inference


@dataclass(slots=True, eq=False)
class Lane:
    """A session's place at a processor.

    Args:
        info: The session.
        state: What the processor made for the session.
    """

    info: SessionInfo
    state: object = None


@dataclass(slots=True, eq=False)
class FrameTask:
    """One frame that wants to be processed.

    Args:
        lane: Its session's place.
        sequence_number: The camera's number of its message.
        timestamp: In ticks of the session's timescale.
        content: Where its bytes are.
        upstream: Inferences that came with it.
    """

    lane: Lane
    sequence_number: int
    timestamp: int
    content: FrameContent
    upstream: Sequence[Inference] = ()


@dataclass(slots=True, eq=False)
class Outcome:
    """What came of one frame; its lease has ended.

    Args:
        task: The frame.
        inferences: What was found; empty when it failed.
        error: Why it failed: a FrameError, a ProcessorError, or a ProtocolError that ends its session.
    """

    task: FrameTask
    inferences: Sequence[Inference] = field(default=())
    error: FramewireError | None = None
