"""What a server and its worker processes hold: memory, files, mappings, threads; as the kernel counts it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_PROC = Path("/proc")
_SHARED_MEMORY = Path("/dev/shm")

MEGABYTE = 1_000_000
PATIENCE_S = 30.0
_LEAVING_S = 5.0


@dataclass(frozen=True)
class Footprint:
    """What a process and its children hold at one moment.

    Attributes:
        files: Open files of the process.
        mappings: Files that it has mapped.
        threads: Its threads.
        children: Its child processes.
        zombies: Those of them that have ended and were not waited for.
        child_files: Open files of the children.
        child_mappings: Files that these have mapped.
        kinds: The threads by the kernel's names, for whoever reads it.
    """

    files: int
    mappings: int
    threads: int
    children: int
    zombies: int
    child_files: int
    child_mappings: int
    kinds: str = field(default="", compare=False)

    def __str__(self) -> str:
        own = f"{self.files} files, {self.mappings} mapped files, {self.threads} threads ({self.kinds})"
        if not self.children:
            return own
        return (
            f"{own}; {self.children} processes ({self.zombies} zombies) with {self.child_files} files, "
            f"{self.child_mappings} mapped files"
        )

    def is_within(self, other: Footprint) -> bool:
        """Whether nothing is more than in the other one."""
        return all(getattr(self, name) <= getattr(other, name) for name in self.__dataclass_fields__ if name != "kinds")


def footprint_of(pid: int) -> Footprint:
    """The footprint of a process and its children."""
    children = children_of(pid)
    zombies = [child for child in children if _state(child) == "Z"]
    living = [child for child in children if child not in zombies]
    return Footprint(
        _count(pid, "fd"),
        _mapped_files(pid),
        _count(pid, "task"),
        len(children),
        len(zombies),
        sum(_count(child, "fd") for child in living),
        sum(_mapped_files(child) for child in living),
        _thread_kinds(pid),
    )


def children_of(pid: int) -> list[int]:
    """Ids of the child processes, zombies included."""
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in (_PROC / str(pid) / "task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                found += map(int, (task / "children").read_text().split())
    return found


def is_running(pid: int) -> bool:
    """Whether there is such a process, other than a zombie."""
    return _state(pid) not in ("Z", "X", "")


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 when it is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def abandoned_memories(before: frozenset[str]) -> list[str]:
    """Entries of /dev/shm that came since and that no process has open or mapped: nobody will remove them."""
    fresh = shared_memories() - before
    if not fresh:
        return []
    held: set[str] = set()
    for process in _PROC.iterdir():
        if not process.name.isdecimal():
            continue
        with suppress(OSError):
            text = (process / "maps").read_text()
            held |= {name for name in fresh if name in text}
        with suppress(OSError):
            for link in (process / "fd").iterdir():
                with suppress(OSError):
                    held.add(link.readlink().name)
    return sorted((fresh - held) & shared_memories())


async def left_for_good(before: frozenset[str]) -> list[str]:
    """Those of them that stay so for some seconds: others may just be making theirs."""
    left = set(abandoned_memories(before))
    deadline = time.monotonic() + _LEAVING_S
    while left and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        left &= set(abandoned_memories(before))
    return sorted(left)


def shared_memories() -> frozenset[str]:
    """Names of what lies in /dev/shm."""
    return frozenset(entry.name for entry in _SHARED_MEMORY.iterdir())


async def eventually(is_so: Callable[[], bool], within_s: float = PATIENCE_S) -> bool:
    """Polls until something is so; False when it is not within the time."""
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(0.01)
    return True


@dataclass(frozen=True)
class Line:
    """A straight line through points, by least squares.

    Attributes:
        slope: What y gains for each x.
        slope_error: Standard error of the slope, as if the points were independent.
    """

    slope: float
    slope_error: float


def line_through(points: Sequence[tuple[float, float]]) -> Line:
    """Fits a line; the points must have two different x at least."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    return Line(slope, (rest / max(1, count - 2) / spread) ** 0.5)


def _count(pid: int, folder: str) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        return len(list((_PROC / str(pid) / folder).iterdir()))
    return 0


def _thread_kinds(pid: int) -> str:
    kinds: Counter[str] = Counter()
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in (_PROC / str(pid) / "task").iterdir():
            kinds[(task / "comm").read_text().strip()] += 1
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def _mapped_files(pid: int) -> int:
    """Distinct files: a library takes several mappings, and what malloc maps has no name."""
    with suppress(FileNotFoundError, ProcessLookupError):
        fields = [line.split() for line in (_PROC / str(pid) / "maps").read_text().splitlines()]
        # Device and inode; what has none is no file.
        return len({(device, inode) for _, _, _, device, inode, *_ in fields if inode != "0"})
    return 0


def _state(pid: int) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    return ""
