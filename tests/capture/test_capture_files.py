"""Recordings and the synthetic scene, which end, loop and keep time."""

from itertools import islice, pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from watched_captures import Watch

from framewire.capture import CaptureState
from framewire.errors import ConfigurationError
from framewire.sources import Scene, write_clip

MEDIA = Path(__file__).parents[2].parent / "shared" / "media"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("street") / "street.mp4"
    write_clip(path, Scene(160, 90, frames=20, frames_per_second=10))
    return path


def make_video(path: Path, codec: str, pixel_format: str) -> Path:
    """Ten frames of grey that grows lighter, 10 frames/s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
        for index in range(10):
            image = np.full((48, 64, 3), 30 + 20 * index, np.uint8)
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixel_format))
            )
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mp4", "libx265", "yuv420p"),
        ("a.mkv", "libx265", "yuv420p10le"),
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.mkv", "ffv1", "yuv444p"),
    ],
)
def test_a_file_gives_all_its_pictures_and_ends(
    watch: Watch, tmp_path: Path, name: str, codec: str, pixel_format: str
) -> None:
    watched = watch(str(make_video(tmp_path / name, codec, pixel_format)), in_real_time=False)
    frames = list(watched.capture.frames())
    assert len(frames) == 10
    assert {after.timestamp - before.timestamp for before, after in pairwise(frames)} == {9000}
    shades = [float(frame.rgb().mean()) for frame in frames]
    assert shades == pytest.approx([30 + 20 * index for index in range(10)], abs=3)
    assert watched.kinds == ["MediaSessionEstablished"]
    statistics = watched.capture.statistics()
    assert statistics.state is CaptureState.ENDED
    assert statistics.frames == 10
    assert statistics.received_bytes > 0
    assert statistics.last_error is None
    assert list(watched.capture.frames()) == []


@pytest.mark.parametrize("name", ["raw.h264", "raw.mjpeg", "still.png"])
def test_a_file_that_does_not_tell_how_long_it_is_ends_too(watch: Watch, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "still.png":
        cv2.imwrite(str(path), np.full((48, 64, 3), 90, np.uint8))
    else:
        codec = {"raw.h264": "libx264", "raw.mjpeg": "mjpeg"}[name]
        make_video(path, codec, "yuv420p" if codec == "libx264" else "yuvj420p")
    watched = watch(str(path))
    frames = list(watched.capture.frames())
    assert len(frames) == (1 if name == "still.png" else 10)
    assert watched.kinds == ["MediaSessionEstablished"]
    assert all(before.timestamp < after.timestamp for before, after in pairwise(frames))


def test_a_file_that_loops_goes_on_for_ever_and_is_one_session(watch: Watch, street: Path) -> None:
    watched = watch(str(street), loop=True, in_real_time=False)
    frames = list(islice(watched.capture.frames(), 65))
    assert [after.timestamp - before.timestamp for before, after in pairwise(frames)] == [9000] * 64
    assert watched.kinds == ["MediaSessionEstablished"]
    assert watched.capture.statistics().reconnects == 0


def test_a_file_in_real_time_takes_as_long_as_it_lasts(watch: Watch, street: Path) -> None:
    watched = watch(str(street))
    frames = list(islice(watched.capture.frames(), 6))
    seconds = watched.capture.statistics().seconds
    assert len(frames) == 6
    # Half a second of video lies between the first and the sixth.
    assert sum(seconds.values()) >= 0.5


def test_a_slow_consumer_gets_every_picture(watch: Watch, street: Path) -> None:
    watched = watch(str(street), in_real_time=False, stall_s=0.05)
    total = 0
    for frame in watched.capture.frames():
        total += int(frame.rgb().mean() > 0)
        sum(range(400_000))
    assert total == 20


def test_a_torn_file_gives_what_is_left_of_it(watch: Watch, street: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(street.read_bytes()[:-1500])
    frames = list(watch(str(torn), in_real_time=False).capture.frames())
    assert 0 < len(frames) < 20


def test_a_file_that_is_garbled_ends_where_it_is(watch: Watch, tmp_path: Path) -> None:
    path = make_video(tmp_path / "whole.y4m", "rawvideo", "yuv420p")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 10_000] = b"x" * 10_000
    path.write_bytes(content)
    watched = watch(str(path), in_real_time=False)
    assert 0 < len(list(watched.capture.frames())) < 10
    assert watched.capture.statistics().undecodable == 1


@pytest.mark.parametrize("content", [b"", b"hello\n" * 500, b"\0" * 5000, b"#EXTM3U\nfile:///etc/passwd\n"])
def test_a_file_that_is_no_video_is_an_error_of_its_user(watch: Watch, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    watched = watch(str(path))
    with pytest.raises(ConfigurationError, match=r"clip.mp4 (cannot be read as video|holds no picture)"):
        list(watched.capture.frames())
    assert watched.capture.state is CaptureState.ENDED


def test_a_playlist_opens_no_other_file(watch: Watch, street: Path, tmp_path: Path) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/{street.name}\n#EXT-X-ENDLIST\n")
    with pytest.raises(ConfigurationError):
        list(watch(str(path)).capture.frames())


def test_sound_alone_is_no_video(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    watched = watch(str(path))
    with pytest.raises(ConfigurationError, match=r"sound.wav cannot be read as video \(there is no video"):
        list(watched.capture.frames())
    assert watched.kinds == ["MediaFormatError"]


def test_the_scene_comes_with_its_truth(watch: Watch) -> None:
    watched = watch("test:size=64x48,frames=5,fps=10", in_real_time=False)
    frames = list(watched.capture.frames())
    scene = Scene(64, 48, frames=5, frames_per_second=10)
    assert len(frames) == 5
    for index, frame in enumerate(frames):
        image, truth = scene.render(index)
        assert frame.truth == truth
        assert (frame.rgb() == image).all()
    assert {after.timestamp - before.timestamp for before, after in pairwise(frames)} == {9000}


def test_the_scene_loops_too(watch: Watch) -> None:
    watched = watch("test:size=64x48,frames=5,fps=10", loop=True, in_real_time=False)
    assert len(list(islice(watched.capture.frames(), 12))) == 12


def test_an_option_of_the_scene_that_is_wrong_is_told_as_it_is(watch: Watch) -> None:
    with pytest.raises(ConfigurationError, match="test: has no option 'colour'"):
        next(watch("test:colour=red").capture.frames())


def test_a_folder_of_images_is_a_recording(watch: Watch, tmp_path: Path) -> None:
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((20, 30, 3), 10 * index, np.uint8))
    torn = tmp_path / "1b.png"
    torn.write_bytes((tmp_path / "1.png").read_bytes()[:60])
    watched = watch(str(tmp_path), in_real_time=False)
    assert [int(frame.rgb()[0, 0, 0]) for frame in watched.capture.frames()] == [0, 10, 20]
    assert watched.capture.statistics().undecodable == 1


def test_real_footage_is_read_to_its_end(watch: Watch) -> None:
    if not MEDIA.is_dir():
        pytest.skip(f"the footage is not here: {MEDIA}")
    watched = watch(str(MEDIA / "bottles.mp4"), in_real_time=False)
    frames = sum(frame.luma().shape == (360, 640) for frame in watched.capture.frames())
    assert frames == 1189
    assert watched.capture.statistics().undecodable == 0
