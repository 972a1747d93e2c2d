"""A video on a web server."""

from __future__ import annotations

from framewire.sources.address import FFMPEG_TIMEOUT, TIMEOUT_S, public_address
from framewire.sources.decoding import VideoDecoder
from framewire.sources.video import Video


def open_web_video(url: str, *, loop: bool = False) -> Video:
    """Opens a video by its web address.

    Args:
        url: `http://` or `https://`. What does not tell how long it is, is taken as live.
        loop: Whether to start over at the end, by asking the server again.

    Raises:
        ConfigurationError: The server refuses, or what it sends is no video.
        PeerError: The server cannot be reached.
    """
    decoder = VideoDecoder(
        url,
        name=public_address(url),
        remedy="check the address and the network",
        options={"timeout": FFMPEG_TIMEOUT},
        open_timeout_s=TIMEOUT_S,
    )
    return Video(decoder, is_live=not decoder.has_duration, may_block=True, loop=loop)
