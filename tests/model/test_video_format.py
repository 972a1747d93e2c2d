"""The form of a stream's frames is checked when it is made; every refusal names value and allowed values."""

from __future__ import annotations

import pytest

from framewire.errors import FormatError
from framewire.model.format import Encoding, PixelFormat, VideoFormat

RAW_FORMATS = "YUV420P, RGB565BE, RGB565LE, RGB555BE, RGB555LE, RGB24, BGR24, ARGB, RGBA, ABGR, BGRA"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((4, 8, 8), "encoding 4 is unknown; allowed: BMP=0, JPG=1, PNG=2, RAW=3"),
        ((-1, 8, 8), "encoding -1 is unknown; allowed: BMP=0, JPG=1, PNG=2, RAW=3"),
        (
            (3, 8, 8, 61 + 1),
            "pixel format 62 is unknown; allowed: NONE=0, YUV420P=20, RGB565BE=40, RGB565LE=41, RGB555BE=42, "
            "RGB555LE=43, RGB24=60, BGR24=61, ARGB=80, RGBA=81, ABGR=82, BGRA=83",
        ),
        ((3, 8, 8, 0), f"encoding RAW needs a pixel format and has NONE; allowed: {RAW_FORMATS}"),
        ((1, 0, 8), "width 0 is not a picture size; allowed: 1 to 65535 pixels"),
        ((1, 8, 0), "height 0 is not a picture size; allowed: 1 to 65535 pixels"),
        ((1, 65536, 8), "width 65536 is not a picture size; allowed: 1 to 65535 pixels"),
        ((1, 8, 4294967295), "height 4294967295 is not a picture size; allowed: 1 to 65535 pixels"),
        (
            (3, 8, 8, 60, 23),
            "stride_bytes 23 is shorter than a row of 8 px RGB24; allowed: 0 (no gap) or at least 24",
        ),
        (
            (3, 9, 8, 20, 8),
            "stride_bytes 8 is shorter than a row of 9 px YUV420P; allowed: 0 (no gap) or at least 9",
        ),
    ],
)
def test_a_format_that_cannot_be_is_refused_by_name(arguments: tuple[int, ...], text: str) -> None:
    with pytest.raises(FormatError) as caught:
        VideoFormat(*arguments)  # type: ignore[arg-type]
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("arguments", "stride", "text"),
    [
        ((3, 8, 8, 60), 24, "RAW RGB24 8x8"),
        ((3, 8, 8, 60, 24), 24, "RAW RGB24 8x8 stride 24"),
        ((3, 8, 8, 83, 40), 40, "RAW BGRA 8x8 stride 40"),
        ((3, 7, 8, 40), 14, "RAW RGB565BE 7x8"),
        ((3, 7, 8, 20), 7, "RAW YUV420P 7x8"),
        ((1, 7, 8), 0, "JPG 7x8"),
        ((0, 65535, 1, 20, 1), 1, "BMP 65535x1"),
    ],
)
def test_a_legal_format_knows_its_stride_and_its_name(arguments: tuple[int, ...], stride: int, text: str) -> None:
    video_format = VideoFormat(*arguments)  # type: ignore[arg-type]
    assert video_format.row_stride_bytes == stride
    assert str(video_format) == text


def test_plain_numbers_become_members_of_their_enumerations() -> None:
    video_format = VideoFormat(3, 2, 2, 61)  # type: ignore[arg-type]
    assert video_format.encoding is Encoding.RAW
    assert video_format.pixel_format is PixelFormat.BGR24
