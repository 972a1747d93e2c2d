"""The synthetic scene as a video file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from framewire.errors import ConfigurationError
from framewire.sources.scene import Scene
from framewire.sources.source import Truth


def write_clip(path: Path, scene: Scene) -> tuple[Truth, ...]:
    """Writes a scene as H.264 in MP4.

    Compression is lossy, but no verdict changes: the scene keeps away from the threshold between light and dark.

    Args:
        path: The file to write; its folder exists.
        scene: What to write; its width and height are even, as 4:2:0 sampling wants.

    Returns:
        The truth of each frame, in their order.

    Raises:
        ConfigurationError: The width or the height is odd.
    """
    width, height = scene.size
    if width % 2 or height % 2:
        raise ConfigurationError(f"a clip cannot be {width}x{height}", allowed="even numbers of pixels")
    truths: list[Truth] = []
    # The index goes to the front, so that a web server without byte ranges can serve the file too.
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        rate = Fraction(scene.frames_per_second).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(scene.frames):
            image, truth = scene.render(index)
            truths.append(truth)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return tuple(truths)
