from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from framewire.sources import Scene, write_clip

MEDIA = Path(__file__).parents[2].parent / "shared" / "media"

MakeVideo = Callable[..., Path]


@pytest.fixture
def media() -> Path:
    if not MEDIA.is_dir():
        pytest.skip(f"the footage is not here: {MEDIA}")
    return MEDIA


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 40 frames, 320x180, 10 frames/s, index first."""
    path = tmp_path_factory.mktemp("street") / "street.mp4"
    write_clip(path, Scene(320, 180, frames=40, frames_per_second=10))
    return path


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Writes frames of a left and a right colour, without any loss where the codec allows."""

    def make(
        name: str,
        codec: str,
        pixel_format: str,
        size: tuple[int, int],
        *,
        left: tuple[int, int, int] = (20, 160, 40),
        right: tuple[int, int, int] = (200, 30, 90),
        frames: int = 5,
    ) -> Path:
        path = tmp_path / name
        width, height = size
        picture = np.empty((height, width, 3), np.uint8)
        picture[:, : width // 2] = left
        picture[:, width // 2 :] = right
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=10)
            stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
            for _ in range(frames):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(stream.encode(frame.reformat(format=pixel_format)))
            container.mux(stream.encode())
        return path

    return make
