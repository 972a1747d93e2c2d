"""A camera that speaks RTSP."""

from __future__ import annotations

from framewire.sources.address import FFMPEG_TIMEOUT, TIMEOUT_S, public_address
from framewire.sources.decoding import VideoDecoder
from framewire.sources.video import Video


def open_rtsp(url: str) -> Video:
    """Opens a camera. It ends when the camera says so.

    Video comes over the RTSP connection itself (TCP): no packet is lost and no firewall is in the way.

    Args:
        url: `rtsp://` or `rtsps://`, with `user:password@` where the camera wants it.

    Raises:
        ConfigurationError: The camera refuses, or has no video.
        PeerError: The camera cannot be reached.
    """
    decoder = VideoDecoder(
        url,
        name=public_address(url),
        remedy="check address, network, user and password",
        options={"rtsp_transport": "tcp", "timeout": FFMPEG_TIMEOUT},
        open_timeout_s=TIMEOUT_S,
    )
    return Video(decoder, is_live=True, may_block=True)
