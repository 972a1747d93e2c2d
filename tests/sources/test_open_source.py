from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from framewire.errors import ConfigurationError, PeerError
from framewire.sources import open_source
from framewire.sources.address import public_address

KINDS = (
    "test: (a synthetic scene), rtsp:// or rtsps:// URL, http(s):// URL, /dev/videoN,"
    " folder of images, image, video file"
)


def refusal(spec: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        open_source(spec)
    text = str(refused.value)
    assert "\n" not in text
    return text


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    missing = tmp_path / "none.mp4"
    assert refusal(str(missing)) == f"{missing} does not exist; allowed: {KINDS}"


def test_no_name_at_all() -> None:
    assert refusal("") == f"a source without a name does not exist; allowed: {KINDS}"


def test_a_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing to see")
    assert refusal(str(tmp_path)) == f"{tmp_path} holds no image; allowed: a folder with images, or an image or a video"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("notes.txt", b"hello\n" * 100, "it is text"),
        ("notes.mp4", b"hello\n" * 100, "Invalid data found when processing input"),
        ("noise.mp4", np.random.default_rng(3).bytes(50_000), "Invalid data found when processing input"),
        ("empty.mp4", b"", "Invalid data found when processing input"),
    ],
)
def test_a_file_that_is_no_video(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert refusal(str(path)) == (
        f"{path} cannot be read as video ({reason}); give a video, an image or a folder of images"
    )


def test_a_torn_image(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    path = tmp_path / "torn.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    assert refusal(str(path)).startswith(f"{path} is no image that can be read")


def test_sound_without_pictures(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert refusal(str(path)) == (
        f"{path} has no video stream, but audio; give a video, an image or a folder of images"
    )


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("test:speed=2", "test: has no option 'speed'; allowed: size, frames, fps"),
        ("test:size=640", "size=640 is no value for test:; allowed: test:size=640x360,frames=180,fps=15"),
        ("test:frames=many", "frames=many is no value for test:; allowed: test:size=640x360,frames=180,fps=15"),
        ("test:frames", "frames= is no value for test:; allowed: test:size=640x360,frames=180,fps=15"),
        ("test:size=8x8", "width 8 is out of range; allowed: 32 to 8192"),
    ],
)
def test_wrong_options_of_the_synthetic_scene(spec: str, text: str) -> None:
    assert refusal(spec) == text


def test_a_scheme_that_is_not_known_and_its_password() -> None:
    assert refusal("ftp://me:secret@host/clip.mp4") == (
        f"ftp://***@host/clip.mp4 is of no kind that is known; allowed: {KINDS}"
    )


@pytest.mark.parametrize("spec", ["rtsp://me:secret@127.0.0.1:1/live", "RTSP://me:secret@127.0.0.1:1/live?key=secret"])
def test_a_camera_that_cannot_be_reached(spec: str) -> None:
    with pytest.raises(PeerError) as unreachable:
        open_source(spec)
    text = str(unreachable.value)
    assert text.endswith("cannot be reached (Connection refused); check address, network, user and password")
    assert "***@127.0.0.1:1/live" in text
    assert "secret" not in text


def test_a_web_server_that_cannot_be_reached() -> None:
    with pytest.raises(PeerError) as unreachable:
        open_source("http://me:secret@127.0.0.1:1/clip.mp4")
    assert str(unreachable.value) == (
        "http://***@127.0.0.1:1/clip.mp4 cannot be reached (Connection refused); check the address and the network"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://10.0.0.7/stream1", "rtsp://10.0.0.7/stream1"),
        ("rtsp://me:pass@10.0.0.7:554/stream1", "rtsp://***@10.0.0.7:554/stream1"),
        ("rtsp://me:p@ss@10.0.0.7/stream1", "rtsp://***@10.0.0.7/stream1"),
        ("rtsp://me:p/a?s#s@10.0.0.7/stream1", "rtsp://***@10.0.0.7/stream1"),
        ("http://10.0.0.7/video?user=me&password=secret", "http://10.0.0.7/video?..."),
        ("rtsp://[bad:secret@host", "rtsp://***@host"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert public_address(url) == shown


@pytest.mark.parametrize("prefix", ["", "file:", "file://", "file://localhost"])
def test_a_path_may_be_a_file_url(street: Path, prefix: str) -> None:
    with open_source(f"{prefix}{street}") as source:
        assert source.size == (320, 180)


def test_a_path_may_be_relative(street: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(street.parent)
    for spec in ("street.mp4", "./street.mp4", "file:street.mp4"):
        with open_source(spec) as source:
            assert source.size == (320, 180)
