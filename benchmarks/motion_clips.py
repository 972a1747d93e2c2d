"""The clips on which the detector was tuned, and the others on which it is reported."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from motion_stage import (
    Grey,
    Stage,
    Thing,
    TrueBox,
    across,
    clock,
    infrared,
    knocks,
    light,
    rain,
    tree,
)


@dataclass(frozen=True)
class Clip:
    """A stage as H.264, with the truth of each frame."""

    name: str
    rate: float
    size: tuple[int, int]
    video: bytes
    boxes: Sequence[Sequence[TrueBox]]
    cares: Sequence[bool]

    def frames(self) -> Iterator[Grey]:
        return decoded(io.BytesIO(self.video))


def decoded(source: io.BytesIO | str) -> Iterator[Grey]:
    """The luma planes of a video, each valid until the next."""
    with av.open(source) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for frame in container.decode(stream):
            plane = frame.planes[0]
            yield np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def encoded(stage: Stage) -> Clip:
    """Encodes a stage as a camera does: no B-frames, a key frame every few seconds, a fixed rate."""
    buffer = io.BytesIO()
    boxes, cares = [], []
    width, height = stage.size
    options = {"preset": "veryfast", "bf": "0", "g": str(stage.key_frames), "sc_threshold": "0"}
    options |= {"maxrate": f"{2 * stage.kbit_s}k", "bufsize": f"{2 * stage.kbit_s}k"}
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(stage.rate), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = stage.kbit_s * 1000
        planes = np.full((height * 3 // 2, width), 128, np.uint8)
        for shot in stage.shots():
            planes[:height] = shot.picture
            boxes.append(shot.boxes)
            cares.append(shot.cares)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())
    return Clip(stage.name, stage.rate, stage.size, buffer.getvalue(), boxes, cares)


def kept(stage: Stage, folder: Path | None) -> Clip:
    """A clip, made now or in an earlier run with the same folder."""
    if folder is None:
        return encoded(stage)
    name = f"{stage.name.replace('/', '-')}, {stage.size[0]}, {stage.kbit_s}, {stage.seed}"
    video, truth = folder / f"{name}.mp4", folder / f"{name}.json"
    if not truth.exists():
        clip = encoded(stage)
        folder.mkdir(parents=True, exist_ok=True)
        video.write_bytes(clip.video)
        truth.write_text(json.dumps({"boxes": clip.boxes, "cares": clip.cares}))
    known = json.loads(truth.read_text())
    return Clip(stage.name, stage.rate, stage.size, video.read_bytes(), known["boxes"], known["cares"])


def moving(half: int) -> list[Stage]:
    """Clips in which something moves; half 0 is for tuning, half 1 for the report."""
    small, large = (640, 360), ((640, 360), (1280, 720))[half]
    other = 1 + half
    person = (0.07, 0.15)
    car = (0.30, 0.13)
    stops_s = 8.0 + half
    parked = Thing(
        car,
        lambda t: (min(-0.1 + 0.09 * t, -0.1 + 0.09 * stops_s), 0.80),
        (-60, 55)[half],
        lambda t: True if t < stops_s else None if t < stops_s + 3 else False,
    )
    return [
        Stage("street, day", large, 40, "street day", (700, 2000)[half], 2.0, seed=other),
        Stage("street, night", large, 40, "street night", (700, 1800)[half], (5.0, 7.0)[half], seed=10 + other),
        Stage("street, few bits", small, 40, "street day", (160, 120)[half], 3.0, key_frames=(60, 45)[half]),
        Stage(
            "faint person", small, 40, "empty day", 500, (2.5, 3.5)[half], seed=20 + other,
            things=[Thing(person, across(0.82, 4, (0.06, -0.08)[half], every_s=18), (-26, -30)[half])],
        ),
        Stage(
            "person far away", large, 40, "empty day", (600, 1500)[half], 2.5, seed=30 + other,
            things=[Thing((0.035, 0.07), across(0.72, 4, (0.05, 0.04)[half], every_s=22), (70, -50)[half])],
        ),
        Stage(
            "person beside a tree", small, 50, "empty day", 900, 2.5, seed=40 + other,
            things=[Thing(person, across(0.82, 25, (0.07, -0.07)[half], every_s=60), (-60, -50)[half])],
            effects=[tree(((0.6, 0.1, 0.3, 0.4), (0.1, 0.15, 0.28, 0.35))[half], (0.012, 0.016)[half], other)],
            excused=[(0, 20)],
        ),
        Stage(
            "car in the rain", small, 40, "empty day", 1200, 2.5, seed=50 + other,
            things=[Thing(car, across(0.80, 6, (0.2, -0.25)[half], every_s=12), (60, -45)[half])],
            effects=[rain((60, 90)[half], 0.06, (60, 50)[half])],
        ),
        Stage("car that parks", small, 45, "empty day", 500, 2.5, seed=60 + other, things=[parked]),
        Stage(
            "lamp goes off, then a person", small, 40, "empty day", 600, 3.0, seed=70 + other,
            things=[Thing(person, across(0.82, 20, (0.08, -0.06)[half], every_s=60), (90, 80)[half])],
            effects=[light(lambda t: 1.0 if t < (10, 12)[half] else (0.5, 0.6)[half])],
        ),
        Stage(
            "person by night, 5 frames/s", small, 60, "empty night", 300, (8.0, 10.0)[half], rate=5, seed=80 + other,
            key_frames=20,
            things=[Thing(person, across(0.82, 4, (0.05, -0.06)[half], every_s=25), (40, 34)[half])],
        ),
    ]  # fmt: skip


def still(half: int) -> list[Stage]:
    """Clips in which nothing moves, whatever else happens; half 0 is for tuning, half 1 for the report."""
    size = ((640, 360), (800, 448))[half]
    other = 1 + half
    clouds = (lambda t: 0.87 + 0.13 * math.sin(t / 3)), (lambda t: 0.85 + 0.15 * math.sin(t / 2) * math.sin(t / 9))
    switched = (
        lambda t: 1.0 if int(t / 15) % 2 == 0 else 0.35,
        # The exposure follows within a second or so.
        lambda t: (1.0, 1.45)[int(t / 12) % 2] * (1 - (0, 0.3)[int(t / 12) % 2] * (1 - math.exp(-(t % 12) / 0.7))),
    )
    return [
        Stage("noise by day", size, 120, "empty day", 500, (3.0, 5.0)[half], seed=100 + other),
        Stage("noise by night", size, 120, "empty night", (250, 200)[half], (10.0, 14.0)[half], seed=110 + other),
        Stage("much noise, many bits", size, 60, "empty night", 3000, (12.0, 16.0)[half], seed=120 + other),
        Stage(
            "few bits, key frames pump", size, 90, "empty day", (90, 110)[half], (4.0, 5.0)[half], seed=130 + other,
            key_frames=(30, 45)[half],
        ),
        Stage("clouds", size, 90, "empty day", 600, 3.0, seed=140 + other, effects=[light(clouds[half])]),
        Stage("lamp on and off", size, 90, "empty day", 600, 3.0, seed=150 + other, effects=[light(switched[half])]),
        Stage(
            "lightning", size, 60, "empty night", 600, 5.0, seed=160 + other,
            effects=[light(lambda t: 3.0 if (t + half) % 7 < (0.1, 0.3)[half] else 1.0)],
        ),
        Stage("infrared", size, 60, "empty day", 700, 3.0, seed=170 + other, effects=[infrared(20 + half, 41)]),
        Stage(
            "knocked camera", size, 90, "empty day", 600, 3.0, seed=180 + other,
            effects=[knocks((20, 15)[half], (0.02, 0.03)[half])],
        ),
        Stage(
            "camera on a pole in the wind", size, 60, "empty day", 900, 3.0, seed=190 + other,
            effects=[knocks(0.2, (0.002, 0.003)[half])],
        ),
        Stage("clock", size, 120, "empty day", 500, 3.0, seed=200 + other, effects=[clock((0.04, 0.05)[half])]),
        Stage(
            "tree", size, 120, "empty day", 900, 3.0, seed=210 + other,
            effects=[tree(((0.6, 0.1, 0.3, 0.4), (0.1, 0.15, 0.28, 0.35))[half], (0.012, 0.016)[half], other)],
        ),
        Stage(
            "rain", size, 90, "empty day", 1200, 3.0, seed=220 + other,
            effects=[rain((60, 90)[half], 0.06, (60, 50)[half])],
        ),
    ]  # fmt: skip
