"""JPG, PNG and BMP frames: their headers, the tears in them, their pixels."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framewire.errors import FrameError
from framewire.frames import encoded
from framewire.frames.decode import read_frame
from framewire.frames.encoded import decode, encode
from framewire.frames.headers import MAX_PARTS, read_header
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.layout import Layout

Pixels = npt.NDArray[np.uint8]

ENCODINGS = [Encoding.JPG, Encoding.PNG, Encoding.BMP]


def picture(width: int, height: int) -> Pixels:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 5 % 256, y * 7 % 256, (x + y) * 3 % 256], -1).astype(np.uint8)


def opencv_jpg(*options: int) -> bytes:
    return bytes(cv2.imencode(".jpg", picture(40, 30), list(options))[1])


JPGS = {
    "baseline": opencv_jpg(),
    "progressive": opencv_jpg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "with restarts": opencv_jpg(cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    "grey": bytes(cv2.imencode(".jpg", picture(40, 30)[..., 0])[1]),
}
PNG = encode(picture(40, 30), Encoding.PNG)
BMP = encode(picture(40, 30), Encoding.BMP)


def bmp(width: int, height: int, bits: int, rows: bytes, *, compression: int = 0, header_bytes: int = 40) -> bytes:
    """A BMP of 40 and more header bytes, without palette."""
    offset = 14 + header_bytes
    header = struct.pack("<IiiHHIIiiII", header_bytes, width, height, 1, bits, compression, len(rows), 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", offset + len(rows), 0, 0, offset) + header.ljust(header_bytes, b"\0") + rows


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


# Headers


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("size", [(1, 1), (7, 1), (1, 9), (40, 30), (641, 359)])
def test_the_size_is_read_from_the_header(encoding: Encoding, size: tuple[int, int]) -> None:
    data = encode(picture(*size), encoding)
    assert read_header(data, encoding) == size
    assert read_header(memoryview(b"??" + data)[2:], encoding) == size


@pytest.mark.parametrize("name", JPGS)
@pytest.mark.parametrize("trailer", [b"", b"\0" * 64, b"\xff", b"\xff\xd8", b"\r\n"])
def test_whole_jpgs_of_any_kind_are_read_whatever_follows_them(name: str, trailer: bytes) -> None:
    assert read_header(JPGS[name] + trailer, Encoding.JPG) == (40, 30)


@pytest.mark.parametrize("name", JPGS)
def test_a_jpg_cut_anywhere_is_torn(name: str) -> None:
    whole = JPGS[name]
    for length in range(3, len(whole)):
        with pytest.raises(FrameError, match=rf"^the JPG frame of {length} bytes is torn: it ends "):
            read_header(memoryview(whole)[:length], Encoding.JPG)


def test_a_cut_jpg_is_torn_even_if_a_whole_one_is_noted_inside_it() -> None:
    thumbnail = encode(picture(2, 2), Encoding.JPG)
    whole = JPGS["baseline"]
    note = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    assert read_header(whole[:2] + note + whole[2:], Encoding.JPG) == (40, 30)
    with pytest.raises(FrameError, match="torn"):
        read_header(whole[:2] + note, Encoding.JPG)
    with pytest.raises(FrameError, match="torn"):
        read_header(whole[:2] + note + whole[2:-2], Encoding.JPG)


def test_fill_bytes_and_stray_bytes_before_a_marker_are_passed_over() -> None:
    whole = JPGS["baseline"]
    assert read_header(whole[:2] + b"\xff\xff\xff" + whole[2:], Encoding.JPG) == (40, 30)
    first_segment_end = 4 + whole[4] * 256 + whole[5]
    stray = whole[:first_segment_end] + b"\x00\x17\xff\x00" + whole[first_segment_end:]
    assert read_header(stray, Encoding.JPG) == (40, 30)
    assert decode(stray, VideoFormat(Encoding.JPG, 40, 30), Layout.RGB).shape == (30, 40, 3)


@pytest.mark.parametrize("trailer", [b"", b"\0" * 30])
def test_pngs_of_many_chunks_are_read_whatever_follows_them(trailer: bytes) -> None:
    data = PNG[:33] + png_chunk(b"tEXt", b"k\0v") * 50 + PNG[33:] + trailer
    assert read_header(data, Encoding.PNG) == (40, 30)
    assert decode(data, VideoFormat(Encoding.PNG, 40, 30), Layout.RGB).shape == (30, 40, 3)


def test_a_png_cut_anywhere_is_torn() -> None:
    for length in range(8, len(PNG)):
        with pytest.raises(FrameError, match=rf"^the PNG frame of {length} bytes is torn: it ends "):
            read_header(memoryview(PNG)[:length], Encoding.PNG)


def test_a_bmp_cut_anywhere_is_torn() -> None:
    for length in range(2, len(BMP)):
        with pytest.raises(FrameError, match=rf"^the BMP frame of {length} bytes is torn: it ends "):
            read_header(memoryview(BMP)[:length], Encoding.BMP)


@pytest.mark.parametrize(
    ("data", "rgb"),
    [
        (bmp(1, 2, 24, bytes([1, 2, 3, 0, 7, 8, 9, 0])), [[9, 8, 7], [3, 2, 1]]),
        (bmp(1, -2, 24, bytes([1, 2, 3, 0, 7, 8, 9, 0])), [[3, 2, 1], [9, 8, 7]]),
        (bmp(1, -2, 32, bytes([1, 2, 3, 0, 7, 8, 9, 0])), [[3, 2, 1], [9, 8, 7]]),
        (bmp(1, 2, 24, bytes([1, 2, 3, 0, 7, 8, 9, 0]), header_bytes=124), [[9, 8, 7], [3, 2, 1]]),
        (bmp(1, 2, 16, bytes([0, 0x7C, 0, 0, 0x1F, 0, 0, 0])), [[0, 0, 248], [248, 0, 0]]),
        (
            b"BM" + struct.pack("<IHHIIHHHH", 34, 0, 0, 26, 12, 1, 2, 1, 24) + bytes([1, 2, 3, 0, 7, 8, 9, 0]),
            [[9, 8, 7], [3, 2, 1]],
        ),
    ],
    ids=["bottom up", "top down", "32 bits", "long header", "16 bits", "oldest header"],
)
def test_bmps_of_every_header_are_read(data: bytes, rgb: list[list[int]]) -> None:
    assert read_header(data, Encoding.BMP) == (1, 2)
    assert decode(data, VideoFormat(Encoding.BMP, 1, 2), Layout.RGB)[:, 0].tolist() == rgb
    with pytest.raises(FrameError, match="torn"):
        read_header(data[:-1], Encoding.BMP)


@pytest.mark.parametrize(
    ("data", "encoding", "message"),
    [
        (b"", Encoding.JPG, "the frame is not JPG: it is empty; allowed: what starts ffd8ff"),
        (PNG, Encoding.JPG, "the frame is not JPG: it starts like PNG, 89504e470d0a1a0a; allowed: what starts ffd8ff"),
        (
            b"\0" * 99,
            Encoding.PNG,
            "the frame is not PNG: it starts 0000000000000000; allowed: what starts 89504e470d0a1a0a",
        ),
        (b"\xff\xd8", Encoding.JPG, "the frame is not JPG: it starts ffd8; allowed: what starts ffd8ff"),
        (
            JPGS["baseline"],
            Encoding.BMP,
            "the frame is not BMP: it starts like JPG, ffd8ffe000104a46; allowed: what starts 424d",
        ),
        (b"\xff\xd8\xff\xd9", Encoding.JPG, "the JPG frame ends before it announces a size"),
        (
            b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x00\x00\x05\x01\x01\x11\x00\xff\xd9",
            Encoding.JPG,
            "the JPG frame announces a size of 5x0; allowed: 1x1 or more",
        ),
        (b"\xff\xd8\xff\xda\x00\x02\x00\xff\xd9", Encoding.JPG, "the JPG frame announces no size before its pixels"),
        (
            b"\xff\xd8\xff\xe0\x00\x01\xff\xd9",
            Encoding.JPG,
            "the JPG frame has a segment of 1 bytes; allowed: 2 or more",
        ),
        (
            PNG[:8] + PNG[33:] + PNG,
            Encoding.PNG,
            "the PNG frame does not start with a header chunk; allowed: IHDR of 13 bytes",
        ),
        (bmp(0, 4, 24, b""), Encoding.BMP, "the BMP frame announces a size of 0x4; allowed: 1x1 or more"),
        (bmp(-3, 4, 24, b""), Encoding.BMP, "the BMP frame announces a size of -3x4; allowed: 1x1 or more"),
        (bmp(4, 4, 24, b"", compression=4), Encoding.BMP, "the BMP frame is of compression 4; allowed: 0, 1, 2 or 3"),
        (
            BMP[:14] + b"\x10" + BMP[15:],
            Encoding.BMP,
            "the BMP frame has a header of 16 bytes; allowed: 12, or 36 and more",
        ),
        (
            BMP[:-1],
            Encoding.BMP,
            f"the BMP frame of {len(BMP) - 1} bytes is torn: it ends before its pixels do, at byte {len(BMP)}",
        ),
    ],
)
def test_what_is_wrong_with_a_header_is_said(data: bytes, encoding: Encoding, message: str) -> None:
    with pytest.raises(FrameError) as error:
        read_header(data, encoding)
    assert str(error.value) == message


def test_endless_segments_and_chunks_are_given_up() -> None:
    with pytest.raises(FrameError, match=f"more than {MAX_PARTS} segments"):
        read_header(b"\xff\xd8" + b"\xff\xfe\x00\x02" * (MAX_PARTS + 1), Encoding.JPG)
    with pytest.raises(FrameError, match=f"more than {MAX_PARTS} chunks"):
        read_header(PNG[:33] + png_chunk(b"tEXt", b"") * (MAX_PARTS + 1) + PNG[33:] + b"\0", Encoding.PNG)


def test_raw_frames_have_no_header() -> None:
    with pytest.raises(ValueError, match="RAW frame has no header"):
        read_header(b"", Encoding.RAW)


STARTS = {Encoding.JPG: b"\xff\xd8\xff", Encoding.PNG: PNG[:16], Encoding.BMP: b"BM"}


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(ENCODINGS), st.booleans(), st.binary(max_size=200))
def test_any_bytes_at_all_give_a_size_or_a_frame_error(encoding: Encoding, with_start: bool, data: bytes) -> None:
    try:
        width, height = read_header(memoryview(STARTS[encoding] + data if with_start else data), encoding)
    except FrameError:
        return
    assert width > 0
    assert height > 0


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([(Encoding.PNG, PNG), (Encoding.BMP, BMP), *((Encoding.JPG, data) for data in JPGS.values())]),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=6),
    st.floats(0, 1),
    st.sampled_from(Layout),
)
def test_a_damaged_picture_is_decoded_or_refused_and_nothing_else(
    whole: tuple[Encoding, bytes], damage: list[tuple[float, int]], kept: float, layout: Layout
) -> None:
    encoding, data = whole[0], bytearray(whole[1])
    for place, value in damage:
        data[int(place * len(data))] = value
    del data[max(1, int(kept * 2 * len(data))) :]
    try:
        frame = decode(bytes(data), VideoFormat(encoding, 40, 30), layout)
    except FrameError:
        return
    assert frame.shape == {Layout.GREY: (30, 40), Layout.UNTOUCHED: (len(data),)}.get(layout, (30, 40, 3))


# Pixels


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (40, 30)])
@pytest.mark.parametrize("encoding", [Encoding.PNG, Encoding.BMP])
def test_lossless_pictures_come_back_as_they_were(encoding: Encoding, size: tuple[int, int]) -> None:
    rgb, video_format = picture(*size), VideoFormat(encoding, *size)
    data = encode(rgb, encoding)
    np.testing.assert_array_equal(decode(data, video_format, Layout.RGB), rgb)
    np.testing.assert_array_equal(decode(data, video_format, Layout.BGR), rgb[..., ::-1])
    expected = rgb @ np.array([0.299, 0.587, 0.114])
    assert np.abs(decode(data, video_format, Layout.GREY) - expected).max() <= 0.505


@pytest.mark.parametrize("size", [(1, 1), (17, 9), (64, 48)])
def test_a_jpg_comes_back_nearly_as_it_was(size: tuple[int, int]) -> None:
    rgb = np.full((size[1], size[0], 3), (200, 90, 30), np.uint8)
    video_format = VideoFormat(Encoding.JPG, *size)
    data = encode(rgb, Encoding.JPG, quality=95)
    decoded = decode(data, video_format, Layout.RGB)
    assert np.abs(decoded.astype(int) - rgb).max() <= 3
    np.testing.assert_array_equal(decode(data, video_format, Layout.BGR), decoded[..., ::-1])
    assert np.abs(decode(data, video_format, Layout.GREY) - (0.299 * 200 + 0.587 * 90 + 0.114 * 30)).max() <= 2


def test_grey_of_a_jpg_is_within_a_level_or_two_of_its_colours() -> None:
    y, x = np.mgrid[0:48, 0:64]
    rgb = np.stack([60 + x * 2, 60 + y * 3, 190 - x * 2], -1).astype(np.uint8)
    data = encode(rgb, Encoding.JPG)
    grey = decode(data, VideoFormat(Encoding.JPG, 64, 48), Layout.GREY)
    colours = decode(data, VideoFormat(Encoding.JPG, 64, 48), Layout.RGB)
    assert np.abs(grey - colours @ np.array([0.299, 0.587, 0.114])).max() <= 2


def test_alpha_palettes_and_sixteen_bits_become_eight_bits_of_colour() -> None:
    bgra = np.dstack([picture(5, 3)[..., ::-1], np.full((3, 5), 9, np.uint8)])
    video_format = VideoFormat(Encoding.PNG, 5, 3)
    with_alpha = bytes(cv2.imencode(".png", bgra)[1])
    np.testing.assert_array_equal(decode(with_alpha, video_format, Layout.RGB), picture(5, 3))
    deep = bytes(cv2.imencode(".png", picture(5, 3)[..., ::-1].astype(np.uint16) * 257)[1])
    np.testing.assert_array_equal(decode(deep, video_format, Layout.RGB), picture(5, 3))
    grey = bytes(cv2.imencode(".png", picture(5, 3)[..., 0])[1])
    np.testing.assert_array_equal(decode(grey, video_format, Layout.RGB)[..., 1], picture(5, 3)[..., 0])
    np.testing.assert_array_equal(decode(grey, video_format, Layout.GREY), picture(5, 3)[..., 0])


def test_a_camera_that_notes_its_orientation_does_not_turn_the_frame() -> None:
    # EXIF, little-endian, one entry: orientation (0x112), SHORT, 1 value: 6, "turn by 90 degrees".
    tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + b"\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    whole = JPGS["baseline"]
    turned = whole[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif + whole[2:]
    opencv_turns_it = cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR)
    assert opencv_turns_it is not None
    assert opencv_turns_it.shape == (40, 30, 3)
    for layout in (Layout.RGB, Layout.BGR, Layout.GREY):
        np.testing.assert_array_equal(
            decode(turned, VideoFormat(Encoding.JPG, 40, 30), layout),
            decode(whole, VideoFormat(Encoding.JPG, 40, 30), layout),
        )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_untouched_is_a_read_only_view_of_a_checked_frame(encoding: Encoding) -> None:
    data = encode(picture(40, 30), encoding)
    memory = bytearray(data)
    frame = decode(memoryview(memory), VideoFormat(encoding, 40, 30), Layout.UNTOUCHED)
    assert np.shares_memory(frame, np.frombuffer(memory, np.uint8))
    assert not frame.flags.writeable
    assert frame.tobytes() == data
    with pytest.raises(FrameError):
        decode(memoryview(memory), VideoFormat(encoding, 30, 40), Layout.UNTOUCHED)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("layout", Layout)
def test_a_picture_of_another_size_is_refused_before_it_is_decoded(
    encoding: Encoding, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded_all_the_same(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(encoded.cv2, "imdecode", decoded_all_the_same)
    with pytest.raises(FrameError) as error:
        decode(encode(picture(40, 30), encoding), VideoFormat(encoding, 30, 40), layout)
    assert str(error.value) == (
        f"the {encoding.name} frame is 40x30 pixels; allowed: 30x40, as the stream's descriptor declares"
    )


def test_a_bomb_costs_nothing() -> None:
    header = struct.pack(">IIBBBBB", 65_535, 65_535, 16, 6, 0, 0, 0)
    bomb = PNG[:8] + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"") + PNG[-12:]
    with pytest.raises(FrameError, match="is 65535x65535 pixels"):
        decode(bomb, VideoFormat(Encoding.PNG, 64, 64), Layout.RGB)


def test_a_picture_that_opencv_cannot_decode_is_a_frame_error() -> None:
    gutted = PNG[:33] + PNG[-12:]
    with pytest.raises(FrameError) as error:
        decode(gutted, VideoFormat(Encoding.PNG, 40, 30), Layout.RGB)
    assert str(error.value) == "the PNG frame of 45 bytes cannot be decoded"


def test_an_error_inside_opencv_is_a_frame_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise cv2.error("out of memory at /somewhere/alloc.cpp")

    monkeypatch.setattr(encoded.cv2, "imdecode", fail)
    with pytest.raises(FrameError) as error:
        decode(PNG, VideoFormat(Encoding.PNG, 40, 30), Layout.RGB)
    assert "somewhere" not in str(error.value)


@pytest.mark.parametrize("layout", [Layout.RGB, Layout.BGR, Layout.GREY])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_opencv_without_the_rgb_flag_gives_the_same(
    encoding: Encoding, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, video_format = encode(picture(40, 30), encoding), VideoFormat(encoding, 40, 30)
    with_flag = decode(data, video_format, layout)
    monkeypatch.setattr(encoded, "_COLOUR_RGB", None)
    np.testing.assert_array_equal(decode(data, video_format, layout), with_flag)


# Encoding


def test_quality_makes_a_jpg_larger() -> None:
    sizes = [len(encode(picture(64, 48), Encoding.JPG, quality)) for quality in (1, 50, 100)]
    assert sizes == sorted(set(sizes))


def test_wrong_arguments_of_encode_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="RAW frames are packed, not encoded; allowed: JPG, PNG, BMP"):
        encode(picture(4, 2), Encoding.RAW)
    with pytest.raises(ValueError, match="quality 101 is out of range; allowed: 0 to 100"):
        encode(picture(4, 2), Encoding.JPG, 101)
    with pytest.raises(ValueError, match=r"an array \(2, 4\) uint8 is no picture"):
        encode(picture(4, 2)[..., 0], Encoding.PNG)
    with pytest.raises(FrameError, match="a picture of 65536x1 pixels cannot be encoded as JPG"):
        encode(np.zeros((1, 65_536, 3), np.uint8), Encoding.JPG)


# One way in


def test_read_frame_takes_raw_and_encoded_frames() -> None:
    rgb = picture(40, 30)
    raw = VideoFormat(Encoding.RAW, 40, 30, PixelFormat.RGB24)
    np.testing.assert_array_equal(read_frame(rgb.tobytes(), raw, Layout.RGB), rgb)
    np.testing.assert_array_equal(read_frame(PNG, VideoFormat(Encoding.PNG, 40, 30), Layout.RGB), rgb)
    with pytest.raises(FrameError, match="a frame of 3 bytes is not RAW RGB24 40x30"):
        read_frame(b"abc", raw, Layout.RGB)
