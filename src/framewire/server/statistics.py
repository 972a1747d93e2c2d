"""What a server has done since it was started, stage by stage."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from framewire.model.histogram import Histogram
from framewire.scheduling.task import DropCause, Outcome
from framewire.server.budget import BudgetStatistics
from framewire.server.mailbox import MailboxStatistics
from framewire.server.outbox import OutboxStatistics


class ServerStatistics:
    """Counts and times of all sessions. Used on the event loop alone.

    The stages of a frame: `receive` from its complete message to its place in the queue, `wait` until its batch is
    begun, `process` until the batch is done, `send` until its answer is handed to the connection.
    """

    def __init__(self) -> None:
        self.received = 0
        """Samples with a frame."""
        self.answered = 0
        """Samples acknowledged after their processing, with inferences or without."""
        self.failed = 0
        """Those of them whose frame could not be read or processed."""
        self.dropped: Counter[DropCause] = Counter()
        """Samples acknowledged without processing, by cause."""
        self.unanswered = 0
        """Samples that were never acknowledged: their session ended before, or a hung thread holds their memory."""
        self.sessions = 0
        """Sessions that were accepted."""
        self.receive = Histogram()
        self.wait = Histogram()
        self.process = Histogram()
        self.send = Histogram()
        self.batch_size = Histogram()

    def settle(self, outcome: Outcome) -> None:
        """Counts what came of a frame."""
        if outcome.dropped is not None:
            self.dropped[outcome.dropped] += 1
            return
        self.answered += 1
        if outcome.error is not None:
            self.failed += 1
        if outcome.finished_s:
            self.wait.add(outcome.started_s - outcome.task.received_s)
            self.process.add(outcome.finished_s - outcome.started_s)
            self.batch_size.add(outcome.batch_size)

    def document(self) -> dict[str, Any]:
        """All of it as JSON values; times in milliseconds, the batch size of each frame."""
        return {
            "sessions": {"accepted": self.sessions},
            "frames": {
                "received": self.received,
                "answered": self.answered,
                "failed": self.failed,
                "dropped": {cause.value: self.dropped[cause] for cause in DropCause},
                "unanswered": self.unanswered,
            },
            "stages": {
                name: _summary(histogram, 1000, "_ms")
                for name, histogram in (
                    ("receive", self.receive),
                    ("wait", self.wait),
                    ("process", self.process),
                    ("send", self.send),
                )
            },
            "batch_size": _summary(self.batch_size, 1, ""),
        }


@dataclass(frozen=True, slots=True)
class StreamStatistics:
    """The queues of one stream.

    Args:
        in_flight: Its frames between receipt and outcome.
        answers: Its answers on their way to the client.
    """

    in_flight: BudgetStatistics
    answers: OutboxStatistics


def queues_document(
    total: BudgetStatistics, outcomes: MailboxStatistics, streams: Sequence[StreamStatistics]
) -> dict[str, Any]:
    """The queues beside those of the executors, as JSON values.

    Args:
        total: Frames in flight of all sessions.
        outcomes: Outcomes on their way from the workers.
        streams: The open streams.
    """
    # A session that is not read waits for room of its own, or for room in all.
    unread = total.waiting + sum(stream.in_flight.waiting for stream in streams)
    return {
        "in_flight": dataclasses.asdict(dataclasses.replace(total, waiting=unread)),
        "outcomes": dataclasses.asdict(outcomes),
        "answers": {
            "waiting": sum(stream.answers.waiting for stream in streams),
            "waiting_bytes": sum(stream.answers.waiting_bytes for stream in streams),
            "most_waiting_of_a_session": max((stream.answers.waiting for stream in streams), default=0),
        },
    }


def _summary(histogram: Histogram, factor: float, unit: str) -> dict[str, float]:
    p50, p95, p99 = (_rounded(histogram.percentile(percent), factor) for percent in (50, 95, 99))
    return {
        "count": histogram.count,
        f"mean{unit}": _rounded(histogram.mean, factor),
        f"p50{unit}": p50,
        f"p95{unit}": p95,
        f"p99{unit}": p99,
        f"max{unit}": _rounded(histogram.maximum, factor),
    }


def _rounded(value: float | None, factor: float) -> float:
    return round((value or 0.0) * factor, 6)
