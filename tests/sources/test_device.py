import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from framewire.errors import ConfigurationError, PeerError
from framewire.sources import open_source
from framewire.sources.device import Device


class FakeCapture:
    """Gives pictures whose blue is their number, then nothing more."""

    def __init__(self, count: int, *, rate: float = 20.0, times_ms: tuple[float, ...] = ()) -> None:
        self.count, self.rate, self.times_ms = count, rate, times_ms
        self.given = 0
        self.is_released = False

    def isOpened(self) -> bool:
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        assert not self.is_released
        if self.given == self.count:
            return False, None
        self.given += 1
        return True, np.full((6, 8, 3), (self.given - 1, 0, 200), np.uint8)

    def get(self, number: int) -> float:
        if number == cv2.CAP_PROP_FPS:
            return self.rate
        assert number == cv2.CAP_PROP_POS_MSEC
        return self.times_ms[self.given - 1] if self.times_ms else 0.0

    def release(self) -> None:
        self.is_released = True


def test_a_camera_gives_rgb_with_its_own_times_until_it_is_unplugged() -> None:
    capture = FakeCapture(4, times_ms=(0.0, 5000.0, 5050.0, 5110.0))
    source = Device("/dev/video9", open_capture=lambda path: capture)
    assert source.size == (8, 6)
    assert source.is_live
    assert source.frames_per_second == 20.0
    frames = iter(source)
    # The first picture told the size; it was taken before anyone asked for frames.
    seen = [next(frames) for _ in range(3)]
    assert [frame.image[0, 0].tolist() for frame in seen] == [[200, 0, 1], [200, 0, 2], [200, 0, 3]]
    assert [frame.time_s for frame in seen] == pytest.approx([0.0, 0.05, 0.11])
    assert [frame.index for frame in seen] == [0, 1, 2]
    with pytest.raises(PeerError, match="/dev/video9 went away"):
        next(frames)
    source.close()
    assert capture.is_released


def test_a_camera_without_times_and_rate_counts_thirtieths() -> None:
    with Device("/dev/video9", open_capture=lambda path: FakeCapture(3, rate=0.0)) as source:
        assert source.frames_per_second is None
        frames = iter(source)
        assert [next(frames).time_s for _ in range(2)] == pytest.approx([0.0, 1 / 30])


def test_a_camera_without_a_picture_is_refused_and_released() -> None:
    capture = FakeCapture(0)
    with pytest.raises(ConfigurationError, match=r"/dev/video9 gives no picture; see whether it is a camera"):
        Device("/dev/video9", open_capture=lambda path: capture)
    assert capture.is_released


def test_a_closed_camera_is_released_and_gives_no_more() -> None:
    capture = FakeCapture(1000)
    source = Device("/dev/video9", open_capture=lambda path: capture)
    frames = iter(source)
    next(frames)
    source.close()
    assert list(frames) == []


def test_a_device_that_does_not_exist() -> None:
    with pytest.raises(ConfigurationError, match=r"^/dev/video99 does not exist; allowed: "):
        open_source("/dev/video99")


def test_a_device_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = tmp_path / "video0"
    locked.touch()
    # Not by its mode: root may open everything.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ConfigurationError, match=r"video0 may not be opened; join the group video"):
        Device(str(locked))


def test_a_file_in_the_place_of_a_device_gives_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "video0"
    path.write_bytes(b"no camera")
    with pytest.raises(ConfigurationError, match=r"video0 gives no picture"):
        Device(str(path))
