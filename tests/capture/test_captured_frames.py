"""The pixels of a frame, asked in every way."""

import gc
import threading

import av
import numpy as np
import pytest

from framewire.capture.frame import CapturedFrame
from framewire.capture.pictures import Converter, DecodedPicture, RgbPicture


def decoded(
    pixel_format: str, size: tuple[int, int] = (66, 34), *, converter: Converter | None = None
) -> CapturedFrame:
    """A frame with a left half of one grey and a right half of another."""
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    image[:, : width // 2] = 50
    image[:, width // 2 :] = 200
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixel_format)
    return CapturedFrame(1, DecodedPicture(frame, converter or Converter()))


@pytest.mark.parametrize(
    ("pixel_format", "left", "right"),
    [
        ("yuv420p", 59, 188),
        ("yuvj420p", 50, 200),
        ("yuv422p", 59, 188),
        ("yuv444p", 59, 188),
        ("nv12", 59, 188),
        ("yuv420p10le", 59, 188),
        ("rgb24", 59, 188),
        ("bgr0", 59, 188),
    ],
)
def test_luma_is_grey_in_every_format(pixel_format: str, left: int, right: int) -> None:
    luma = decoded(pixel_format).luma()
    assert luma.shape == (34, 66)
    assert luma.dtype == np.uint8
    assert abs(int(luma[:, :30].mean()) - left) <= 1
    assert abs(int(luma[:, 36:].mean()) - right) <= 1


def test_luma_is_a_view_that_nobody_can_write_to() -> None:
    frame = decoded("yuv420p")
    first, second = frame.luma(), frame.luma()
    assert np.shares_memory(first, second)
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1


def test_luma_outlives_its_frame() -> None:
    luma = decoded("yuv420p").luma()
    gc.collect()
    noise = [decoded("yuv420p") for _ in range(20)]
    assert abs(int(luma[:, :30].mean()) - 59) <= 1
    del noise


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "nv12", "yuv420p10le", "rgb24", "bgr0", "gray"])
def test_rgb_is_new_contiguous_and_right(pixel_format: str) -> None:
    frame = decoded(pixel_format)
    first, second = frame.rgb(), frame.rgb()
    assert first.shape == (34, 66, 3)
    assert first.flags.c_contiguous
    assert first.flags.writeable
    assert not np.shares_memory(first, second)
    assert abs(int(first[:, :30].mean()) - 50) <= 2
    assert abs(int(first[:, 36:].mean()) - 200) <= 2


@pytest.mark.parametrize("size", [(33, 17), (132, 68), (1, 1), (416, 416), (17, 90)])
@pytest.mark.parametrize("kind", ["decoded", "array"])
def test_a_picture_is_scaled_to_any_size(size: tuple[int, int], kind: str) -> None:
    frame = decoded("yuv420p")
    if kind == "array":
        frame = CapturedFrame(1, RgbPicture(frame.rgb()))
    image = frame.rgb_scaled(*size)
    assert image.shape == (size[1], size[0], 3)
    assert image.flags.c_contiguous
    assert abs(int(image.mean()) - 125) <= 3


def test_an_array_is_handed_out_as_a_copy() -> None:
    image = np.full((4, 6, 3), 9, np.uint8)
    frame = CapturedFrame(1, RgbPicture(image))
    frame.rgb()[:] = 0
    assert (frame.rgb() == 9).all()
    assert (frame.luma() == 9).all()
    assert (frame.width, frame.height) == (6, 4)


def test_rgb_of_an_rgb_video_is_new_too() -> None:
    # 64 pixels: rows without a gap, which would be copied anyway.
    frame = decoded("rgb24", (64, 34))
    frame.rgb()[:] = 0
    assert frame.rgb().mean() > 100


def test_many_threads_may_ask_at_once_and_in_many_sizes() -> None:
    converter = Converter()
    size = (640, 360)
    frames = [CapturedFrame(1, DecodedPicture(noise(seed, size), converter)) for seed in range(4)]
    sizes = [(320, 180), (416, 234), (200, 113)]
    wanted = [[frame.rgb_scaled(*size) for size in sizes] for frame in frames]
    wrong: list[int] = []
    begin = threading.Barrier(len(frames))

    def ask(number: int) -> None:
        begin.wait()
        for _ in range(40):
            for size, image in zip(sizes, wanted[number], strict=True):
                if (frames[number].rgb_scaled(*size) != image).any():
                    wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(frames))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def noise(seed: int, size: tuple[int, int]) -> av.VideoFrame:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
