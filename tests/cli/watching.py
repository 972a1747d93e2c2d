"""Processors for tests of the commands, started with ``--processor watching.py:NAME``."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from framewire import Classification, Entity, Frame, Inference, Layout, Processor, Rectangle, Tag


class Describe(Processor):
    """Says what it was given: form, size, configuration, and the colour in the middle."""

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [[Classification(Tag(json.dumps(self._seen(frame), ensure_ascii=False)))] for frame in frames]

    def _seen(self, frame: Frame) -> dict[str, object]:
        video_format = frame.session.video_format
        return {
            "form": str(video_format),
            "middle": [int(value) for value in frame.pixels[frame.height // 2, frame.width // 2]],
            "corner": [int(value) for value in frame.pixels[0, 0]],
            "configuration": frame.session.configuration,
            "camera": frame.session.identifier.graph_instance_name,
        }


class Boxed(Processor):
    """Finds the same box in every frame."""

    @dataclass(frozen=True)
    class Options:
        l: float = 0.0  # noqa: E741
        t: float = 0.0
        w: float = 1.0
        h: float = 1.0

    layout = Layout.UNTOUCHED

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        box = Rectangle(self.options.l, self.options.t, self.options.w, self.options.h)
        return [[Entity(Tag("thing"), box=box)] for _ in frames]


class Gated(Processor):
    """Holds all frames until a file is there; writes down how many it got by then."""

    @dataclass(frozen=True)
    class Options:
        gate: str = ""

    layout = Layout.UNTOUCHED

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        gate = Path(self.options.gate)
        gate.with_suffix(".held").write_text(str(len(frames)))
        deadline = time.monotonic() + 60
        while not gate.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        return [[Classification(Tag("late"))] for _ in frames]


class SlowToOpen(Processor):
    """Loads for ever."""

    def open(self) -> None:
        print("loading", flush=True)
        threading.Event().wait()

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [[] for _ in frames]


class RaisesWhenMade(Processor):
    def __init__(self, options: object = None) -> None:
        raise RuntimeError("no model\nin this folder")

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [[] for _ in frames]


class RaisesWhenOpened(Processor):
    def open(self) -> None:
        raise OSError("no such accelerator")

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [[] for _ in frames]


class NoProcessor:
    """It has no method that could be called."""
