"""Which text stands for which kind of source. One line per kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from framewire.errors import ConfigurationError
from framewire.sources.address import public_address
from framewire.sources.device import Device
from framewire.sources.rtsp import open_rtsp
from framewire.sources.source import Source
from framewire.sources.still import StillImages, images_of, is_image
from framewire.sources.synthetic import SyntheticSource
from framewire.sources.video_file import open_video_file
from framewire.sources.web import open_web_video


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of source: what to call it, how to tell its texts, how to open one."""

    name: str
    fits: Callable[[str], bool]
    open: Callable[[str, bool], Source]


def _starts(*beginnings: str) -> Callable[[str], bool]:
    return lambda spec: spec.startswith(beginnings)


def _is_still(path: Path) -> bool:
    """Whether it is one picture: a GIF may move, and goes with the videos."""
    return is_image(path) and path.suffix.lower() != ".gif"


_KINDS = (
    _Kind("test: (a synthetic scene)", _starts("test:"), lambda spec, loop: SyntheticSource.parse(spec, loop=loop)),
    _Kind("rtsp:// or rtsps:// URL", _starts("rtsp://", "rtsps://"), lambda spec, _: open_rtsp(spec)),
    _Kind("http(s):// URL", _starts("http://", "https://"), lambda spec, loop: open_web_video(spec, loop=loop)),
    _Kind("/dev/videoN", _starts("/dev/video", "/dev/v4l/"), lambda spec, _: Device(spec)),
    _Kind(
        "folder of images",
        lambda spec: Path(spec).is_dir(),
        lambda spec, loop: StillImages(images_of(Path(spec)), loop=loop),
    ),
    _Kind("image", lambda spec: _is_still(Path(spec)), lambda spec, loop: StillImages([Path(spec)], loop=loop)),
    _Kind("video file", lambda spec: Path(spec).exists(), lambda spec, loop: open_video_file(spec, loop=loop)),
)
"""The first that fits opens it."""


def open_source(spec: str, *, loop: bool = False) -> Source:
    """Opens what a text stands for.

    Args:
        spec: A video file, an image, a folder of images, an `rtsp://`, `rtsps://`, `http://` or `https://` URL,
            `/dev/videoN`, or `test:` for the synthetic scene, with options as in `test:size=640x360,frames=180,fps=15`.
            A path may be written as a `file:` URL too.
        loop: Whether to start over at the end; cameras have none.

    Raises:
        ConfigurationError: There is no such thing, or it cannot be read. A password in a URL is not shown.
        PeerError: A camera or a server cannot be reached.
    """
    path = re.sub(r"^file:(//(localhost)?(?=/))?", "", spec)
    # FFmpeg knows its protocols in lower case only.
    path = re.sub(r"^[A-Za-z]+(?=://)", lambda scheme: scheme[0].lower(), path)
    for kind in _KINDS:
        if path and kind.fits(path):
            return kind.open(path, loop)
    known = ", ".join(kind.name for kind in _KINDS)
    if "://" in spec:
        raise ConfigurationError(f"{public_address(spec)} is of no kind that is known", allowed=known)
    raise ConfigurationError(f"{path or 'a source without a name'} does not exist", allowed=known)
