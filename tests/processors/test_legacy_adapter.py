"""Classes with process_images run unchanged: what they import, what they get, and what becomes of their answers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from framewire.errors import ProcessorError
from framewire.frames.decode import read_frame
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.frame import Frame, SessionInfo
from framewire.model.geometry import Rectangle
from framewire.model.inference import Attribute, Classification, Entity, Inference, Motion, Tag, Text
from framewire.model.layout import Layout
from framewire.processors.api import Processor
from framewire.processors.catalogue import Catalogue

EXISTING = '''
import logging
import numpy as np
import inferencing_pb2
import media_pb2
import extension_pb2

class ImageProcessor():
    def __init__(self):
        self.instances = 1
        logging.info("model loaded")

    def process_images(self, mediaStreamMessage, rawBytes, size):
        """Classifies by the mean colour and puts a box around the brightest pixel."""
        image = np.frombuffer(rawBytes.tobytes(), dtype=np.uint8).reshape(size[1], size[0], 3)

        inference = mediaStreamMessage.media_sample.inferences.add()
        inference.subtype = "colorIntensity"
        classification = inferencing_pb2.Classification(
            tag=inferencing_pb2.Tag(value="dark" if image.mean() < 127 else "light", confidence=1.0)
        )
        inference.classification.CopyFrom(classification)

        y, x = np.unravel_index(image.sum(axis=2).argmax(), image.shape[:2])
        found = inferencing_pb2.Inference()
        found.type = inferencing_pb2.Inference.InferenceType.ENTITY
        found.entity.CopyFrom(inferencing_pb2.Entity(
            tag=inferencing_pb2.Tag(value="spot", confidence=0.5),
            attributes=[inferencing_pb2.Attribute(name="colour", value=str(image[y, x].tolist()), confidence=0.25)],
            box=inferencing_pb2.Rectangle(l=x / size[0], t=y / size[1], w=1 / size[0], h=1 / size[1]),
        ))
        mediaStreamMessage.media_sample.inferences.append(found)
        return mediaStreamMessage
'''


@pytest.fixture(autouse=True)
def own_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test imports is forgotten after it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in sys.modules.keys() - before:
        del sys.modules[name]


def loaded(folder: Path, source: str, name: str = "ImageProcessor") -> Processor:
    (folder / "existing.py").write_text(source)
    kind = Catalogue().load(f"{folder / 'existing.py'}:{name}")
    return kind.factory(kind.options({}))


def answering(folder: Path, body: str, method: str = "process_images") -> Processor:
    """A processor around a class whose method has that body."""
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    imports = "import numpy as np\nimport extension_pb2, inferencing_pb2, media_pb2\n"
    source = f"{imports}class ImageProcessor:\n    def {method}(self, mediaStreamMessage, rawBytes, size):\n{lines}\n"
    return loaded(folder, source)


def frame_of(data: bytes, video_format: VideoFormat, timestamp: int = 7) -> Frame:
    """A frame as the worker hands it over."""
    pixels = read_frame(data, video_format, Layout.RGB)
    return Frame(pixels, SessionInfo(video_format, 90_000), 2, timestamp, (), None)


TIGHT = VideoFormat(Encoding.RAW, 3, 2, PixelFormat.RGB24)
PIXELS = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[250, 240, 230], [13, 14, 15], [16, 17, 18]]], np.uint8)


def run(processor: Processor, frame: Frame | None = None) -> Sequence[Inference]:
    (answer,) = processor.process([frame or frame_of(PIXELS.tobytes(), TIGHT)])
    return answer


def test_an_existing_class_works_unchanged(tmp_path: Path) -> None:
    assert run(loaded(tmp_path, EXISTING)) == (
        Classification(Tag("dark", 1.0), subtype="colorIntensity"),
        Entity(
            Tag("spot", 0.5),
            Rectangle(0.0, 0.5, float(np.float32(1 / 3)), 0.5),
            (Attribute("colour", "[250, 240, 230]", 0.25),),
        ),
    )


def test_stub_files_beside_the_class_are_passed_over(tmp_path: Path) -> None:
    for name in ("extension_pb2", "inferencing_pb2", "media_pb2"):
        (tmp_path / f"{name}.py").write_text("raise TypeError('Conflict register: the same names twice')\n")
    assert len(run(loaded(tmp_path, EXISTING))) == 2


def test_the_other_spelling_of_the_method_works_too(tmp_path: Path) -> None:
    body = "mediaStreamMessage.media_sample.inferences.add().motion.SetInParent()\nreturn mediaStreamMessage"
    assert run(answering(tmp_path, body, "ProcessImages")) == (Motion(),)


STRIDED = b"".join(row.tobytes() + b"??" for row in PIXELS)
BGRA = np.concatenate([PIXELS[:, :, ::-1], np.full((2, 3, 1), 9, np.uint8)], axis=2).tobytes()


@pytest.mark.parametrize(
    ("data", "video_format"),
    [
        (PIXELS.tobytes(), TIGHT),
        (STRIDED, VideoFormat(Encoding.RAW, 3, 2, PixelFormat.RGB24, 11)),
        (STRIDED[:-2], VideoFormat(Encoding.RAW, 3, 2, PixelFormat.RGB24, 11)),
        (PIXELS[:, :, ::-1].tobytes(), VideoFormat(Encoding.RAW, 3, 2, PixelFormat.BGR24)),
        (BGRA, VideoFormat(Encoding.RAW, 3, 2, PixelFormat.BGRA)),
    ],
)
def test_raw_bytes_are_tight_rgb24_whatever_arrived(data: bytes, video_format: VideoFormat, tmp_path: Path) -> None:
    processor = answering(
        tmp_path,
        "item = mediaStreamMessage.media_sample.inferences.add()\n"
        "item.other.content_type = f'{type(rawBytes).__name__} {rawBytes.format} {rawBytes.ndim} {size}'\n"
        "item.other.content_bytes = rawBytes.tobytes()",
    )
    (answer,) = run(processor, frame_of(data, video_format))
    assert answer.content_type == "memoryview B 1 (3, 2)"  # type: ignore[union-attr]
    assert answer.content == PIXELS.tobytes()  # type: ignore[union-attr]


def test_the_message_is_a_fresh_answer_for_every_frame_and_carries_its_timestamp(tmp_path: Path) -> None:
    processor = answering(
        tmp_path,
        "sample = mediaStreamMessage.media_sample\n"
        "assert not sample.inferences and not sample.WhichOneof('content')\n"
        "assert isinstance(mediaStreamMessage, extension_pb2.MediaStreamMessage)\n"
        "sample.inferences.add().text.value = str(sample.timestamp)\n"
        "return mediaStreamMessage",
    )
    frames = [frame_of(PIXELS.tobytes(), TIGHT, timestamp) for timestamp in (11, 12, 13)]
    assert [[item.value for item in answer] for answer in processor.process(frames)] == [["11"], ["12"], ["13"]]  # type: ignore[union-attr]


def test_a_class_that_returns_nothing_has_answered_in_the_message(tmp_path: Path) -> None:
    assert run(answering(tmp_path, "mediaStreamMessage.media_sample.inferences.add().motion.SetInParent()")) == (
        Motion(),
    )


def test_a_class_may_return_a_message_of_its_own(tmp_path: Path) -> None:
    body = (
        "own = extension_pb2.MediaStreamMessage()\n"
        "own.media_sample.inferences.add().motion.box.w = 0.5\n"
        "mediaStreamMessage.media_sample.inferences.add().text.value = 'not this one'\n"
        "return own"
    )
    assert run(answering(tmp_path, body)) == (Motion(Rectangle(0, 0, 0.5, 0)),)


def test_a_class_that_finds_nothing_answers_nothing(tmp_path: Path) -> None:
    assert run(answering(tmp_path, "return mediaStreamMessage")) == ()


@pytest.mark.parametrize("wrong", ["[]", "'text'", "0", "mediaStreamMessage.media_sample", "media_pb2.Dimensions()"])
def test_a_wrong_answer_is_refused_by_its_type(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"^the answer is a \w+ and not a MediaStreamMessage$"):
        run(answering(tmp_path, f"return {wrong}"))


def test_an_illegal_inference_is_refused_by_name(tmp_path: Path) -> None:
    body = "mediaStreamMessage.media_sample.inferences.add().classification.tag.confidence = 1"
    with pytest.raises(ProcessorError) as caught:
        run(answering(tmp_path, body))
    assert caught.value.problem == (
        "ImageProcessor.process_images answered an illegal inference: tag value is empty; "
        "allowed: a string of at least one character"
    )


def test_an_error_of_the_class_comes_through(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        run(answering(tmp_path, "1 / 0"))


def test_frames_come_as_rgb_and_in_order(tmp_path: Path) -> None:
    processor = loaded(tmp_path, EXISTING)
    assert processor.needs_order
    assert processor.layout_for(VideoFormat(Encoding.JPG, 3, 2)) is Layout.RGB


def test_each_worker_has_an_instance_of_its_own_that_keeps_what_it_learns(tmp_path: Path) -> None:
    body = (
        "self.count = getattr(self, 'count', 0) + 1\n"
        "mediaStreamMessage.media_sample.inferences.add().text.value = str(self.count)"
    )
    first = answering(tmp_path, body)
    second = type(first)(first.options)
    assert [run(processor)[0] for processor in (first, first, second)] == [Text("1"), Text("2"), Text("1")]


def test_a_tight_frame_is_handed_over_where_it_lies_and_read_only(tmp_path: Path) -> None:
    body = (
        "address = np.frombuffer(rawBytes, np.uint8).__array_interface__['data'][0]\n"
        "mediaStreamMessage.media_sample.inferences.add().text.value = f'{rawBytes.readonly} {address}'"
    )
    frame = frame_of(PIXELS.tobytes(), TIGHT)
    assert run(answering(tmp_path, body), frame) == (Text(f"True {frame.pixels.ctypes.data}"),)
