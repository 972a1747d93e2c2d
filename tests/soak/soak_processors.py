"""Processors of the long checks, in a file that any process can load: each answers the first byte of a frame."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from framewire.model.frame import Frame
from framewire.model.inference import Inference, Text
from framewire.model.layout import Layout
from framewire.processors.api import Processor

EXITS, FAULTS, HANGS, HARMLESS = 250, 251, 252, 250
"""First bytes that end the process of a `Deadly` or keep it for ever; all below `HARMLESS` do no harm."""


class Level(Processor):
    """Answers at once."""

    layout = Layout.UNTOUCHED

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [(Text(str(int(frame.pixels[0]))),) for frame in frames]


@dataclass(frozen=True)
class SlowOptions:
    """How slow a processor is.

    Args:
        ms: Milliseconds for each frame.
    """

    ms: float = 200.0


class Slow(Level):
    """Takes its time over each frame, without the GIL as a model does."""

    Options = SlowOptions

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        time.sleep(self.options.ms / 1000 * len(frames))
        return super().process(frames)


@dataclass(frozen=True)
class DeadlyOptions:
    """Whom a processor tells.

    Args:
        told: A FIFO that is opened for writing when a frame hangs; empty tells nobody.
    """

    told: str = ""


class Deadly(Level):
    """Does to its process what the first byte of a frame says."""

    Options = DeadlyOptions

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        for frame in frames:
            match int(frame.pixels[0]):
                case 250:
                    os._exit(3)
                case 251:
                    ctypes.string_at(0)
                case 252:
                    if self.options.told:
                        Path(self.options.told).write_text("hangs")
                    threading.Event().wait()
        return super().process(frames)


class Reading(Level):
    """Says that it holds a frame, waits for a word, and reads the frame from end to end."""

    Options = DeadlyOptions

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        for frame in frames:
            if frame.pixels[0] == HANGS:
                Path(self.options.told).write_text("holds a frame")
                Path(self.options.told).read_text()
                frame.pixels.max()
        return super().process(frames)
