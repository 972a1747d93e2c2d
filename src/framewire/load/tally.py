"""What is counted while a load runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from framewire.load.latencies import Latencies

_LATE_S = 0.001


@dataclass(slots=True, eq=False)
class Tally:
    """Counts of all streams of a load, and the window in which they are counted. Times are of the monotonic clock.

    A latency belongs to the window when its frame was to be sent in it; it is added when the answer comes, later too.
    An answer belongs to the window when it came in it.

    Attributes:
        start_s: When the window begins; infinite during the warm-up.
        end_s: When it ends; infinite as long as that is open.
        latencies: From when a frame was to be sent to its answer.
        sent: Frames sent, warm-up included.
        answered: Answers of the window.
        empty: Those of them without an inference: nothing was found, or the server dropped the frame.
        lost: Frames never answered; known at the end.
        doubled: Further answers to a frame that was answered.
        unknown: Answers to frames that were never sent.
        late: Frames of the window that were sent more than a millisecond after their time, mostly because no place
            was free for them.
        unsent: Frames of the window that had still not been sent at its end. How late they were by then is among the
            latencies.
        in_flight: Of each stream, the frames that wait for their answer by number: when they were due, and their slot.
    """

    start_s: float = math.inf
    end_s: float = math.inf
    latencies: Latencies = field(default_factory=Latencies)
    sent: int = 0
    answered: int = 0
    empty: int = 0
    lost: int = 0
    doubled: int = 0
    unknown: int = 0
    late: int = 0
    unsent: int = 0
    in_flight: list[dict[int, tuple[float, int]]] = field(default_factory=list)

    def answer(self, due_s: float, now_s: float, *, is_empty: bool = False) -> None:
        """Counts the first answer to a frame."""
        if self.start_s <= now_s < self.end_s:
            self.answered += 1
            self.empty += is_empty
        if self.start_s <= due_s < self.end_s:
            self.latencies.add(now_s - due_s)

    def overdue(self, before_s: float) -> int:
        """Frames that were to be sent before this moment and have no answer yet."""
        return sum(due_s < before_s for frames in self.in_flight for due_s, _ in frames.values())

    def depart(self, due_s: float, now_s: float) -> None:
        """Counts a frame of an open loop that is sent now, if that is late."""
        if now_s - due_s > _LATE_S and self.start_s <= due_s < self.end_s:
            self.late += 1

    def give_up(self, due_s: float, period_s: float) -> None:
        """Counts the frames of one stream that were due in the window and are not sent any more.

        However many they are, this takes no longer than some thousand of them would.

        Args:
            due_s: When the first of them was due, be it before the window, in it or behind it.
            period_s: From one to the next.
        """
        if math.isinf(self.start_s) or math.isinf(self.end_s):
            return
        first_s = due_s + period_s * max(0, math.ceil((self.start_s - due_s) / period_s))
        count = math.ceil((self.end_s - first_s) / period_s)
        if count > 0:
            self.unsent += count
            self.latencies.add_spread(self.end_s - first_s, period_s, count)
