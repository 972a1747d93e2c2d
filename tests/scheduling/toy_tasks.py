"""Frames and processors for the tests of this room."""

from __future__ import annotations

from collections.abc import Sequence

from framewire.frames.content import FrameContent
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.frame import Frame, SessionInfo
from framewire.model.inference import Inference, Text
from framewire.processors.api import NoOptions, Processor
from framewire.processors.catalogue import ProcessorKind
from framewire.scheduling.runner import ProcessorRunner
from framewire.scheduling.task import FrameTask, Lane

INFO = SessionInfo(VideoFormat(Encoding.RAW, 2, 1, PixelFormat.RGB24), 90_000)
FRAME_BYTES = 6


class CountedContent:
    """A frame of six equal bytes that counts how often it was opened and released."""

    def __init__(self, level: int, length: int = FRAME_BYTES) -> None:
        self._data = bytes([level]) * length
        self.opened = 0
        self.released = 0

    @property
    def held_bytes(self) -> int:
        return len(self._data)

    def open(self) -> memoryview:
        self.opened += 1
        return memoryview(self._data)

    def release(self) -> bool:
        self.released += 1
        return True


def task(
    level: int, content: FrameContent | None = None, lane: Lane | None = None, received_s: float = 0.0
) -> FrameTask:
    """A frame whose pixels and number are `level`."""
    return FrameTask(lane or Lane(INFO), level, level * 100, content or CountedContent(level), (), received_s)


def level_of(frame: Frame) -> int:
    return int(frame.pixels.flat[0])


class Named(Processor):
    """Answers each frame's level as a text; keeps the batches that it got."""

    def __init__(self, options: object = None) -> None:
        super().__init__(options)
        self.batches: list[list[int]] = []

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        self.batches.append([level_of(frame) for frame in frames])
        return [[Text(str(level_of(frame)))] for frame in frames]


def kind_of(factory: type[Processor]) -> ProcessorKind:
    return ProcessorKind("toy", factory)


def runner_of(factory: type[Processor]) -> ProcessorRunner:
    runner = ProcessorRunner(kind_of(factory), NoOptions())
    runner.open()
    return runner
