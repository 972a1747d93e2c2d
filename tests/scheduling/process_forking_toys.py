"""Processors that fork, for the tests of worker processes, in a module that such a process can import."""

from __future__ import annotations

import os
import pickle
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framewire.model.frame import Frame, SessionInfo
from framewire.model.inference import Inference, Text
from framewire.processors.api import Processor


@dataclass(frozen=True)
class ForkingOptions:
    """Where and how a processor forks.

    Args:
        told: A file to which the exit status of each forked process is added.
        place: The method that forks.
        way: How the forked process comes back from it: ``returns``, ``exits`` or ``raises``.
    """

    told: str
    place: str
    way: str


class Forking(Processor):
    """Forks in one of its methods, and waits for what it has forked; answers levels."""

    Options = ForkingOptions
    _is_forked = False

    def open(self) -> None:
        self._fork("open")

    def close(self) -> None:
        self._fork("close")

    def open_session(self, session: SessionInfo) -> object:
        self._fork("open_session")
        return None

    def close_session(self, state: object) -> None:
        self._fork("close_session")

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        self._fork("process")
        return [[Text("of the fork" if self._is_forked else str(frame.pixels.flat[0]))] for frame in frames]

    def _fork(self, place: str) -> None:
        if place != self.options.place:
            return
        if pid := os.fork():
            _, status = os.waitpid(pid, 0)
            with Path(self.options.told).open("a") as told:
                told.write(f"{os.waitstatus_to_exitcode(status)}\n")
            return
        self._is_forked = True
        if self.options.way == "exits":
            sys.exit(7)
        if self.options.way == "raises":
            raise ValueError("forked")


class ForkingText(str):
    """A text that forks when it is sent; the fork goes on as another text."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        return str, ("of the process" if pid else "of the fork",)


class ForkingAnswers(Processor):
    """Forks while its answers are sent."""

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [[Text(ForkingText("x"))] for _ in frames]


class Intruding(Processor):
    """Answers frames of level 1 with a message of its own before the right one, as a fork would that lives on."""

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        level = int(frames[0].pixels.flat[0])
        if level == 1:
            answer = pickle.dumps(([[Text("of another")]], [], []))
            os.write(int(sys.argv[1]), struct.pack("=QQ", len(answer), 1) + answer)
        return [[Text(str(level))] for _ in frames]
