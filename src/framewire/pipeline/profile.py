"""Where the CPU time of a pipeline goes, node by node."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Profile:
    """Counts the CPU time that each node takes, without that of the nodes that it calls. For several threads."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._calls: defaultdict[str, int] = defaultdict(int)
        self._lock = threading.Lock()
        self._own = threading.local()

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """What the block does is `name`'s, but for the blocks of others inside it."""
        stack: list[float] = self._own.__dict__.setdefault("stack", [])
        begun = time.thread_time()
        stack.append(0.0)
        try:
            yield
        finally:
            whole = time.thread_time() - begun
            inside = stack.pop()
            if stack:
                stack[-1] += whole
            with self._lock:
                self._seconds[name] += whole - inside
                self._calls[name] += 1

    def add(self, name: str, seconds: float, calls: int = 0) -> None:
        """More CPU seconds of a name, counted elsewhere."""
        with self._lock:
            self._seconds[name] += seconds
            self._calls[name] += calls

    def add_rest(self, name: str, whole_s: float) -> None:
        """What is left of the CPU seconds of the whole process is `name`'s."""
        with self._lock:
            self._seconds[name] += max(0.0, whole_s - sum(self._seconds.values()))

    def table(self) -> list[tuple[str, int, float]]:
        """Name, calls and CPU seconds of each, the dearest first."""
        with self._lock:
            rows = [(name, self._calls[name], seconds) for name, seconds in self._seconds.items()]
        return sorted(rows, key=lambda row: -row[2])
