"""A session of a one-shot source: the synthetic scene, a folder of images, a camera at this machine."""

from __future__ import annotations

from collections.abc import Sequence

from framewire.capture.clock import TICKS_PER_S
from framewire.capture.faults import SessionError, fault_of
from framewire.capture.pictures import RgbPicture
from framewire.capture.reader import Session, Shot
from framewire.capture.sdp import describe
from framewire.capture.statistics import Counters
from framewire.errors import FramewireError
from framewire.sources import Source


class SourceReader:
    """Reads a source, one picture at a time.

    Args:
        source: It then belongs to this reader.
        counters: Counts what comes in; pictures that were never encoded bring no bytes.
    """

    def __init__(self, source: Source, counters: Counters) -> None:
        self._source = source
        self._counters = counters
        self._frames = iter(source)
        self._skipped = 0
        self.session = Session(
            sdp=describe("rawvideo", source.size), is_live=source.is_live, frames_per_second=source.frames_per_second
        )

    def read(self) -> Sequence[Shot] | None:
        """Reads one picture; see :class:`Reader`."""
        try:
            frame = next(self._frames, None)
        except FramewireError as error:
            raise SessionError(fault_of(error)) from None
        self._counters.add(undecodable=self._source.skipped - self._skipped)
        self._skipped = self._source.skipped
        if frame is None:
            return None
        return (Shot(RgbPicture(frame.image), round(frame.time_s * TICKS_PER_S), frame.truth),)

    def interrupt(self) -> None:
        """Closes the source, as any thread may."""
        self._source.close()

    def close(self) -> None:
        """Closes the source."""
        self._source.close()
