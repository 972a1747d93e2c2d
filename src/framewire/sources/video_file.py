"""A video in a file, or on a web server."""

from __future__ import annotations

from collections.abc import Iterator

from framewire.sources.decoding import VideoDecoder
from framewire.sources.source import Source, SourceFrame
from framewire.sources.timeline import Timeline


class VideoFile(Source):
    """Frames of a recording, as fast as they are taken.

    A torn recording gives what can be decoded of it. Rotation that the file asks for is not applied.

    Args:
        path: Path of the file.
        loop: Whether to start over at the end.

    Raises:
        ConfigurationError: It is no video that can be read.
    """

    def __init__(self, path: str, *, loop: bool = False) -> None:
        self._decoder = VideoDecoder(path, name=path)
        self.size = self._decoder.size
        self.frames_per_second = self._decoder.frames_per_second
        self._frames = self._read(loop=loop)

    @property
    def skipped(self) -> int:  # type: ignore[override]
        """How many pieces of the file could not be decoded so far."""
        return self._decoder.skipped

    def __iter__(self) -> Iterator[SourceFrame]:
        return self._frames

    def close(self) -> None:
        """Gives the file back."""
        self._decoder.close()

    def _read(self, *, loop: bool) -> Iterator[SourceFrame]:
        timeline = Timeline(self._decoder.period_s)
        index = 0
        while True:
            first = index
            for image, time_s in self._decoder.pictures():
                yield SourceFrame(image, timeline.place(time_s), index)
                index += 1
            # A file without a single good frame would be read for ever.
            if not loop or index == first:
                return
            self._decoder.rewind()
