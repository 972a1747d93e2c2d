"""Which text stands for which kind of source. One line per kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from framewire.errors import ConfigurationError
from framewire.sources.source import Source
from framewire.sources.still import StillImages, images_of, is_image
from framewire.sources.synthetic import SyntheticSource
from framewire.sources.video_file import VideoFile


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of source: how its texts look, how to tell them, how to open one."""

    example: str
    fits: Callable[[str], bool]
    open: Callable[[str, bool], Source]


_KINDS = (
    _Kind("test:size=640x360,frames=120,fps=10", lambda spec: spec.startswith("test:"), SyntheticSource.parse),
    _Kind(
        "folder/", lambda spec: Path(spec).is_dir(), lambda spec, loop: StillImages(images_of(Path(spec)), loop=loop)
    ),
    _Kind("image.png", lambda spec: is_image(Path(spec)), lambda spec, loop: StillImages([Path(spec)], loop=loop)),
    _Kind("video.mp4", lambda spec: Path(spec).is_file(), lambda spec, loop: VideoFile(spec, loop=loop)),
)


def open_source(spec: str, *, loop: bool = False) -> Source:
    """Opens what a text stands for.

    Args:
        spec: A video file, an image, a folder of images, or `test:` with options.
        loop: Whether to start over at the end.

    Raises:
        ConfigurationError: There is no such thing, or it cannot be read.
    """
    for kind in _KINDS:
        if kind.fits(spec):
            return kind.open(spec, loop)
    raise ConfigurationError(f"source {spec!r} does not exist", allowed=", ".join(kind.example for kind in _KINDS))
