"""A video in a file."""

from __future__ import annotations

from framewire.sources.decoding import VideoDecoder
from framewire.sources.video import Video


def open_video_file(path: str, *, loop: bool = False) -> Video:
    """Opens a recording; its frames come as fast as they are taken.

    Args:
        path: Path of the file.
        loop: Whether to start over at the end.

    Raises:
        ConfigurationError: It is no video that can be read.
    """
    # The prefix keeps FFmpeg from reading a protocol out of a file name with a colon.
    decoder = VideoDecoder(f"file:{path}", name=path, remedy="give a video, an image or a folder of images")
    return Video(decoder, loop=loop)
