"""Where framewire's own time goes: each stage of a frame on its own, in microseconds."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

import numpy as np

from framewire.frames.content import ReferencedContent
from framewire.frames.decode import read_frame
from framewire.frames.shared_memory import SharedMemoryFile, SharedMemoryReader
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.frame import Frame, SessionInfo
from framewire.model.layout import Layout
from framewire.model.message import ContentReference, Descriptor, Message, Sample
from framewire.processors.builtin.color_intensity import ColorIntensity
from framewire.processors.catalogue import Catalogue
from framewire.scheduling.executor import PoolOptions
from framewire.scheduling.runner import ProcessorRunner
from framewire.scheduling.task import FrameTask
from framewire.scheduling.workers import WorkerPool
from framewire.session.server import ServerSession
from framewire.wire import decode, encode

ROUNDS = 2_000


def stage_table() -> str:
    rows = "\n".join(f"| {name} | {microseconds:.1f} |" for name, microseconds in _stages())
    return f"| stage, 1080p RGB24 in shared memory | microseconds per frame |\n|---|---|\n{rows}"


def _timed(call: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(ROUNDS // 5):
            call()
        best = min(best, (time.perf_counter() - started) / (ROUNDS // 5))
    return best * 1e6


def _stages() -> list[tuple[str, float]]:
    video_format = VideoFormat(Encoding.RAW, 1920, 1080, PixelFormat.RGB24)
    length = 1920 * 1080 * 3
    memory = SharedMemoryFile(length)
    memory.buffer[:] = bytes(length)
    reader = SharedMemoryReader(memory.announcement)
    reference = ContentReference(0, length)
    info = SessionInfo(video_format, 90_000)
    request = encode(Message(2, 0, Sample(90_000, reference)))

    session = ServerSession()
    session.receive(Message(1, 0, Descriptor(video_format=video_format, shared_memory=memory.announcement)))
    session.accept("framewire")
    numbers = iter(range(2, 10_000_000))
    processor = ColorIntensity()
    pixels = np.frombuffer(memory.buffer, np.uint8)
    frame = Frame(pixels, info, 2, 90_000, (), None)
    answer = processor.process([frame])[0]

    def judge_and_answer() -> None:
        number = next(numbers)
        session.receive(Message(number, 0, Sample(90_000, reference)))
        encode(session.reply(number, answer))

    def lease() -> None:
        content = ReferencedContent(reader, reference)
        read_frame(content.open(), video_format, Layout.UNTOUCHED)
        content.release()

    catalogue = Catalogue()
    kind = catalogue.find("null")
    returned: queue.SimpleQueue[object] = queue.SimpleQueue()
    pool = WorkerPool(kind.name, lambda: ProcessorRunner(kind, kind.options({})), PoolOptions(), returned.put)
    pool.start().result()
    lane = pool.open_lane(info).result()

    def through_the_worker() -> None:
        pool.submit(FrameTask(lane, 2, 90_000, ReferencedContent(reader, reference)))
        returned.get()

    try:
        return [
            ("wire: parse the request", _timed(lambda: decode(request))),
            ("session and wire: judge it, build and serialise the answer", _timed(judge_and_answer)),
            ("frames: lease, length check, view", _timed(lease)),
            ("scheduling: to a worker and back, with an empty processor", _timed(through_the_worker)),
            ("processor: color-intensity (the floor does this, too)", _timed(lambda: processor.process([frame]))),  # noqa: F821 - deleted at the end
        ]
    finally:
        pool.close()
        del pixels, frame
        reader.close()
        memory.close()
