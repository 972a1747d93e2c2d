"""What a long check has found, beside what it may be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """One figure or fact.

    Attributes:
        what: What was looked at.
        found: How it is, with its unit.
        limit: How it may be; empty when it is told for information.
        is_kept: Whether it is so.
        is_timed: Whether a machine with other work may miss it.
    """

    what: str
    found: str
    limit: str = ""
    is_kept: bool = True
    is_timed: bool = False

    def __str__(self) -> str:
        verdict = "" if not self.limit else f" ({self.limit}: {'yes' if self.is_kept else 'NO'})"
        return f"  {self.what}: {self.found}{verdict}"


@dataclass
class Report:
    """What one check has found.

    Attributes:
        title: The check.
        setting: What ran, in words.
        findings: What was found.
    """

    title: str
    setting: str
    findings: list[Finding] = field(default_factory=list)

    def tell(
        self, what: str, found: object, limit: object = "", *, is_kept: bool = True, is_timed: bool = False
    ) -> None:
        """Adds a finding."""
        self.findings.append(Finding(what, str(found), str(limit), is_kept, is_timed))

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Adds a finding that may be one thing only."""
        self.tell(what, found, wanted, is_kept=found == wanted)

    @property
    def broken(self) -> list[str]:
        """The findings that are not as they may be."""
        return [str(finding).strip() for finding in self.findings if not finding.is_kept]

    @property
    def broken_whatever_the_machine(self) -> list[str]:
        """Those of them that no other work on the machine excuses."""
        return [str(finding).strip() for finding in self.findings if not (finding.is_kept or finding.is_timed)]

    def __str__(self) -> str:
        return "\n".join([f"{self.title}: {self.setting}", *map(str, self.findings)])


@asynccontextmanager
async def sampled(
    measure: Callable[[], float], against: Callable[[], float] = time.monotonic, every_s: float = 0.25
) -> AsyncIterator[list[tuple[float, float]]]:
    """Notes points (against, measure) while the block runs."""
    points: list[tuple[float, float]] = []

    async def sample() -> None:
        while True:
            points.append((against(), measure()))
            await asyncio.sleep(every_s)

    sampling = asyncio.create_task(sample())
    try:
        yield points
    finally:
        sampling.cancel()
        with suppress(asyncio.CancelledError):
            await sampling


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so many per cent do not exceed; 0 without any."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(share * 10) // 1000) - 1)] if ordered else 0.0
