"""A camera at this machine: Video4Linux."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from framewire.errors import ConfigurationError, PeerError
from framewire.sources.guard import CloseGuard
from framewire.sources.relay import Relay
from framewire.sources.source import RgbImage, Source, SourceFrame
from framewire.sources.timeline import Timeline

_DEFAULT_RATE = 30.0


class Capture(Protocol):
    """What is used of `cv2.VideoCapture`. FFmpeg's own Video4Linux part is missing from PyAV's wheels."""

    def isOpened(self) -> bool: ...  # noqa: D102, N802
    def read(self) -> tuple[bool, Any]: ...  # noqa: D102
    def get(self, propId: int, /) -> float: ...  # noqa: D102, N803
    def release(self) -> None: ...  # noqa: D102


class Device(Source):
    """Frames of a camera at this machine, as it delivers them.

    Args:
        path: The device, such as `/dev/video0`.
        open_capture: Opens it.

    Raises:
        ConfigurationError: There is no such device, it may not be read, or it gives no picture.
    """

    is_live = True

    def __init__(self, path: str, *, open_capture: Callable[[str], Capture] | None = None) -> None:
        self._path = path
        self._capture = (open_capture or _open_v4l2)(path)
        self._guard = CloseGuard(self._capture.release)
        with self._guard.reading():
            good, first = self._capture.read() if self._capture.isOpened() else (False, None)
        if not good or first is None:
            self._guard.close()
            raise ConfigurationError(
                f"{path} gives no picture", remedy="see whether it is a camera, and whether another program uses it"
            )
        self.size = (first.shape[1], first.shape[0])
        self.frames_per_second = self._capture.get(cv2.CAP_PROP_FPS) or None
        self._relay = Relay(self._read(), name=f"framewire source {path}")

    def __iter__(self) -> Iterator[SourceFrame]:
        return self._relay

    def close(self) -> None:
        """Ends the reading and gives the camera back, at the latest when the read in progress times out."""
        self._relay.close()
        self._guard.close()

    def _read(self) -> Iterator[SourceFrame]:
        timeline = Timeline(1.0 / (self.frames_per_second or _DEFAULT_RATE))
        index = 0
        while True:
            with self._guard.reading() as may_read:
                if not may_read:
                    return
                good, picture = self._capture.read()
                time_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
            if not good:
                raise PeerError(f"{self._path} went away", status="UNAVAILABLE")
            image: RgbImage = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
            yield SourceFrame(image, timeline.place(time_ms / 1000 if time_ms > 0 else None), index)
            index += 1


def _open_v4l2(path: str) -> Capture:
    # Asked beforehand: OpenCV says no more than that it did not work.
    if not Path(path).exists():
        present = ", ".join(sorted(str(device) for device in Path("/dev").glob("video*")))
        raise ConfigurationError(f"{path} does not exist", allowed=present or "no camera is attached to this machine")
    if not os.access(path, os.R_OK | os.W_OK):
        raise ConfigurationError(
            f"{path} may not be opened", remedy="join the group video, or pass it to the container"
        )
    # What it warns of, we tell ourselves, in one line and with what to do. Who has asked it for more gets that.
    if cv2.utils.logging.getLogLevel() == cv2.utils.logging.LOG_LEVEL_WARNING:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    return cv2.VideoCapture(path, cv2.CAP_V4L2)
