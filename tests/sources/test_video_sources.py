from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from framewire.errors import ConfigurationError
from framewire.sources import open_source


def test_real_footage_is_read_from_the_first_frame_to_the_last(media: Path) -> None:
    with open_source(str(media / "bottles.mp4")) as source:
        assert source.size == (640, 360)
        assert not source.is_live
        assert source.frames_per_second == pytest.approx(29.833, abs=0.001)
        times = []
        for index, frame in enumerate(source):
            assert frame.index == index
            assert frame.image.shape == (360, 640, 3)
            times.append(frame.time_s)
        assert len(times) == 1189
        assert times[0] == 0.0
        assert all(before < after for before, after in pairwise(times))
        assert times[-1] == pytest.approx(39.82, abs=0.01)
        assert source.skipped == 0


def test_colours_of_real_footage_are_those_of_ffmpegs_own_conversion(media: Path) -> None:
    path = str(media / "bottles.mp4")
    with av.open(path) as container:
        expected = [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), 3)]
    with open_source(path) as source:
        for frame, image in zip(source, expected, strict=False):
            np.testing.assert_array_equal(frame.image, image)


@pytest.mark.parametrize(
    ("name", "layout", "size", "tolerance"),
    [
        ("rgb.mov", ("png", "rgb24"), (33, 21), 0),
        ("transparent.mov", ("png", "rgba"), (33, 21), 0),
        ("bgr.avi", ("rawvideo", "bgr24"), (33, 21), 0),
        ("plain.nut", ("rawvideo", "rgb24"), (32, 20), 0),
        ("odd.mkv", ("ffv1", "yuv444p"), (65, 47), 2),
        ("odd_and_subsampled.mkv", ("ffv1", "yuv420p"), (65, 47), 2),
        ("ten_bits.mkv", ("ffv1", "yuv420p10le"), (64, 48), 3),
        ("full_range.avi", ("mjpeg", "yuvj420p"), (64, 48), 3),
        ("h264.mp4", ("libx264", "yuv420p"), (64, 48), 4),
    ],
)
def test_every_pixel_layout_comes_out_as_rgb(
    make_video: Callable[..., Path], name: str, layout: tuple[str, str], size: tuple[int, int], tolerance: int
) -> None:
    with open_source(str(make_video(name, *layout, size))) as source:
        assert source.size == size
        frames = list(source)
    assert len(frames) == 5
    for frame in frames:
        assert frame.image.shape == (size[1], size[0], 3)
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        np.testing.assert_allclose(frame.image[size[1] // 2, 3].astype(int), (20, 160, 40), atol=tolerance)
        np.testing.assert_allclose(frame.image[size[1] // 2, -3].astype(int), (200, 30, 90), atol=tolerance)


@pytest.mark.parametrize("layout", [("kept.nut", "rawvideo", "rgb24"), ("kept.mkv", "ffv1", "yuv444p")])
def test_a_frame_belongs_to_its_receiver(make_video: Callable[..., Path], layout: tuple[str, str, str]) -> None:
    path = make_video(*layout, (32, 20))
    with open_source(str(path)) as source:
        frames = iter(source)
        first = next(frames).image
        expected = first.copy()
        second = next(frames).image
        second[:] = 7
        rest = [frame.image for frame in frames]
    # Neither the frames that came later nor the closing touched it, and writing into one did not reach another.
    np.testing.assert_array_equal(first, expected)
    assert all(np.array_equal(image, expected) for image in rest)


def test_iterating_again_goes_on_where_the_first_iteration_stopped(street: Path) -> None:
    with open_source(str(street)) as source:
        assert [frame.index for frame in islice(source, 3)] == [0, 1, 2]
        assert next(iter(source)).index == 3


def test_a_loop_starts_over_and_its_times_go_on(street: Path) -> None:
    with open_source(str(street), loop=True) as source:
        frames = list(islice(source, 90))
    assert [frame.index for frame in frames] == list(range(90))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(90) / 10, atol=1e-3)
    np.testing.assert_array_equal(frames[0].image, frames[40].image)
    np.testing.assert_array_equal(frames[7].image, frames[87].image)
    assert not np.array_equal(frames[0].image, frames[20].image)


def test_closing_ends_the_iteration_and_may_be_done_twice(street: Path) -> None:
    source = open_source(str(street))
    frames = iter(source)
    next(frames)
    source.close()
    source.close()
    assert list(frames) == []


def test_a_source_that_was_closed_unread_gives_nothing(street: Path) -> None:
    source = open_source(str(street), loop=True)
    source.close()
    assert list(source) == []


def test_a_truncated_video_gives_what_can_be_decoded(street: Path, tmp_path: Path) -> None:
    whole = street.read_bytes()
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(whole[: len(whole) * 6 // 10])
    with open_source(str(street)) as source:
        expected = [frame.image for frame in source]
    with open_source(str(torn)) as source:
        images = [frame.image for frame in source]
        assert 10 <= len(images) < 40
        assert source.skipped == 1
    for image, original in zip(images[:-1], expected, strict=False):
        np.testing.assert_array_equal(image, original)


def test_frames_that_cannot_be_decoded_are_left_out_and_counted(street: Path, tmp_path: Path) -> None:
    content = bytearray(street.read_bytes())
    middle = (content.find(b"mdat") + len(content)) // 2
    content[middle : middle + 2000] = bytes(2000)
    holed = tmp_path / "holed.mp4"
    holed.write_bytes(content)
    with open_source(str(holed)) as source:
        frames = list(source)
        assert source.skipped >= 1
    assert len(frames) + source.skipped == 40
    assert frames[-1].time_s == pytest.approx(3.9, abs=1e-3), "the frames behind the hole keep their times"


def test_a_video_without_a_single_frame_is_an_error_even_in_a_loop(street: Path, tmp_path: Path) -> None:
    content = street.read_bytes()
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(content[: content.find(b"mdat") + 4])
    for loop in (False, True):
        with (
            open_source(str(empty), loop=loop) as source,
            pytest.raises(ConfigurationError, match=r"empty\.mp4 holds no picture that can be decoded"),
        ):
            list(source)


def test_a_video_that_changes_its_size_says_where(make_video: Callable[..., Path], tmp_path: Path) -> None:
    small = make_video("small.h264", "libx264", "yuv420p", (64, 48), frames=6)
    large = make_video("large.h264", "libx264", "yuv420p", (96, 64), frames=6)
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    seen = []
    with (
        open_source(str(both)) as source,
        pytest.raises(ConfigurationError, match=r"both\.h264 changes its size from 64x48 to 96x64 at frame 6"),
    ):
        seen.extend(frame.index for frame in source)
    assert seen == [0, 1, 2, 3, 4, 5]


def test_a_rotation_in_the_file_is_not_applied(street: Path, tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    with av.open(str(street)) as given, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(given.streams.video[0])
        stream.set_display_rotation(90)
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    with open_source(str(path)) as source:
        assert source.size == (320, 180)
        assert next(iter(source)).image.shape == (180, 320, 3)


def test_a_file_name_with_a_colon_is_no_protocol(street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rtmp:camera").write_bytes(street.read_bytes())
    monkeypatch.chdir(tmp_path)
    with open_source("rtmp:camera") as source:
        assert source.size == (320, 180)


def test_an_animated_gif_moves(make_video: Callable[..., Path]) -> None:
    path = make_video("moving.gif", "gif", "rgb8", (33, 21))
    with av.open(str(path)) as container:
        count = sum(1 for _ in container.decode(video=0))
    with open_source(str(path)) as source:
        assert len(list(source)) == count
        assert source.frames_per_second is not None
