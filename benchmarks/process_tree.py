"""All processes of a server: their CPU time, a way to hold them still, and their end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_SIGNALLED_S = 10.0
"""How long processes may take to stop or to die of a signal."""


class ProcessTree:
    """A process and whatever it has started, children of children and adopted ones too.

    Args:
        process: The first one, started with a session of its own.
        mark: ``NAME=VALUE`` in its environment, by which processes that have left the tree are known.
    """

    def __init__(self, process: subprocess.Popen[bytes], mark: str) -> None:
        self._process = process
        self._mark = mark.encode()
        self._known: list[int] = [process.pid]
        self.process_id = process.pid
        """The first one's."""

    def refresh(self) -> None:
        """Looks for processes that have come and gone."""
        parents = {}
        found = set()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            number = int(entry.name)
            try:
                fields = _stat(number)
                environment = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if fields[0] == "Z":
                continue
            parents[number] = int(fields[1])
            if number == self._process.pid or self._mark in environment:
                found.add(number)
        while more := {number for number, parent in parents.items() if parent in found} - found:
            found |= more
        self._known = sorted(found)

    @property
    def count(self) -> int:
        """How many processes there are."""
        return len(self._known)

    def cpu_seconds(self) -> float:
        """User and system time so far, of those that have ended and were waited for, too."""
        ticks = 0
        for number in self._known:
            try:
                fields = _stat(number)
            except OSError:
                continue
            ticks += sum(int(field) for field in fields[11:15])
        return ticks / _TICKS_PER_S

    def freeze(self) -> None:
        """Stops every process and waits until all are, so that an idle server costs the others nothing."""
        while True:
            before = self._known
            self._signal(signal.SIGSTOP)
            self.refresh()
            if self._known == before:
                break
        deadline = time.monotonic() + _SIGNALLED_S
        while not all(map(_is_still, self._known)) and time.monotonic() < deadline:
            time.sleep(0.001)  # the kernel does not tell when a process of others has stopped

    def thaw(self) -> None:
        """Lets them go on."""
        self._signal(signal.SIGCONT)

    def end(self, patience_s: float = 10.0) -> None:
        """Asks the first process to end, which cleans up after itself, and kills what is left after a while."""
        self.refresh()
        self.thaw()
        if self._process.poll() is None:
            self._process.terminate()
        if not self._is_gone_within(patience_s):
            self._signal(signal.SIGKILL)
            self._is_gone_within(_SIGNALLED_S)
        self._process.wait()

    def _is_gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self._is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)  # nor when grandchildren have ended
        return True

    def _is_alive(self) -> bool:
        self._process.poll()
        self.refresh()
        return bool(self._known)

    def _signal(self, number: signal.Signals) -> None:
        for process_id in self._known:
            try:
                os.kill(process_id, number)
            except ProcessLookupError:
                continue


def _stat(process_id: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on."""
    return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()


def _is_still(process_id: int) -> bool:
    try:
        return _stat(process_id)[0] in "TtZX"
    except OSError:
        return True
