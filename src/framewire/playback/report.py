"""What became of the frames of one or several sessions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from framewire.client import Match, Result

_FAULTS = {Match.DOUBLED: "doubled", Match.UNKNOWN: "for unknown frames"}


@dataclass(slots=True, eq=False)
class Report:
    """Counts frames and answers, and remembers how long the answers took.

    Attributes:
        sent: Frames sent.
        answered: Frames answered, each counted once.
        lost: Frames never answered; known at the end.
        with_inferences: Answers that held inferences.
        illegal: Inferences that break the contract and were left out.
        duration_s: From the first frame to the last answer.
    """

    sent: int = 0
    answered: int = 0
    lost: int = 0
    with_inferences: int = 0
    illegal: int = 0
    duration_s: float = 0.0
    _faults: Counter[Match] = field(default_factory=Counter)
    _latencies_s: list[float] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Counts one answer."""
        if result.match is Match.MATCHED:
            self.answered += 1
        elif result.match in _FAULTS:
            self._faults[result.match] += 1
        if result.latency_s is not None:
            self._latencies_s.append(result.latency_s)
        self.with_inferences += bool(result.inferences)
        self.illegal += len(result.problems)

    @property
    def is_clean(self) -> bool:
        """Whether every frame was answered exactly once, and nothing else came."""
        return not self.lost and not self._faults.total()

    @property
    def frames_per_second(self) -> float:
        """Answered frames by time; 0 when nothing was answered."""
        return self.answered / self.duration_s if self.duration_s > 0 else 0.0

    def latency_ms(self, percentile: float) -> float | None:
        """The latency that `percentile` percent of the answers stay below, in milliseconds."""
        if not self._latencies_s:
            return None
        return float(np.percentile(self._latencies_s, percentile)) * 1000

    def summary(self) -> str:
        """One line: what was sent, answered and lost, and how fast."""
        parts = [f"{self.sent} frames sent", f"{self.answered} answered", f"{self.lost} lost"]
        parts += [f"{self._faults[match]} answers {words}" for match, words in _FAULTS.items() if self._faults[match]]
        if self.illegal:
            parts.append(f"{self.illegal} illegal inferences left out")
        text = ", ".join(parts)
        p50, p99 = self.latency_ms(50), self.latency_ms(99)
        if p50 is not None and p99 is not None:
            text += f"; {self.frames_per_second:.1f} frames/s; latency p50 {p50:.1f} ms, p99 {p99:.1f} ms"
        return text
