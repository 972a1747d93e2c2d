"""How long to wait before the next try. Pure: it owns no clock."""

from __future__ import annotations

_FIRST_S = 0.5
_MOST_S = 30.0


class Backoff:
    """Pauses between tries that fail: 0.5 s, doubled with each, up to 30 s."""

    def __init__(self) -> None:
        self.pause_s = 0.0
        """The pause that began with the last failure."""
        self._until_s = 0.0

    def fail(self, now: float) -> None:
        """A try has failed at time `now`, in seconds of any steady clock."""
        self.pause_s = min(_MOST_S, max(_FIRST_S, 2 * self.pause_s))
        self._until_s = now + self.pause_s

    def reset(self) -> None:
        """A try has succeeded."""
        self.pause_s = 0.0
        self._until_s = 0.0

    def wait_s(self, now: float) -> float:
        """Seconds until the next try, 0 for at once."""
        return max(0.0, self._until_s - now) if self.pause_s else 0.0
