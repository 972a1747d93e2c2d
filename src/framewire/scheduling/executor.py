"""Where batches run: what every place for them offers, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from framewire.errors import ProcessorError
from framewire.model.frame import SessionInfo
from framewire.model.terms import Terms
from framewire.scheduling.task import FrameTask, Lane, Outcome

Deliver = Callable[[Sequence[Outcome]], None]
"""Takes outcomes; called on any thread, so it must hand over and return."""

Clock = Callable[[], float]
"""Seconds of a steady clock."""


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How a pool works.

    Args:
        batch_size: Most frames of a batch.
        batch_wait_s: How long a frame may wait for a fuller batch while a worker is idle.
        workers: How many batches run at once, each with an instance of the processor.
        frame_timeout_s: How long a batch may take; None for as long as it does.
    """

    batch_size: int = 1
    batch_wait_s: float = 0.0
    workers: int = 1
    frame_timeout_s: float | None = None


_REOPEN_S = 60.0
_REOPEN_FACTOR = 10.0


def reopen_limit_s(first_s: float) -> float:
    """How long a processor may take to open again in place of one that was lost.

    Ten times as long as at first, and no less than a minute: models lie in the page cache by then, but the machine may
    be busy.

    Args:
        first_s: How long it took at first.
    """
    return max(_REOPEN_S, _REOPEN_FACTOR * first_s)


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """What a pool has done since it was opened.

    Args:
        waiting: Frames that wait now.
        most_waiting: Most frames that waited at once, in each of its queues.
        batches: Batches begun.
        frames: Frames of them.
        replaced: Workers that were given up because their processor did not return, and processes that were lost.
    """

    waiting: int
    most_waiting: int
    batches: int
    frames: int
    replaced: int = 0


class HungError(ProcessorError):
    """A processor did not return; whatever memory it was given, it may still use."""


class Executor(Protocol):
    """A processor with its waiting frames and its workers, wherever they are.

    Made by the event loop's thread and called there alone; what it delivers may come from any thread.
    """

    def start(self) -> Future[None]:
        """Opens the processor.

        Returns:
            A future that is done when every worker is ready, or has the ProcessorError that one ended with.
        """

    def open_lane(self, info: SessionInfo, terms: Terms) -> Future[Lane]:
        """A place for a session, with the state that the processor makes for it.

        Returns:
            A future with the lane, or with the ProcessorError that the processor ended with.

        Raises:
            ClosedError: The executor is closing.
        """

    def submit(self, task: FrameTask, *, is_urgent: bool = False) -> None:
        """Queues one frame; its outcome is delivered exactly once, unless it is taken back.

        Args:
            task: The frame.
            is_urgent: Whether its session sends no more while it waits, so that it should wait for no fuller batch.

        Raises:
            ClosedError: The executor is closing.
        """

    def take_back_oldest(self, lane: Lane) -> FrameTask | None:
        """Takes the frame of a session back that has waited longest; None when none waits."""

    def close_lane(self, lane: Lane) -> list[FrameTask]:
        """Ends a session's place: takes its waiting frames back, their leases not taken."""

    def tick(self) -> None:
        """Looks at the clock: frames that have become too old are given up, and workers that do not return.

        Called every :data:`TICK_S` while there are sessions.
        """

    def drain(self) -> None:
        """Hardly a frame will come any more: from now on, none waits for a fuller batch."""

    @property
    def is_healthy(self) -> bool:
        """Whether frames can still be processed."""

    @property
    def has_hung_threads(self) -> bool:
        """Whether threads were left behind that have not come back: to close the executor does not end them."""

    def statistics(self) -> PoolStatistics:
        """What has been done and what waits."""

    def close(self, timeout_s: float | None = None) -> bool:
        """Finishes the batches in hand and closes the processor.

        Returns:
            False when a worker is still busy after `timeout_s`; it is left alone then and ends with the process.
        """


TICK_S = 0.05
"""How late a frame that is too old, or a worker that hangs, may be noticed."""
