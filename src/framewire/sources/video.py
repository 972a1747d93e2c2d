"""A video as a source, wherever it comes from."""

from __future__ import annotations

from collections.abc import Iterator

from framewire.errors import ConfigurationError
from framewire.sources.decoding import VideoDecoder
from framewire.sources.relay import Relay
from framewire.sources.source import Source, SourceFrame
from framewire.sources.timeline import Timeline


class Video(Source):
    """Frames of a video.

    A torn recording gives what can be decoded of it. Rotation that a file asks for is not applied.

    Args:
        decoder: The opened video, which then belongs to this source.
        is_live: Whether it is a camera.
        may_block: Whether a read can block for long, as from a network: then a thread of its own reads.
        loop: Whether to start over at the end.
    """

    def __init__(
        self, decoder: VideoDecoder, *, is_live: bool = False, may_block: bool = False, loop: bool = False
    ) -> None:
        self.size = decoder.size
        self.is_live = is_live
        self.frames_per_second = decoder.frames_per_second
        self._decoder = decoder
        self._is_closed = False
        frames = self._read(loop=loop)
        self._relay = Relay(frames, name=f"framewire source {decoder.name}") if may_block else None
        self._frames: Iterator[SourceFrame] = self._relay or frames

    @property
    def skipped(self) -> int:
        """How often something could not be decoded so far."""
        return self._decoder.skipped

    def __iter__(self) -> Iterator[SourceFrame]:
        return self._frames

    def close(self) -> None:
        """Ends the reading and gives the video back, at the latest when the read in progress times out."""
        self._is_closed = True
        if self._relay is not None:
            self._relay.close()
        self._decoder.close()

    def _read(self, *, loop: bool) -> Iterator[SourceFrame]:
        timeline = Timeline(self._decoder.period_s)
        index = 0
        while True:
            first = index
            for image, time_s in self._decoder.pictures():
                yield SourceFrame(image, timeline.place(time_s), index)
                index += 1
            if self._is_closed:
                return
            if index == first:
                raise ConfigurationError(
                    f"{self._decoder.name} holds no picture that can be decoded", remedy="see whether it is complete"
                )
            if not loop:
                return
            self._decoder.rewind()
