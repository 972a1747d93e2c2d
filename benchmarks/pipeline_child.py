"""One measured process of the pipeline benchmark: it loads its libraries, works, and writes what that cost.

    python benchmarks/pipeline_child.py '{"what": "decode", "clip": "clip.mp4", "result": "cost.json"}'

What is loaded before does not count; opening, reading to the end and closing do.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import grpc  # noqa: F401 # loaded before the clock runs
import numpy as np
from pipeline_bare import bare_call, bare_socket

import framewire.capture
import framewire.pipeline.live  # noqa: F401 # loaded before the clock runs
import framewire.pipeline.nodes as kinds
from framewire.cli.run import run
from framewire.motion import MotionDetector
from framewire.pipeline.image import ImageMaker, SentImage, form_of
from framewire.pipeline.node import Node, Surroundings
from framewire.pipeline.nodes import rtsp_source
from framewire.pipeline.nodes.grpc_extension import GrpcExtensionNode
from framewire.pipeline.nodes.not_yet import UnusedFramesNode
from framewire.pipeline.sample import MediaSample
from framewire.topology.nodes import GrpcExtension, MotionDetectionProcessor


class ImagesNode(Node):
    """In the place of a gRPC extension: scales and encodes as it does, and sends nothing."""

    def __init__(self, definition: GrpcExtension, surroundings: Surroundings) -> None:
        super().__init__(definition.name, surroundings)
        self._images = ImageMaker(form_of(definition.image))

    def receive(self, sample: MediaSample) -> None:
        self._images.make(sample.picture)


class SamplingNode(GrpcExtensionNode):
    """In its place: it chooses frames as it does, and makes no image of them."""

    def _image(self, sample: MediaSample) -> SentImage | None:
        return None


def decode(job: dict[str, Any]) -> None:
    """PyAV with one thread, and nothing else."""
    with av.open(job["clip"]) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for _ in container.decode(stream):
            pass


def detect(job: dict[str, Any]) -> None:
    """The same, and the motion detector in the same thread."""
    cv2.setNumThreads(1)
    detector = MotionDetector("medium")
    with av.open(job["clip"]) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for index, frame in enumerate(container.decode(stream)):
            plane = frame.planes[0]
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
            detector.update(rows[:, : plane.width], index / 15)


def pipeline(job: dict[str, Any]) -> None:
    """``framewire run``: the command itself, to its end."""
    for name in job.get("replaced", ()):
        definition, node = REPLACEMENTS[name]
        kinds.PROCESSORS[definition] = node  # type: ignore[index]
    if (backoff_s := job.get("backoff_s")) is not None:
        # Whoever waits for 200 reconnects does not wait a minute for each. No topology can ask for this.
        rtsp_source.CaptureOptions = partial(  # type: ignore[misc,assignment]
            rtsp_source.CaptureOptions, backoff_least_s=backoff_s, backoff_most_s=backoff_s
        )
    run.main(job["arguments"], standalone_mode=False)


REPLACEMENTS: dict[str, tuple[type, Callable[..., Node]]] = {
    "motion": (MotionDetectionProcessor, UnusedFramesNode),
    "sending": (GrpcExtension, ImagesNode),
    "images": (GrpcExtension, SamplingNode),
}
"""What stands in the place of a node when the cost of the rest is asked for."""

WORK: dict[str, Callable[[dict[str, Any]], float | None]] = {
    "bare call": bare_call,
    "bare socket": bare_socket,
    "decode": decode,
    "detect": detect,
    "pipeline": pipeline,
}
"""What a process may do. It tells what to count of its CPU seconds; None for all."""


def main() -> None:
    job = json.loads(sys.argv[1])
    begun_s, began_s = time.process_time(), time.monotonic()
    counted_s = WORK[job["what"]](job)
    if counted_s is None:
        counted_s = time.process_time() - begun_s
    cost = {"cpu_s": counted_s, "clock_s": time.monotonic() - began_s}
    if "result" in job:
        Path(job["result"]).write_text(json.dumps(cost))


if __name__ == "__main__":
    main()
