"""What a session may ask of the scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from framewire.errors import ConfigurationError


class WhenBusy(Enum):
    """What becomes of a frame that comes while a limit is reached."""

    WAIT = "wait"
    DROP_OLDEST = "drop-oldest"
    DROP_NEWEST = "drop-newest"
    LATEST = "latest"


LOWEST_PRIORITY, HIGHEST_PRIORITY = 0, 9


@dataclass(frozen=True, slots=True)
class Terms:
    """How the frames of one session are scheduled.

    Args:
        priority: 0 to 9; each step doubles a session's share of a worker that has more to do than time.
        when_busy: `wait` does not read the stream; the others answer a frame at once, without inferences.
        max_age_s: A frame that has waited longer is answered without being processed; None never.

    Raises:
        ConfigurationError: A value is outside its range.
    """

    priority: int = 5
    when_busy: WhenBusy = WhenBusy.WAIT
    max_age_s: float | None = None

    def __post_init__(self) -> None:
        if not LOWEST_PRIORITY <= self.priority <= HIGHEST_PRIORITY:
            raise ConfigurationError(f"priority is {self.priority}", allowed=f"{LOWEST_PRIORITY} to {HIGHEST_PRIORITY}")
        if self.max_age_s is not None and not 0 < self.max_age_s < float("inf"):
            raise ConfigurationError(f"max age is {self.max_age_s:g} s", allowed="more than 0")

    @property
    def weight(self) -> float:
        """The session's share beside one of priority 5."""
        return float(2.0 ** (self.priority - 5))
