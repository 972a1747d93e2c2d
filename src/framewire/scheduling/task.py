"""One frame on its way through a worker, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from framewire.errors import FramewireError
from framewire.frames.content import FrameContent
from framewire.model.frame import SessionInfo
from framewire.model.inference import Inference
from framewire.model.terms import Terms


@dataclass(slots=True, eq=False)
class Lane:
    """A session's place at a processor.

    Args:
        info: The session.
        terms: How its frames are scheduled.
    """

    info: SessionInfo
    terms: Terms = field(default=Terms())


@dataclass(slots=True, eq=False)
class FrameTask:
    """One frame that wants to be processed.

    Args:
        lane: Its session's place.
        sequence_number: The camera's number of its message.
        timestamp: In ticks of the session's timescale.
        content: Where its bytes are.
        upstream: Inferences that came with it.
        received_s: When the whole of it had arrived, by the server's clock.
        state: What the worker's processor made for the session; the worker sets it.
    """

    lane: Lane
    sequence_number: int
    timestamp: int
    content: FrameContent
    upstream: Sequence[Inference] = ()
    received_s: float = 0.0
    state: object = None


class DropCause(Enum):
    """Why a frame was answered without being processed."""

    TOO_OLD = "too-old"
    OLDEST = "oldest"
    NEWEST = "newest"
    NOT_LATEST = "not-latest"


@dataclass(slots=True, eq=False)
class Outcome:
    """What came of one frame; its lease has ended.

    Args:
        task: The frame.
        inferences: What was found; empty when it failed.
        error: Why it failed: a FrameError, a ProcessorError, or a ProtocolError that ends its session.
        dropped: Why it was not processed at all; None when it was.
        started_s: When its batch was begun, by the server's clock.
        finished_s: When its batch was done.
        batch_size: Frames of its batch.
    """

    task: FrameTask
    inferences: Sequence[Inference] = field(default=())
    error: FramewireError | None = None
    dropped: DropCause | None = None
    started_s: float = 0.0
    finished_s: float = 0.0
    batch_size: int = 1
