"""The table of rules, and what its sessions are made of."""

from __future__ import annotations

import itertools
import os
import stat
from pathlib import Path

import pytest

from framewire.errors import ConfigurationError, FormatError
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.message import Descriptor
from framewire.testing.conformance import select_rules, table
from framewire.testing.probe import ProbeOptions, credentials_metadata, parse_target
from framewire.testing.rules.memory import fifo, memory_file
from framewire.testing.rules.picture import COLOURS, RGB24, raw, with_stride
from framewire.testing.rules.raw_message import descriptor_message
from framewire.wire import decode


def test_rules_are_chosen_by_name() -> None:
    assert [rule.name for rule in select_rules(["half-close", "handshake"])] == ["handshake", "half-close"]
    with pytest.raises(ConfigurationError, match="there is no rule 'hand-shake'; --list names them all"):
        select_rules(["hand-shake"])


def test_every_rule_has_its_sentence() -> None:
    for rule in table():
        assert rule.sentence.endswith("."), rule.name
        assert len(rule.sentence) <= 110, rule.name


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("localhost:5001", "localhost:5001"),
        ("tcp://avaextension:44000", "avaextension:44000"),
        ("tcp://10.0.0.7:5001/", "10.0.0.7:5001"),
        ("[::1]:5001", "[::1]:5001"),
        ("unix:/run/framewire.sock", "unix:/run/framewire.sock"),
    ],
)
def test_addresses_are_read_as_topologies_write_them(text: str, target: str) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text", ["", "localhost", ":5001", "host:port", "host:0", "host:70000", "::1:5001", "unix:", "http://host:80"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="HOST:PORT, tcp://HOST:PORT or unix:/PATH"):
        parse_target(text)


def test_options_are_checked() -> None:
    with pytest.raises(ConfigurationError, match="timeout 0 s"):
        ProbeOptions(timeout_s=0)
    with pytest.raises(ConfigurationError, match="mode 1000"):
        ProbeOptions(shared_memory_mode=0o1000)


def test_credentials_travel_as_the_contract_says() -> None:
    metadata = credentials_metadata("dummyUserName", "dummyPassword")
    assert metadata == (("x-ms-authentication", "Basic ZHVtbXlVc2VyTmFtZTpkdW1teVBhc3N3b3Jk"),)


def test_a_descriptor_built_by_hand_reads_like_one_of_the_wire() -> None:
    message = decode(descriptor_message("{}", stride_bytes=300))
    assert message.sequence_number == 1
    assert message.payload == Descriptor(
        "framewire-check", "{}", 90_000, VideoFormat(Encoding.RAW, 40, 30, PixelFormat.RGB24, 300)
    )


def test_a_descriptor_built_by_hand_may_be_wrong() -> None:
    with pytest.raises(FormatError, match="pixel format 7 is unknown"):
        decode(descriptor_message("", pixel_format=7))


def grey(kind: PixelFormat, pixel: bytes) -> float:
    """Grey mean of one pixel, read by hand."""
    if "5" in kind.name:
        number = int.from_bytes(pixel, "big" if kind.name.endswith("BE") else "little")
        green_bits = 6 if "565" in kind.name else 5
        red = (number >> (5 + green_bits) & 31) * 255 / 31
        green = (number >> 5 & ((1 << green_bits) - 1)) * 255 / ((1 << green_bits) - 1)
        return 0.299 * red + 0.587 * green + 0.114 * (number & 31) * 255 / 31
    channel = dict(zip(kind.name, pixel, strict=False))
    return 0.299 * channel["R"] + 0.587 * channel["G"] + 0.114 * channel["B"]


PACKED = [kind for kind in PixelFormat if kind.bytes_per_pixel > 1]
CONFUSIONS = [pair for pair in itertools.permutations(PACKED, 2) if pair[0].bytes_per_pixel == pair[1].bytes_per_pixel]


@pytest.mark.parametrize(("sent", "read"), CONFUSIONS, ids=lambda kind: kind.name)
def test_the_colours_show_every_confusion_of_two_pixel_formats(sent: PixelFormat, read: PixelFormat) -> None:
    pixels = [raw(VideoFormat(Encoding.RAW, 1, 1, sent), colour) for colour in COLOURS]
    assert any((grey(sent, pixel) < 127) != (grey(read, pixel) < 127) for pixel in pixels)
    assert all(abs(grey(sent, pixel) - 127) > 5 for pixel in pixels)


def test_a_yuv420p_frame_has_three_planes_with_odd_sizes_rounded_up() -> None:
    frame = raw(VideoFormat(Encoding.RAW, 3, 5, PixelFormat.YUV420P), (255, 255, 255))
    assert frame == bytes([235] * 15 + [128] * 6 + [128] * 6)


def test_padding_ends_each_row_and_may_be_left_out_after_the_last() -> None:
    video_format = VideoFormat(Encoding.RAW, 2, 2, PixelFormat.RGB24, 8)
    row = bytes([1, 2, 3, 1, 2, 3])
    assert with_stride(video_format, (1, 2, 3), 9) == row + b"\x09\x09" + row + b"\x09\x09"
    assert with_stride(video_format, (1, 2, 3), 9, is_last_row_padded=False) == row + b"\x09\x09" + row
    assert len(raw(RGB24, (1, 2, 3))) == 3_600


def test_shared_memory_has_the_mode_that_was_asked_for_and_goes_away() -> None:
    umask = os.umask(0o077)
    try:
        with memory_file(100, 0o666) as memory:
            path = Path("/dev/shm") / memory.announcement.handle_name
            assert stat.S_IMODE(path.stat().st_mode) == 0o666
            assert memory.announcement.length_bytes == 100
            reference = memory.write(7, b"frame")
            assert path.read_bytes()[7:12] == b"frame"
            assert (reference.offset_bytes, reference.length_bytes) == (7, 5)
    finally:
        os.umask(umask)
    assert not path.exists()


def test_a_pipe_goes_away_and_lets_go_of_who_waits_on_it() -> None:
    with fifo(0o600) as name:
        path = Path("/dev/shm") / name
        assert stat.S_ISFIFO(path.stat().st_mode)
        waiting = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.close(waiting)
    assert not path.exists()
