"""``--batch-reply aggregate``: the answers that older servers gave to batches (ADR 0004)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from framewire.errors import FrameError, ProtocolError
from framewire.frames.content import EmbeddedContent, ReferencedContent
from framewire.model.inference import Event, Inference
from framewire.scheduling.task import FrameTask


@dataclass(slots=True, eq=False)
class AggregateBatch:
    """N frames of one session, whose inferences go out together.

    Attributes:
        tasks: The frames, in order.
        acknowledges: Sequence number of the frame whose answer carries the inferences; 0 when all were answered early.
    """

    tasks: list[FrameTask] = field(default_factory=list)
    acknowledges: int = 0
    _results: dict[int, Sequence[Inference]] = field(default_factory=dict)

    @property
    def last_timestamp(self) -> int:
        """Timestamp of the last frame."""
        return self.tasks[-1].timestamp

    def settle(self, sequence_number: int, inferences: Sequence[Inference]) -> bool:
        """Takes the result of one frame; answers whether all are there now."""
        self._results[sequence_number] = inferences
        return len(self._results) == len(self.tasks)

    def inferences(self) -> Sequence[Inference]:
        """The inferences of all frames, in the frames' order."""
        return [inference for task in self.tasks for inference in self._results[task.sequence_number]]


class Aggregation:
    """The batches of one session. Pure: it takes frames and results, and says what to answer.

    Args:
        batch_size: Frames of a batch.
        max_held_bytes: Most bytes of frames that wait for their batch: they are answered, so no budget counts them.
    """

    def __init__(self, batch_size: int, max_held_bytes: int = 64 << 20) -> None:
        self._batch_size = batch_size
        self._max_held_bytes = max_held_bytes
        self._held_bytes = 0
        self._gathering = AggregateBatch()
        self._running: dict[int, AggregateBatch] = {}

    @property
    def is_idle(self) -> bool:
        """Whether no batch is being processed."""
        return not self._running

    def add(self, task: FrameTask) -> tuple[Sequence[Inference] | None, Sequence[FrameTask]]:
        """A frame has arrived.

        Returns:
            The early answer, or None when the frame completes its batch; and the frames to process now. They count as
            received now: while they gathered, they waited for the camera and not for a worker.

        Raises:
            SharedMemoryError: The frame cannot be copied.
            ProtocolError: The frames of a batch take more than may be held.
        """
        batch = self._gathering
        batch.tasks.append(task)
        count = len(batch.tasks)
        if count == self._batch_size:
            batch.acknowledges = task.sequence_number
            return None, self._start(task.received_s)
        if isinstance(task.content, ReferencedContent):
            # After the early answer the camera may overwrite the frame, so its pixels are copied before. One that is
            # too long to be copied is too long for the worker as well, which says so.
            with contextlib.suppress(FrameError):
                copy = EmbeddedContent(bytes(task.content.open()))
                task.content.release()
                task.content = copy
        self._held_bytes += task.content.held_bytes
        if self._held_bytes > self._max_held_bytes:
            raise ProtocolError(
                f"{count} frames of a batch of {self._batch_size} take {self._held_bytes} bytes",
                allowed=f"up to {self._max_held_bytes}",
                remedy="send smaller frames, or start the server with a smaller --batch-size or a larger "
                "--max-in-flight-mib",
            )
        return (Event(f"Adding image #{count} to batch.", subtype="BatchAggregation"),), ()

    def finish(self, now: float) -> Sequence[FrameTask]:
        """The client has finished sending at time `now`: the frames of the last batch, which stays incomplete."""
        return self._start(now) if self._gathering.tasks else ()

    def settle(self, sequence_number: int, inferences: Sequence[Inference]) -> AggregateBatch | None:
        """Takes one frame's result; answers the batch when it was the last one missing."""
        batch = self._running.pop(sequence_number)
        return batch if batch.settle(sequence_number, inferences) else None

    def _start(self, now: float) -> Sequence[FrameTask]:
        batch, self._gathering = self._gathering, AggregateBatch()
        self._held_bytes = 0
        for task in batch.tasks:
            task.received_s = now
        self._running.update((task.sequence_number, batch) for task in batch.tasks)
        return batch.tasks
