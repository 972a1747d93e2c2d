"""Session descriptions, made of what is known of a stream."""

import pytest

from framewire.capture.sdp import describe

SPS, PPS = bytes.fromhex("674d401fabcd"), bytes.fromhex("68ee3c80")
ANNEX_B = b"\0\0\0\1" + SPS + b"\0\0\1" + PPS
RECORD = b"\1\x4d\x40\x1f\xff\xe1" + b"\0\6" + SPS + b"\1" + b"\0\4" + PPS

H265_SETS = bytes.fromhex("40010c01"), bytes.fromhex("42010101"), bytes.fromhex("4401c172")
H265_ANNEX_B = b"".join(b"\0\0\0\1" + unit for unit in H265_SETS)
H265_RECORD = (
    b"\1"
    + bytes(21)
    + b"\3"
    + b"".join(bytes([kind]) + b"\0\1" + b"\0\4" + unit for kind, unit in zip((32, 33, 34), H265_SETS, strict=True))
)

H264_LINE = "a=fmtp:96 packetization-mode=1;profile-level-id=4D401F;sprop-parameter-sets=Z01AH6vN,aO48gA=="
H265_LINE = "a=fmtp:96 sprop-vps=QAEMAQ==;sprop-sps=QgEBAQ==;sprop-pps=RAHBcg=="


def test_a_description_holds_codec_sets_and_size() -> None:
    assert describe("h264", (1280, 720), ANNEX_B).split("\r\n") == [
        "v=0",
        "o=- 0 0 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "m=video 0 RTP/AVP 96",
        "a=rtpmap:96 H264/90000",
        H264_LINE,
        "a=framesize:96 1280-720",
        "",
    ]


@pytest.mark.parametrize(
    ("codec", "extradata", "line"),
    [
        ("h264", ANNEX_B, H264_LINE),
        ("h264", RECORD, H264_LINE),
        ("hevc", H265_ANNEX_B, H265_LINE),
        ("hevc", H265_RECORD, H265_LINE),
        ("h264", b"", "a=fmtp:96 packetization-mode=1"),
        ("mjpeg", b"", "a=rtpmap:26 JPEG/90000"),
        ("vp9", b"", "a=rtpmap:96 vp9/90000"),
    ],
)
def test_parameter_sets_are_found_in_both_forms(codec: str, extradata: bytes, line: str) -> None:
    assert line in describe(codec, (0, 0), extradata).split("\r\n")


def test_a_size_that_is_not_known_yet_is_left_out() -> None:
    assert "framesize" not in describe("h264", (0, 0))


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("record", [RECORD, H265_RECORD, b"\1" + b"\xff" * 60, b"\0\0\1\0\0\1\0"])
def test_extradata_that_is_cut_short_does_no_harm(codec: str, record: bytes) -> None:
    for length in range(len(record) + 1):
        assert describe(codec, (16, 16), record[:length]).startswith("v=0\r\n")
