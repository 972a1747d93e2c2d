"""Dark or light, against a slow computation with fractions, in all formats and close to the threshold."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from framewire.frames.decode import read_frame
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.frame import Frame, SessionInfo
from framewire.model.inference import Classification, Tag
from framewire.processors.builtin.color_intensity import ColorIntensity

Pixels = npt.NDArray[np.uint8]

# Where red, green and blue stand in a pixel, and its bytes.
EIGHT_BITS = {
    PixelFormat.RGB24: (0, 1, 2, 3),
    PixelFormat.BGR24: (2, 1, 0, 3),
    PixelFormat.ARGB: (1, 2, 3, 4),
    PixelFormat.RGBA: (0, 1, 2, 4),
    PixelFormat.ABGR: (3, 2, 1, 4),
    PixelFormat.BGRA: (2, 1, 0, 4),
}
# Bits of red, green and blue in a pixel of two bytes, and the byte that comes first.
SIXTEEN_BITS = {
    PixelFormat.RGB565BE: (5, 6, 5, "big"),
    PixelFormat.RGB565LE: (5, 6, 5, "little"),
    PixelFormat.RGB555BE: (5, 5, 5, "big"),
    PixelFormat.RGB555LE: (5, 5, 5, "little"),
}
FORMATS = [*EIGHT_BITS, *SIXTEEN_BITS, PixelFormat.YUV420P]


def widened(value: int, bits: int) -> int:
    return value << (8 - bits) | value >> (2 * bits - 8)


def grey(red: int, green: int, blue: int) -> Fraction:
    return Fraction(299 * red + 587 * green + 114 * blue, 1000)


def slow_grey(data: bytes, video_format: VideoFormat) -> Fraction:
    """Mean grey of a RAW frame, one pixel after the other, without rounding."""
    total = Fraction(0)
    for y in range(video_format.height):
        for x in range(video_format.width):
            start = y * video_format.row_stride_bytes + x * video_format.pixel_format.bytes_per_pixel
            if video_format.pixel_format in EIGHT_BITS:
                r, g, b, _ = EIGHT_BITS[video_format.pixel_format]
                total += grey(data[start + r], data[start + g], data[start + b])
            elif video_format.pixel_format in SIXTEEN_BITS:
                r, g, b, order = SIXTEEN_BITS[video_format.pixel_format]
                bits = int.from_bytes(data[start : start + 2], order)  # type: ignore[arg-type]
                red, green, blue = bits >> (g + b) & (1 << r) - 1, bits >> b & (1 << g) - 1, bits & (1 << b) - 1
                total += grey(widened(red, r), widened(green, g), widened(blue, b))
            else:
                total += Fraction((data[start] - 16) * 255, 219)
    return total / (video_format.width * video_format.height)


def answer(data: bytes, video_format: VideoFormat, threshold: float = 127.0) -> str:
    """What the processor says of a frame that is handed over as the worker does it."""
    pixels = read_frame(data, video_format, ColorIntensity.layout_for(video_format))
    processor = ColorIntensity(ColorIntensity.Options(threshold))
    ((found,),) = processor.process([Frame(pixels, SessionInfo(video_format, 90_000), 2, 0, (), None)])
    assert isinstance(found, Classification)
    assert found == Classification(Tag(found.tag.value, 1.0), subtype="colorIntensity")
    return found.tag.value


@st.composite
def raw_frames(draw: st.DrawFn, pixel_format: PixelFormat) -> tuple[bytes, VideoFormat]:
    width, height, gap = draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(0, 5))
    stride = width * pixel_format.bytes_per_pixel + gap
    video_format = VideoFormat(Encoding.RAW, width, height, pixel_format, stride if gap else 0)
    # Low and high values alone, so that means close to the threshold and far from it come up.
    low, high = sorted((draw(st.integers(16, 235)), draw(st.integers(16, 235))))
    length = stride * height
    if pixel_format is PixelFormat.YUV420P:
        length += 2 * -(-stride // 2) * -(-height // 2)
    values = draw(st.lists(st.integers(low, high), min_size=length, max_size=length))
    return bytes(values), video_format


@pytest.mark.parametrize("pixel_format", FORMATS, ids=lambda item: item.name)
@settings(max_examples=25)
@given(data=st.data(), threshold=st.just(127.0) | st.integers(1, 254).map(float))
def test_raw_frames_are_judged_by_their_exact_mean(
    pixel_format: PixelFormat, data: st.DataObject, threshold: float
) -> None:
    frame, video_format = data.draw(raw_frames(pixel_format))
    exact = slow_grey(frame, video_format)
    # Sums are floats: within a billionth either answer is right, unless the means are whole (tested below).
    assume(abs(exact - Fraction(threshold)) > Fraction(1, 10**9))
    assert answer(frame, video_format, threshold) == ("dark" if exact < threshold else "light")


def repeated(pixel: tuple[int, int, int], pixel_format: PixelFormat, alpha: int = 0) -> bytes:
    r, g, b, step = EIGHT_BITS[pixel_format]
    out = [alpha] * step
    out[r], out[g], out[b] = pixel
    return bytes(out)


@pytest.mark.parametrize("alpha", [0, 255])
@pytest.mark.parametrize("pixel_format", EIGHT_BITS, ids=lambda item: item.name)
@pytest.mark.parametrize(
    ("pixels", "word"),
    [
        ([(127, 127, 127)] * 100, "light"),  # exactly 127: not below
        ([(127, 127, 127)] * 90 + [(126, 126, 126)] * 10, "dark"),  # 126.9
        ([(127, 127, 127)] * 99 + [(127, 127, 126)], "dark"),  # 126.99886
        ([(128, 128, 128)] * 50 + [(126, 126, 126)] * 50, "light"),  # 127 again
        ([(255, 87, 0)] * 100, "light"),  # 0.299 * 255 + 0.587 * 87 = 127.314
        ([(255, 86, 0)] * 100, "dark"),  # 126.727
        ([(0, 87, 255)] * 100, "dark"),  # 0.587 * 87 + 0.114 * 255 = 80.139
    ],
)
def test_a_grey_of_127_is_light_and_a_tenth_less_is_dark(
    pixels: list[tuple[int, int, int]], word: str, pixel_format: PixelFormat, alpha: int
) -> None:
    data = b"".join(repeated(pixel, pixel_format, alpha) for pixel in pixels)
    assert answer(data, VideoFormat(Encoding.RAW, 10, 10, pixel_format)) == word


@pytest.mark.parametrize("level", range(256))
def test_an_even_grey_is_light_exactly_at_its_own_threshold(level: int) -> None:
    video_format = VideoFormat(Encoding.RAW, 3, 3, PixelFormat.RGB24)
    assert answer(bytes([level]) * 27, video_format, float(level)) == "light"
    if level:
        assert answer(bytes([level - 1]) * 27, video_format, float(level)) == "dark"


@pytest.mark.parametrize(
    ("colour", "yuv", "word"),
    [
        # BT.601, limited range, by hand: Y = 16 + 65.481 R + 128.553 G + 24.966 B of 0..1.
        ((128, 128, 128), (126, 128, 128), "light"),
        ((126, 126, 126), (124, 128, 128), "dark"),
        ((200, 120, 60), (134, 90, 167), "light"),  # grey 137.1
        ((60, 120, 200), (111, 172, 96), "dark"),  # grey 111.2
    ],
)
def test_yuv_is_judged_by_its_luma(colour: tuple[int, int, int], yuv: tuple[int, int, int], word: str) -> None:
    y, u, v = yuv
    frame = bytes([y] * 15 + [u] * 6 + [v] * 6)
    assert answer(frame, VideoFormat(Encoding.RAW, 5, 3, PixelFormat.YUV420P)) == word
    assert ("dark" if grey(*colour) < 127 else "light") == word
    assert abs(Fraction((y - 16) * 255, 219) - grey(*colour)) < 1


def encoded(extension: str, rgb: Pixels) -> bytes:
    done, data = cv2.imencode(extension, rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95] if extension == ".jpg" else [])
    assert done
    return data.tobytes()


LOSSLESS = [(".png", Encoding.PNG), (".bmp", Encoding.BMP)]


@pytest.mark.parametrize(("extension", "encoding"), LOSSLESS)
@pytest.mark.parametrize(
    ("dots", "pixel", "word"),
    [(0, 0, "light"), (10, 126, "dark"), (1, 126, "dark"), (1, 128, "light")],
)
def test_png_and_bmp_are_judged_to_the_tenth(
    extension: str, encoding: Encoding, dots: int, pixel: int, word: str
) -> None:
    image = np.full((10, 10, 3), 127, np.uint8)
    image[0, :dots] = pixel
    assert answer(encoded(extension, image), VideoFormat(encoding, 10, 10)) == word


@pytest.mark.parametrize(("extension", "encoding"), LOSSLESS)
def test_red_and_blue_of_png_and_bmp_are_not_mistaken(extension: str, encoding: Encoding) -> None:
    image = np.full((5, 7, 3), (255, 87, 0), np.uint8)
    assert answer(encoded(extension, image), VideoFormat(encoding, 7, 5)) == "light"
    assert answer(encoded(extension, image[:, :, ::-1].copy()), VideoFormat(encoding, 7, 5)) == "dark"


@pytest.mark.parametrize(("level", "word"), [(127, "light"), (126, "dark"), (255, "light"), (0, "dark")])
def test_an_even_jpeg_is_judged_to_the_level(level: int, word: str) -> None:
    image = np.full((16, 24, 3), level, np.uint8)
    assert answer(encoded(".jpg", image), VideoFormat(Encoding.JPG, 24, 16)) == word


@settings(max_examples=25)
@given(st.tuples(*[st.integers(40, 215)] * 3), st.integers(0, 2**32 - 1))
def test_a_jpeg_is_judged_as_its_colours_are_within_a_level(colour: tuple[int, int, int], seed: int) -> None:
    noise = np.random.default_rng(seed).integers(-20, 21, (16, 24, 3))
    data = encoded(".jpg", (np.array(colour) + noise).astype(np.uint8))
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    blue, green, red = (float(mean) for mean in decoded.reshape(-1, 3).mean(axis=0))
    mean = 0.299 * red + 0.587 * green + 0.114 * blue
    video_format = VideoFormat(Encoding.JPG, 24, 16)
    assert answer(data, video_format, min(mean + 1, 255)) == "dark"
    assert answer(data, video_format, max(mean - 1, 0)) == "light"


def test_frames_of_a_batch_are_judged_one_by_one() -> None:
    video_format = VideoFormat(Encoding.RAW, 1, 1, PixelFormat.RGB24)
    frames = [
        Frame(np.full(3, level, np.uint8), SessionInfo(video_format, 90_000), number, 0, (), None)
        for number, level in enumerate([0, 255, 126, 127])
    ]
    answers = ColorIntensity().process(frames)
    assert [found.tag.value for (found,) in answers] == ["dark", "light", "dark", "light"]  # type: ignore[union-attr]


@pytest.mark.parametrize("threshold", [-1, 255.1, float("nan"), float("inf")])
def test_a_threshold_beyond_grey_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=f"threshold {threshold} is outside 0 to 255"):
        ColorIntensity.Options(threshold)
