"""How long to wait before the next try: of a broker, an extension, a process. Pure: it owns no clock."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from framewire.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class BackoffOptions:
    """Pauses between two tries.

    Args:
        first_s: After the first failure; each further one doubles it.
        longest_s: No pause is longer.
        refused_s: After a refusal that only a human can change, such as a wrong password.
        stable_s: A connection that has held so long counts as well: the pauses start over.
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    refused_s: float = 60.0
    stable_s: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.longest_s < float("inf"):
            raise ConfigurationError(
                f"the pauses before a new try are {self.first_s} s to {self.longest_s} s",
                allowed="more than 0, the longest not below the first",
            )


class Backoff:
    """Pauses that double, with jitter, so that many do not come back at once.

    Args:
        options: The pauses.
        dice: Numbers from 0 to 1, evenly spread.
    """

    def __init__(self, options: BackoffOptions, dice: Callable[[], float] = random.random) -> None:
        self._options = options
        self._dice = dice
        self._next_s = options.first_s
        self._connected_s: float | None = None
        self._is_useful = False

    def connected(self, now_s: float) -> None:
        """A try went well, at a time of any steady clock."""
        self._connected_s = now_s

    def useful(self) -> None:
        """The connection got something done: when it ends, the pauses start over."""
        self._is_useful = True

    def pause_s(self, now_s: float, *, is_refusal: bool = False) -> float:
        """A try failed, or a connection ended; the pause is between half of what is due and all of it."""
        is_stable = self._connected_s is not None and now_s - self._connected_s >= self._options.stable_s
        if is_stable or self._is_useful:
            self._next_s = self._options.first_s
        self._connected_s, self._is_useful = None, False
        due_s, self._next_s = self._next_s, min(self._next_s * 2, self._options.longest_s)
        if is_refusal:
            due_s = max(due_s, self._options.refused_s)
        return due_s * (0.5 + 0.5 * self._dice())
