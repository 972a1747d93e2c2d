"""Runners of processes for tests, and frames to run."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from framewire.frames.content import EmbeddedContent, FrameContent
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.frame import SessionInfo
from framewire.model.inference import Text
from framewire.processors.api import Processor
from framewire.processors.catalogue import ProcessorKind
from framewire.scheduling.process import ProcessRunner
from framewire.scheduling.task import FrameTask, Lane, Outcome

INFO = SessionInfo(VideoFormat(Encoding.RAW, 2, 1, PixelFormat.RGB24), 90_000)
FRAME_BYTES = 6
PATIENCE_S = 20.0


def info_of(configuration: str) -> SessionInfo:
    return SessionInfo(INFO.video_format, 90_000, configuration=configuration)


class StillClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def process_runner(
    factory: type[Processor],
    *,
    frame_timeout_s: float | None = PATIENCE_S,
    clock: Callable[[], float] = time.monotonic,
    threads: int = 1,
    **options: Any,
) -> ProcessRunner:
    kind = ProcessorKind("toy", factory)
    return ProcessRunner(
        kind, factory.Options(**options), frame_timeout_s=frame_timeout_s, threads=threads, clock=clock
    )


@contextmanager
def opened(factory: type[Processor], **arguments: Any) -> Iterator[ProcessRunner]:
    runner = process_runner(factory, **arguments)
    runner.open()
    try:
        yield runner
    finally:
        runner.close()


def frame_of(state: object, level: int = 0, content: FrameContent | None = None, info: SessionInfo = INFO) -> FrameTask:
    """A frame whose pixels and number are `level`."""
    content = content or EmbeddedContent(bytes([level]) * FRAME_BYTES)
    return FrameTask(Lane(info), level, level * 100, content, (), state=state)


def words(outcomes: Sequence[Outcome]) -> list[str]:
    """What came of each frame: its texts, or the first line of its error."""
    return [
        str(outcome.error).splitlines()[0]
        if outcome.error
        else ",".join(item.value for item in outcome.inferences if isinstance(item, Text))
        for outcome in outcomes
    ]


def is_gone(pid: int) -> bool:
    """Whether there is no such process, or only what is left of it for its parent to read."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_gone(pid: int) -> None:
    """Waits until a process has ended, whoever its parent is; one that lives on is ended here."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        readable, _, _ = select.select([descriptor], [], [], PATIENCE_S)
        if not readable:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        assert readable, f"process {pid} lives on"
    finally:
        os.close(descriptor)
