"""Processors that do one odd thing each, and tell what they saw."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from framewire.model.frame import Frame
from framewire.model.inference import Classification, Inference, Tag
from framewire.model.layout import Layout
from framewire.processors.api import Processor
from framewire.processors.catalogue import ProcessorKind

PATIENCE_S = 10.0


def label(text: str) -> Classification:
    """An inference that says one word."""
    return Classification(Tag(text))


def first_value(frame: Frame) -> Classification:
    """An inference that says the first byte of the frame."""
    return label(str(int(frame.pixels.flat[0])))


class Gate:
    """Holds a processor until it is opened; a test that forgets to open it fails instead of hanging."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self.entered = threading.Event()
        self.entries = 0

    def pass_through(self) -> None:
        """Waits, in the processor, until the gate is open."""
        self.entries += 1
        self.entered.set()
        assert self._opened.wait(PATIENCE_S), "the gate was never opened"

    def open(self) -> None:
        """Lets all through, from now on."""
        self._opened.set()


@dataclass
class Record:
    """What a toy saw."""

    batches: list[list[int]] = field(default_factory=list)
    """For each call of process, the first byte of each frame."""
    events: list[str] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)


def toy(
    process: Callable[[Sequence[Frame]], Any],
    *,
    record: Record | None = None,
    name: str = "toy",
    layout: Layout = Layout.UNTOUCHED,
    **members: Any,
) -> ProcessorKind:
    """A processor around one function; `record` notes the batches, `members` become members of the class."""
    noted = record if record is not None else Record()

    def note_and_process(self: Processor, frames: Sequence[Frame]) -> Any:
        noted.batches.append([int(frame.pixels.flat[0]) for frame in frames])
        return process(frames)

    body: dict[str, Any] = {"process": note_and_process, "layout": layout, **members}
    return ProcessorKind(name, type("Toy", (Processor,), body))


def gated(gate: Gate, record: Record | None = None, **members: Any) -> ProcessorKind:
    """Answers the first byte of each frame, once the gate is open."""

    def process(frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        gate.pass_through()
        return [(first_value(frame),) for frame in frames]

    return toy(process, record=record, **members)


def telling(record: Record | None = None, **members: Any) -> ProcessorKind:
    """Answers the first byte of each frame."""
    return toy(lambda frames: [(first_value(frame),) for frame in frames], record=record, **members)


def raising(error: BaseException) -> ProcessorKind:
    """Raises at every frame."""

    def process(frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        raise error

    return toy(process)


def words(inferences: Sequence[Inference]) -> list[str]:
    """What the classifications among the inferences say."""
    return [inference.tag.value for inference in inferences if isinstance(inference, Classification)]
