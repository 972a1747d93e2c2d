"""Processors of the comparison that framewire runs: the model that gains from batches, and one of pure Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from peers.work import Model as Work
from peers.work import spin

from framewire import Classification, Frame, Inference, Layout, Processor, Tag
from framewire.processors.api import option


class Model(Processor):
    """5 ms a call and 0.5 ms a frame, with the GIL released."""

    layout = Layout.UNTOUCHED

    @dataclass(frozen=True)
    class Options:
        rounds_per_ms: float = option(1e6, "rounds of hashing that a core makes in a millisecond")

    def open(self) -> None:
        self._work = Work(self.options.rounds_per_ms)

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        lights = self._work([frame.pixels for frame in frames])
        return [(Classification(Tag("light" if light else "dark"), subtype="model"),) for light in lights]


class PurePython(Processor):
    """10 ms of Python code a frame, which holds the GIL."""

    layout = Layout.UNTOUCHED

    @dataclass(frozen=True)
    class Options:
        turns_per_ms: float = option(1e4, "turns of a Python loop in a millisecond")

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        answers = []
        for frame in frames:
            spin(int(10 * self.options.turns_per_ms))
            light = bool(frame.pixels[frame.pixels.size // 2] >= 127)
            answers.append((Classification(Tag("light" if light else "dark"), subtype="python"),))
        return answers
