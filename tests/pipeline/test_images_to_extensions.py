"""Images in every format, size and way, sent to a server that reads them by itself and finds a patch in each.

One picture, 320x160: blue, with a red patch over columns 80 to 159 and rows 40 to 79, a quarter of each side.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from command_line import documents, framewire
from grpc_extensions import RecordingServer, grpc_extension
from pipeline_documents import grpc, hub, source, topology, typed, written

from framewire.model.format import VideoFormat
from framewire.model.geometry import Rectangle
from framewire.model.inference import Entity, Tag

FRAMES = 2
PATCH = {"l": 0.25, "t": 0.25, "w": 0.25, "h": 0.25}

RAW = {
    # name: pixel format of the contract
    "yuv420p": 20,
    "rgb565be": 40,
    "rgb565le": 41,
    "rgb555be": 42,
    "rgb555le": 43,
    "rgb24": 60,
    "bgr24": 61,
    "argb": 80,
    "rgba": 81,
    "abgr": 82,
    "bgra": 83,
}
FORMATS: dict[str, tuple[dict[str, Any], int, int]] = {
    # name: format in the document, encoding and pixel format of the contract
    **{name: (typed("ImageFormatRaw", pixelFormat=name), 3, number) for name, number in RAW.items()},
    "jpeg": (typed("ImageFormatJpeg", quality="95"), 1, 0),
    "bmp": (typed("ImageFormatBmp"), 0, 0),
    "png": (typed("ImageFormatPng"), 2, 0),
}


@dataclass(frozen=True)
class Scale:
    """What a document asks for, and what comes of it."""

    scale: dict[str, str] | None
    size: tuple[int, int]
    patch: tuple[int, int, int, int]
    """Left, top, width and height in pixels of the image."""
    has_bars: bool = False


SCALES = {
    "none": Scale(None, (320, 160), (80, 40, 80, 40)),
    "pad-above": Scale({"mode": "pad", "width": "64", "height": "64"}, (64, 64), (16, 24, 16, 8), has_bars=True),
    "pad-beside": Scale({"width": "96", "height": "32"}, (96, 32), (32, 8, 16, 8), has_bars=True),
    "preserve": Scale({"mode": "preserveAspectRatio", "width": "64", "height": "64"}, (64, 32), (16, 8, 16, 8)),
    "stretch": Scale({"mode": "stretch", "width": "64", "height": "80"}, (64, 80), (16, 20, 16, 20)),
    "width-alone": Scale({"mode": "pad", "width": "64"}, (64, 32), (16, 8, 16, 8)),
    "height-alone": Scale({"mode": "stretch", "height": "32"}, (64, 32), (16, 8, 16, 8)),
}

CASES = [
    # Each format and each scale goes both ways.
    (form, scale, ("embedded", "sharedMemory")[(index + turn) % 2])
    for (index, form), (turn, scale) in product(enumerate(FORMATS), enumerate(SCALES))
]


def rgb_of(video_format: VideoFormat, content: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The picture, read with nothing of ours."""
    width, height, number = video_format.width, video_format.height, int(video_format.pixel_format)
    if video_format.encoding != 3:
        picture = cv2.imdecode(content, cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (height, width, 3)
        return np.asarray(picture[..., ::-1], np.uint8)
    if number == 20:
        return np.asarray(cv2.cvtColor(content.reshape(height * 3 // 2, width), cv2.COLOR_YUV2RGB_I420), np.uint8)
    if number in (40, 41, 42, 43):
        pixels = content.view(">u2" if number in (40, 42) else "<u2").reshape(height, width).astype(int)
        green_bits = 6 if number < 42 else 5
        red, green = pixels >> 5 + green_bits & 31, pixels >> 5 & (1 << green_bits) - 1
        return np.asarray(np.stack([red << 3, green << 8 - green_bits, (pixels & 31) << 3], -1), np.uint8)
    order = {60: "RGB", 61: "BGR", 80: "ARGB", 81: "RGBA", 82: "ABGR", 83: "BGRA"}[number]
    return content.reshape(height, width, len(order))[..., [order.index(colour) for colour in "RGB"]]


class PatchFinder(RecordingServer):
    """Answers where an image is red."""

    def __init__(self) -> None:
        super().__init__()
        self.patches: dict[str, tuple[int, int, int, int]] = {}
        self.corners: dict[str, tuple[int, ...]] = {}

    def classify(self, session: Any, content: npt.NDArray[np.uint8]) -> Entity:
        name, video_format = session.descriptor.identifier.graph_node_name, session.descriptor.video_format
        rgb = rgb_of(video_format, content)
        left, top, width, height = cv2.boundingRect(((rgb[..., 0] > 128) & (rgb[..., 2] < 128)).astype(np.uint8))
        self.patches[name] = left, top, width, height
        self.corners[name] = tuple(int(level) for level in rgb[0, 0])
        box = Rectangle.from_pixels(left, top, width, height, of=(video_format.width, video_format.height))
        return Entity(Tag("patch"), box)


@dataclass(frozen=True)
class Played:
    """All that came of one run of all cases."""

    server: PatchFinder
    published: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """One pipeline with a node for each case."""
    folder = tmp_path_factory.mktemp("images")
    pictures = folder / "pictures"
    pictures.mkdir()
    picture = np.full((160, 320, 3), (20, 40, 220), np.uint8)
    picture[40:80, 80:160] = (230, 30, 20)
    for index in range(FRAMES):
        cv2.imwrite(str(pictures / f"{index}.png"), picture[..., ::-1])
    server = PatchFinder()
    with grpc_extension(server) as port:
        nodes = []
        for form, scale, way in CASES:
            asked = SCALES[scale].scale
            image = {"format": FORMATS[form][0], **({"scale": asked} if asked else {})}
            transfer = {"mode": way, **({"sharedMemorySizeMiB": "2"} if way == "sharedMemory" else {})}
            name = f"{form}-{scale}"
            nodes.append(grpc(name, f"tcp://127.0.0.1:{port}", image=image, dataTransfer=transfer))
        document = topology(source(str(pictures)), *nodes, hub(*(one["name"] for one in nodes)))
        finished = framewire("run", written(folder, document), "--as-fast-as-possible")
    assert finished.returncode == 0, finished.stderr
    published: dict[str, list[dict[str, Any]]] = {}
    for message in documents(finished.stdout):
        if message["applicationProperties"]["eventType"] == "Microsoft.VideoAnalyzer.Analytics.Inference":
            name = message["applicationProperties"]["subject"].rpartition("/")[2]
            published.setdefault(name, []).append(message["body"])
    return Played(server, published)


@pytest.mark.parametrize(("form", "scale", "way"), CASES, ids=["-".join(case) for case in CASES])
def test_the_descriptor_announces_the_image_and_the_box_comes_back_to_the_picture(
    form: str, scale: str, way: str, played: Played
) -> None:
    name, expected = f"{form}-{scale}", SCALES[scale]
    descriptor = played.server.descriptors[name]
    video_format = descriptor.video_format
    assert video_format is not None
    assert (video_format.encoding, video_format.pixel_format) == FORMATS[form][1:]
    assert (video_format.width, video_format.height) == expected.size
    # Rows have no gap: that is what 0 says, and the server reads them so.
    assert video_format.stride_bytes == 0
    assert (descriptor.shared_memory is not None) == (way == "sharedMemory")
    assert played.server.way_of(name) == way
    slack = 2 if form == "jpeg" else 0
    assert played.server.patches[name] == pytest.approx(expected.patch, abs=slack)
    corner = (0, 0, 0) if expected.has_bars else (20, 40, 220)
    # Five bits hold steps of eight, and YUV and JPEG round.
    assert played.server.corners[name] == pytest.approx(corner, abs=8)
    assert len(played.published[name]) == FRAMES
    for body in played.published[name]:
        (entity,) = body["inferences"]
        assert entity["entity"]["box"] == pytest.approx(PATCH, abs=2 * slack / min(expected.size) + 1e-6)
