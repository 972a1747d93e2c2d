"""RAW frames against a slow reference that reads one pixel at a time, against literals and against FFmpeg."""

from __future__ import annotations

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framewire.errors import FormatError, FrameError
from framewire.frames.pixel_formats import PIXEL_CODINGS
from framewire.frames.raw import channel_means, luma_mean, pack, raw_lengths, unpack
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.layout import Layout

Pixels = npt.NDArray[np.uint8]

FORMATS = [pixel_format for pixel_format in PixelFormat if pixel_format is not PixelFormat.NONE]
# Where red, green and blue stand in a pixel, and its bytes.
OFFSETS = {
    PixelFormat.RGB24: (0, 1, 2, 3),
    PixelFormat.BGR24: (2, 1, 0, 3),
    PixelFormat.ARGB: (1, 2, 3, 4),
    PixelFormat.RGBA: (0, 1, 2, 4),
    PixelFormat.ABGR: (3, 2, 1, 4),
    PixelFormat.BGRA: (2, 1, 0, 4),
}


def raw(pixel_format: PixelFormat, width: int, height: int, stride_bytes: int = 0) -> VideoFormat:
    return VideoFormat(Encoding.RAW, width, height, pixel_format, stride_bytes)


def reference_pixel(data: bytes, video_format: VideoFormat, x: int, y: int) -> tuple[float, float, float]:
    """Red, green and blue of one pixel, not rounded, from the definitions of the formats."""
    pixel_format, stride = video_format.pixel_format, video_format.row_stride_bytes
    if pixel_format in OFFSETS:
        red, green, blue, step = OFFSETS[pixel_format]
        start = y * stride + x * step
        return data[start + red], data[start + green], data[start + blue]
    if pixel_format is PixelFormat.YUV420P:
        chroma_stride, chroma_height = -(-stride // 2), -(-video_format.height // 2)
        u_start = stride * video_format.height
        chroma = (y // 2) * chroma_stride + x // 2
        luma = (max(data[y * stride + x], 16) - 16) * 255 / 219
        u = (data[u_start + chroma] - 128) * 255 / 224
        v = (data[u_start + chroma_stride * chroma_height + chroma] - 128) * 255 / 224
        red, green, blue = luma + 1.402 * v, luma - (0.299 * 1.402 * v + 0.114 * 1.772 * u) / 0.587, luma + 1.772 * u
        return clip(red), clip(green), clip(blue)
    first, second = data[y * stride + 2 * x], data[y * stride + 2 * x + 1]
    bits = first * 256 + second if pixel_format.name.endswith("BE") else second * 256 + first
    if pixel_format.name.startswith("RGB565"):
        r5, g6, b5 = bits >> 11, (bits >> 5) % 64, bits % 32
        return r5 * 8 + r5 // 4, g6 * 4 + g6 // 16, b5 * 8 + b5 // 4
    r5, g5, b5 = (bits >> 10) % 32, (bits >> 5) % 32, bits % 32
    return r5 * 8 + r5 // 4, g5 * 8 + g5 // 4, b5 * 8 + b5 // 4


def clip(value: float) -> float:
    return min(max(value, 0.0), 255.0)


def grey(red: float, green: float, blue: float) -> float:
    return 0.299 * red + 0.587 * green + 0.114 * blue


@st.composite
def formats(draw: st.DrawFn, of: list[PixelFormat] = FORMATS) -> VideoFormat:
    pixel_format = draw(st.sampled_from(of))
    width, height, gap = draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(0, 7))
    return raw(pixel_format, width, height, width * pixel_format.bytes_per_pixel + gap if gap else 0)


@st.composite
def frames(draw: st.DrawFn, of: list[PixelFormat] = FORMATS) -> tuple[VideoFormat, bytes]:
    """A format, and a frame of random bytes of either legal length."""
    video_format = draw(formats(of))
    length = draw(st.sampled_from(raw_lengths(video_format)))
    seed = draw(st.integers(0, 2**32 - 1))
    return video_format, np.random.default_rng(seed).bytes(length)


def picture(width: int, height: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth_picture(width: int, height: int) -> Pixels:
    """Colours that change slowly, as in film, so that halving chroma loses little."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 / (width - 1), y * 255 / (height - 1), 255 - x * 255 / (width - 1)], -1).astype(np.uint8)


def test_every_pixel_format_has_a_row_in_the_table() -> None:
    assert sorted(PIXEL_CODINGS) == FORMATS


# Lengths


@pytest.mark.parametrize(
    ("pixel_format", "width", "height", "stride_bytes", "expected"),
    [
        (PixelFormat.RGB24, 4, 3, 0, (36, 36)),
        (PixelFormat.RGB24, 4, 3, 16, (44, 48)),
        (PixelFormat.BGRA, 5, 2, 32, (52, 64)),
        (PixelFormat.RGB565LE, 3, 3, 7, (20, 21)),
        (PixelFormat.YUV420P, 4, 4, 0, (24, 24)),
        (PixelFormat.YUV420P, 1, 1, 0, (3, 3)),
        (PixelFormat.YUV420P, 5, 3, 0, (27, 27)),  # 15 + 2 planes of 3x2
        (PixelFormat.YUV420P, 5, 3, 9, (45, 47)),  # 27 + 2 planes of 2 rows of 5, the last one 3
        (PixelFormat.YUV420P, 1920, 1080, 2048, (3_317_696, 3_317_760)),
    ],
)
def test_a_raw_frame_is_as_long_as_its_planes_with_or_without_the_last_padding(
    pixel_format: PixelFormat, width: int, height: int, stride_bytes: int, expected: tuple[int, int]
) -> None:
    assert raw_lengths(raw(pixel_format, width, height, stride_bytes)) == expected


@given(formats(), st.sampled_from(Layout), st.integers(0, 400))
def test_any_other_length_is_refused(video_format: VideoFormat, layout: Layout, length: int) -> None:
    if length in raw_lengths(video_format):
        length = raw_lengths(video_format)[1] + 1
    with pytest.raises(FrameError):
        unpack(bytes(length), video_format, layout)
    with pytest.raises(FrameError):
        channel_means(memoryview(bytes(length)), video_format)


def test_the_refusal_names_the_length_the_format_and_what_is_allowed() -> None:
    with pytest.raises(FrameError) as padded:
        unpack(bytes(43), raw(PixelFormat.RGB24, 4, 3, 16), Layout.RGB)
    assert str(padded.value) == (
        "a frame of 43 bytes is not RAW RGB24 4x3 stride 16; "
        "allowed: 48 bytes, or 44 without padding after the last row"
    )
    with pytest.raises(FrameError) as tight:
        unpack(b"", raw(PixelFormat.RGB24, 4, 3), Layout.RGB)
    assert str(tight.value) == "a frame of 0 bytes is not RAW RGB24 4x3; allowed: 36 bytes"


# Reading


@settings(max_examples=300, deadline=None)
@given(frames(), st.integers(0, 3))
def test_every_format_reads_as_the_reference_does(frame: tuple[VideoFormat, bytes], offset: int) -> None:
    video_format, data = frame
    # In shared memory a frame starts at any byte.
    placed = memoryview(b"\xee" * offset + data + b"\xee" * 3)[offset : offset + len(data)]
    rgb, bgr = unpack(placed, video_format, Layout.RGB), unpack(placed, video_format, Layout.BGR)
    greys = unpack(placed, video_format, Layout.GREY)
    assert rgb.shape == bgr.shape == (video_format.height, video_format.width, 3)
    assert greys.shape == (video_format.height, video_format.width)
    assert rgb.dtype == bgr.dtype == greys.dtype == np.uint8
    yuv = video_format.pixel_format is PixelFormat.YUV420P
    for y in range(video_format.height):
        for x in range(video_format.width):
            expected = reference_pixel(data, video_format, x, y)
            assert tuple(rgb[y, x]) == pytest.approx(expected, abs=1 if yuv else 0)
            assert tuple(bgr[y, x]) == tuple(rgb[y, x])[::-1]
            if yuv:
                luma = data[y * video_format.row_stride_bytes + x]
                assert int(greys[y, x]) == pytest.approx(clip((luma - 16) * 255 / 219), abs=0.5)
            else:
                assert int(greys[y, x]) == pytest.approx(grey(*expected), abs=0.505)
    assert unpack(placed, video_format, Layout.UNTOUCHED).tobytes() == data


@pytest.mark.parametrize(
    ("pixel_format", "data", "rgb"),
    [
        (PixelFormat.RGB24, "0a141e", (10, 20, 30)),
        (PixelFormat.BGR24, "0a141e", (30, 20, 10)),
        (PixelFormat.ARGB, "ff0a141e", (10, 20, 30)),
        (PixelFormat.RGBA, "0a141eff", (10, 20, 30)),
        (PixelFormat.ABGR, "ff0a141e", (30, 20, 10)),
        (PixelFormat.BGRA, "0a141e00", (30, 20, 10)),
        (PixelFormat.RGB565BE, "f800", (255, 0, 0)),
        (PixelFormat.RGB565LE, "e007", (0, 255, 0)),
        (PixelFormat.RGB565BE, "0821", (8, 4, 8)),
        (PixelFormat.RGB565LE, "1084", (132, 130, 132)),
        (PixelFormat.RGB555BE, "7c00", (255, 0, 0)),
        (PixelFormat.RGB555LE, "1f80", (0, 0, 255)),  # the top bit means nothing
        (PixelFormat.RGB555LE, "1042", (132, 132, 132)),
        (PixelFormat.YUV420P, "108080", (0, 0, 0)),
        (PixelFormat.YUV420P, "eb8080", (255, 255, 255)),
        (PixelFormat.YUV420P, "515af0", (255, 0, 0)),
    ],
)
def test_one_known_pixel_of_each_format(pixel_format: PixelFormat, data: str, rgb: tuple[int, int, int]) -> None:
    read = unpack(bytes.fromhex(data), raw(pixel_format, 1, 1), Layout.RGB)
    assert read.shape == (1, 1, 3)
    assert tuple(int(value) for value in read[0, 0]) == pytest.approx(rgb, abs=pixel_format is PixelFormat.YUV420P)


@pytest.mark.parametrize("size", [(1920, 1080), (1921, 1081)])
@pytest.mark.parametrize("pixel_format", [PixelFormat.RGB565BE, PixelFormat.RGB555LE, PixelFormat.YUV420P])
def test_a_large_frame_converted_in_strips_is_the_same_everywhere(
    pixel_format: PixelFormat, size: tuple[int, int]
) -> None:
    video_format = raw(pixel_format, *size)
    data = np.random.default_rng(5).bytes(raw_lengths(video_format)[1])
    rgb = unpack(data, video_format, Layout.RGB)
    for y in (0, 1, 33, 34, 35, 67, 68, 500, size[1] - 2, size[1] - 1):
        for x in (0, 1, 959, size[0] - 2, size[0] - 1):
            expected = reference_pixel(data, video_format, x, y)
            assert tuple(rgb[y, x]) == pytest.approx(expected, abs=pixel_format is PixelFormat.YUV420P)


# Ownership


@pytest.mark.parametrize("stride_bytes", [0, 17])
@pytest.mark.parametrize(
    ("pixel_format", "layout"),
    [
        (PixelFormat.RGB24, Layout.RGB),
        (PixelFormat.BGR24, Layout.BGR),
        *((pixel_format, Layout.UNTOUCHED) for pixel_format in FORMATS),
    ],
)
def test_frames_that_already_lie_as_wanted_are_read_only_views(
    pixel_format: PixelFormat, layout: Layout, stride_bytes: int
) -> None:
    video_format = raw(pixel_format, 4, 3, stride_bytes)
    memory = bytearray(raw_lengths(video_format)[1])
    frame = unpack(memoryview(memory), video_format, layout)
    assert np.shares_memory(frame, np.frombuffer(memory, np.uint8))
    assert not frame.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        frame[0] = 1
    memory[0] = 77
    assert frame.flat[0] == 77


@pytest.mark.parametrize(
    ("pixel_format", "layout"),
    [
        (pixel_format, layout)
        for pixel_format in FORMATS
        for layout in (Layout.RGB, Layout.BGR, Layout.GREY)
        if (pixel_format, layout) not in {(PixelFormat.RGB24, Layout.RGB), (PixelFormat.BGR24, Layout.BGR)}
    ],
)
def test_converted_frames_are_contiguous_arrays_of_their_own(pixel_format: PixelFormat, layout: Layout) -> None:
    video_format = raw(pixel_format, 5, 3, 23)
    memory = bytearray(raw_lengths(video_format)[0])
    frame = unpack(memoryview(memory), video_format, layout)
    assert not np.shares_memory(frame, np.frombuffer(memory, np.uint8))
    assert frame.flags.c_contiguous
    assert frame.flags.writeable


# Means


@settings(deadline=None)
@given(frames())
def test_channel_means_are_the_means_of_the_pixels(frame: tuple[VideoFormat, bytes]) -> None:
    video_format, data = frame
    pixels = unpack(data, video_format, Layout.RGB).astype(float)
    assert channel_means(data, video_format) == pytest.approx(tuple(pixels.mean((0, 1))), abs=1e-9)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.tuples(*[st.integers(0, 255)] * 3))
def test_luma_mean_is_within_a_level_of_the_grey_of_any_colour(
    width: int, height: int, colour: tuple[int, int, int]
) -> None:
    video_format = raw(PixelFormat.YUV420P, width, height)
    data = pack(np.full((height, width, 3), colour, np.uint8), PixelFormat.YUV420P).tobytes()
    assert luma_mean(data, video_format) == pytest.approx(grey(*channel_means(data, video_format)), abs=1)


def test_luma_mean_of_a_smooth_picture_is_within_a_level_of_its_grey() -> None:
    data = pack(smooth_picture(64, 48), PixelFormat.YUV420P).tobytes()
    video_format = raw(PixelFormat.YUV420P, 64, 48)
    assert luma_mean(data, video_format) == pytest.approx(grey(*channel_means(data, video_format)), abs=1)


@pytest.mark.parametrize(("luma", "expected"), [(0, 0.0), (16, 0.0), (125, 126.9178), (235, 255.0), (255, 255.0)])
def test_luma_mean_is_stretched_to_the_full_range_and_ends_there(luma: int, expected: float) -> None:
    frame = bytes([luma, luma, 99, 99, 128, 0, 128])  # the gap after a row does not count
    assert luma_mean(frame, raw(PixelFormat.YUV420P, 2, 1, 4)) == pytest.approx(expected, abs=1e-4)


def test_other_formats_have_no_luma_mean() -> None:
    with pytest.raises(ValueError, match="RGB24 has no luma plane"):
        luma_mean(bytes(3), raw(PixelFormat.RGB24, 1, 1))


# Writing


@settings(max_examples=300, deadline=None)
@given(formats(), st.integers(0, 2**32 - 1))
def test_what_is_packed_reads_as_it_was(video_format: VideoFormat, seed: int) -> None:
    pixel_format = video_format.pixel_format
    rgb = picture(video_format.width, video_format.height, seed)
    packed = pack(rgb, pixel_format, video_format.stride_bytes)
    assert packed.shape == (raw_lengths(video_format)[1],)
    assert packed.flags.c_contiguous
    expected = rgb
    if pixel_format is PixelFormat.YUV420P:
        return  # loses colour; see the tests of its planes
    if pixel_format.bytes_per_pixel == 2:
        green_bits = 6 if pixel_format.name.startswith("RGB565") else 5
        expected = np.stack([widened(rgb[..., 0], 5), widened(rgb[..., 1], green_bits), widened(rgb[..., 2], 5)], -1)
    np.testing.assert_array_equal(unpack(packed.tobytes(), video_format, Layout.RGB), expected)


def widened(values: Pixels, bits: int) -> Pixels:
    kept = values >> (8 - bits)
    return (kept << (8 - bits)) | (kept >> (2 * bits - 8))


@pytest.mark.parametrize(
    ("pixel_format", "expected"),
    [
        (PixelFormat.RGB24, "ff8001"),
        (PixelFormat.BGR24, "0180ff"),
        (PixelFormat.ARGB, "ffff8001"),
        (PixelFormat.RGBA, "ff8001ff"),
        (PixelFormat.ABGR, "ff0180ff"),
        (PixelFormat.BGRA, "0180ffff"),
        (PixelFormat.RGB565BE, "fc00"),
        (PixelFormat.RGB565LE, "00fc"),
        (PixelFormat.RGB555BE, "7e00"),
        (PixelFormat.RGB555LE, "007e"),
        (PixelFormat.YUV420P, "9235c1"),  # Y 16 + 0.859 * 151.5, U 128 + 0.496 * -150.5, V 128 + 0.627 * 103.5
    ],
)
def test_one_known_pixel_is_packed_into_known_bytes(pixel_format: PixelFormat, expected: str) -> None:
    assert pack(np.array([[[255, 128, 1]]], np.uint8), pixel_format).tobytes().hex() == expected


@settings(max_examples=150, deadline=None)
@given(formats([PixelFormat.YUV420P]), st.integers(0, 2**32 - 1))
def test_yuv_planes_are_the_luma_of_each_pixel_and_the_chroma_of_four(video_format: VideoFormat, seed: int) -> None:
    width, height, stride = video_format.width, video_format.height, video_format.row_stride_bytes
    rgb = picture(width, height, seed)
    packed = pack(rgb, PixelFormat.YUV420P, video_format.stride_bytes).tobytes()
    for y in range(height):
        for x in range(width):
            assert packed[y * stride + x] == pytest.approx(16 + grey(*rgb[y, x].tolist()) * 219 / 255, abs=1)
    chroma_stride, chroma_height = -(-stride // 2), -(-height // 2)
    for y in range(chroma_height):
        for x in range(-(-width // 2)):
            four = [
                rgb[min(2 * y + dy, height - 1), min(2 * x + dx, width - 1)].tolist() for dy in (0, 1) for dx in (0, 1)
            ]
            red, green, blue = (sum(pixel[i] for pixel in four) / 4 for i in range(3))
            luma = grey(red, green, blue)
            u_at = stride * height + y * chroma_stride + x
            v_at = u_at + chroma_stride * chroma_height
            assert packed[u_at] == pytest.approx(128 + (blue - luma) / 1.772 * 224 / 255, abs=1)
            assert packed[v_at] == pytest.approx(128 + (red - luma) / 1.402 * 224 / 255, abs=1)


@settings(deadline=None)
@given(formats(), st.integers(0, 3))
def test_a_frame_is_packed_into_given_memory_and_touches_only_its_pixels(
    video_format: VideoFormat, offset: int
) -> None:
    rgb = picture(video_format.width, video_format.height)
    length = raw_lengths(video_format)[1]
    memory = bytearray(b"\xa5" * (offset + length + 3))
    out = memoryview(memory)[offset : offset + length]
    packed = pack(rgb, video_format.pixel_format, video_format.stride_bytes, out)
    assert np.shares_memory(packed, np.frombuffer(memory, np.uint8))
    alone = pack(rgb, video_format.pixel_format, video_format.stride_bytes)
    np.testing.assert_array_equal(
        unpack(out, video_format, Layout.RGB), unpack(alone.tobytes(), video_format, Layout.RGB)
    )
    assert memory[:offset] == b"\xa5" * offset
    assert memory[offset + length :] == b"\xa5" * 3
    gap = video_format.row_stride_bytes - video_format.width * video_format.pixel_format.bytes_per_pixel
    assert memory.count(0xA5) >= offset + 3 + gap * video_format.height


def test_padding_of_a_new_frame_is_zero() -> None:
    rgb = np.full((2, 1, 3), 255, np.uint8)
    assert pack(rgb, PixelFormat.ARGB, 6).tobytes().hex() == "ffffffff0000" * 2
    assert pack(rgb, PixelFormat.YUV420P, 3).tobytes().hex() == "eb0000eb0000" + "8000" + "8000"


def test_a_picture_that_is_a_slice_of_another_is_packed_as_well() -> None:
    rgb = picture(8, 8)[1:6, 2:7]
    for pixel_format in FORMATS:
        assert pack(rgb, pixel_format).tobytes() == pack(rgb.copy(), pixel_format).tobytes()


def test_wrong_arguments_of_pack_are_refused_by_name() -> None:
    rgb = picture(4, 2)
    with pytest.raises(FormatError, match="stride_bytes 11 is shorter than a row of 4 px RGB24"):
        pack(rgb, PixelFormat.RGB24, 11)
    with pytest.raises(ValueError, match="a buffer of 23 bytes cannot take a frame; allowed: 24 bytes"):
        pack(rgb, PixelFormat.RGB24, 0, memoryview(bytearray(23)))
    with pytest.raises(ValueError, match=r"an array \(4, 2\) uint8 is no picture"):
        pack(np.zeros((4, 2), np.uint8), PixelFormat.RGB24)


# FFmpeg's opinion


def plane_bytes(frame: av.VideoFrame, video_format: VideoFormat) -> bytes:
    """The bytes of a frame of FFmpeg's without padding."""
    rows = []
    for plane in frame.planes:
        row_bytes = plane.width * video_format.pixel_format.bytes_per_pixel
        rows += [bytes(plane)[y * plane.line_size :][:row_bytes] for y in range(plane.height)]
    return b"".join(rows)


@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
@pytest.mark.parametrize("pixel_format", FORMATS)
def test_what_ffmpeg_writes_is_read_right(pixel_format: PixelFormat, size: tuple[int, int]) -> None:
    video_format = raw(pixel_format, *size)
    rgb = smooth_picture(*size)
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pixel_format.name.lower())
    read = unpack(plane_bytes(frame, video_format), video_format, Layout.RGB)
    # FFmpeg dithers to 16 bits, and YUV420P averages chroma: both lose some.
    tolerance = {1: 12, 2: 16}.get(pixel_format.bytes_per_pixel, 0)
    assert cv2.norm(read, rgb, cv2.NORM_INF) <= tolerance
    assert np.abs(read.astype(int) - rgb).mean() <= tolerance / 3


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_what_is_packed_reads_alike_in_ffmpeg(pixel_format: PixelFormat) -> None:
    width, height = 64, 48
    video_format = raw(pixel_format, width, height)
    packed = pack(smooth_picture(width, height), pixel_format)
    frame = av.VideoFrame(width, height, pixel_format.name.lower())
    position = 0
    for plane in frame.planes:
        row_bytes = plane.width * pixel_format.bytes_per_pixel
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        length = plane.height * row_bytes
        rows[:, :row_bytes] = packed[position : position + length].reshape(plane.height, row_bytes)
        position += length
    # FFmpeg 8 forgets the byte order when it goes from big-endian 16 bits to rgb24 in one step.
    native = pixel_format.name.lower().replace("be", "le")
    theirs = frame.reformat(format=native).reformat(format="rgb24").to_ndarray()
    ours = unpack(packed.tobytes(), video_format, Layout.RGB)
    assert cv2.norm(ours, theirs, cv2.NORM_INF) <= (3 if pixel_format is PixelFormat.YUV420P else 0)
