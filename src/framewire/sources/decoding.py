"""One video, opened with FFmpeg, read picture by picture.

What all videos have in common, be they files or streams; each kind of source says how to open and what an end means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import av
import av.error
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from framewire.errors import ConfigurationError, PeerError
from framewire.sources.guard import CloseGuard
from framewire.sources.source import RgbImage

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_TEXT_ART = frozenset({"tty", "bin", "xbin", "adf", "idf"})
"""FFmpeg paints text files as pictures; nobody who passes notes.txt means that."""

_USUAL_RATE = 25.0


class VideoDecoder:
    """The first video stream of a container, decoded to RGB.

    One thread reads; :meth:`close` may come from any.

    Args:
        address: Path or URL as FFmpeg takes it.
        name: What to call it in errors: without password.
        remedy: What to do when it cannot be opened.
        options: FFmpeg's options for the container and its protocol.
        open_timeout_s: How long a camera or a server may take to open; None for a file.

    Attributes:
        name: As given.
        size: (width, height) in pixels.
        frames_per_second: Nominal rate, None when the container does not tell.
        has_duration: Whether the container tells how long it is: a recording, not a camera.
        skipped: How often something could not be decoded so far.

    Raises:
        ConfigurationError: It cannot be opened, is no video or has no video stream.
        PeerError: The camera or the server cannot be reached.
    """

    def __init__(
        self,
        address: str,
        *,
        name: str,
        remedy: str,
        options: Mapping[str, str] | None = None,
        open_timeout_s: float | None = None,
    ) -> None:
        self.name = name
        self.skipped = 0
        self._address = address
        self._remedy = remedy
        self._options = dict(options or {})
        self._open_timeout_s = open_timeout_s
        # One for all frames: a frame that converts itself makes a scaler of many megabytes of its own (PyAV#2320).
        self._reformatter = VideoReformatter()
        self._decoded = 0
        self._container, self._stream = self._open()
        self._guard = CloseGuard(self._close_container)
        self.size = (self._stream.width, self._stream.height)
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.frames_per_second = float(rate) if rate else None
        self.has_duration = self._container.duration is not None

    @property
    def period_s(self) -> float:
        """Seconds from frame to frame, for frames that carry no time."""
        return 1.0 / (self.frames_per_second or _USUAL_RATE)

    def pictures(self) -> Iterator[tuple[RgbImage, float | None]]:
        """Decodes picture after picture, with the container's own time in seconds, to the end or the closing.

        Raises:
            ConfigurationError: The picture changes its size.
            PeerError: The connection to a camera or a server broke.
        """
        with self._guard.reading() as may_read:
            packets = self._container.demux(self._stream) if may_read else iter(())
        while True:
            with self._guard.reading() as may_read:
                packet = self._demux(packets) if may_read else None
                if packet is None:
                    return
                frames = self._decode(packet)
            for frame in frames:
                yield self._rgb(frame), frame.time

    def rewind(self) -> None:
        """Starts over, by opening again: that works for what cannot seek, too."""
        with self._guard.reading() as may_read:
            if may_read:
                self._container.close()
                self._container, self._stream = self._open()

    def close(self) -> None:
        """Ends the reading and gives the container back, at once or when the read in progress returns."""
        self._guard.close()

    def _close_container(self) -> None:
        self._container.close()

    def _open(self) -> tuple[InputContainer, VideoStream]:
        try:
            # No read timeout here: it takes the interpreter's lock at every poll (PyAV#1112). Sockets have FFmpeg's.
            container = av.open(self._address, options=self._options, timeout=(self._open_timeout_s, None))
        except av.error.ExitError:
            raise self._unreachable(f"no answer within {self._open_timeout_s:g} s") from None
        except (av.error.FFmpegError, ValueError) as error:
            # Without the original error: its text holds the address, and that may hold a password.
            if self._open_timeout_s is not None and isinstance(error, OSError | av.error.HTTPServerError):
                raise self._unreachable(_reason(error)) from None
            raise self._refusal(_reason(error)) from None
        try:
            return container, self._video_stream(container)
        except BaseException:
            container.close()
            raise

    def _refusal(self, reason: str) -> ConfigurationError:
        return ConfigurationError(f"{self.name} cannot be read as video ({reason})", remedy=self._remedy)

    def _unreachable(self, reason: str) -> PeerError:
        return PeerError(f"{self.name} cannot be reached ({reason})", status="UNAVAILABLE", remedy=self._remedy)

    def _video_stream(self, container: InputContainer) -> VideoStream:
        if _TEXT_ART & set(container.format.name.split(",")):
            raise self._refusal("it is text")
        streams = [stream for stream in container.streams.video if not _is_cover(stream)]
        if not streams:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
            raise ConfigurationError(f"{self.name} has no video stream, but {kinds}", remedy=self._remedy)
        stream = streams[0]
        if not stream.width or not stream.height:
            raise self._refusal("the size of its pictures is not to be found")
        # Measured: more threads make 360p slower, and with many cameras the cores are taken anyway.
        stream.thread_count = 1
        return stream

    def _demux(self, packets: Iterator[Packet[VideoStream]]) -> Packet[VideoStream] | None:
        """The next packet, None at the end. A torn recording ends like a whole one, where it is torn."""
        try:
            return next(packets, None)
        except av.error.EOFError:
            return None
        except av.error.InvalidDataError:
            self.skipped += 1
            return None
        except av.error.FFmpegError as error:
            raise PeerError(f"{self.name} went away ({_reason(error)})", status="UNAVAILABLE") from None

    def _decode(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        try:
            return packet.decode()
        except av.error.EOFError:
            return []
        except av.error.FFmpegError:
            self.skipped += 1
            return []

    def _rgb(self, frame: VideoFrame) -> RgbImage:
        if (frame.width, frame.height) != self.size:
            width, height = self.size
            raise ConfigurationError(
                f"{self.name} changes its size from {width}x{height} to {frame.width}x{frame.height}"
                f" at frame {self._decoded}",
                allowed="one size from start to end",
            )
        self._decoded += 1
        converted = self._reformatter.reformat(frame, format="rgb24", threads=1)
        plane = converted.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        pixels = rows[:, : plane.width * 3].reshape(plane.height, plane.width, 3)
        # An RGB video comes through as it is, and its memory may still be the decoder's.
        return pixels.copy() if converted is frame else np.ascontiguousarray(pixels)


def _is_cover(stream: VideoStream) -> bool:
    """Whether it is the picture on the sleeve of a piece of music."""
    return Disposition.attached_pic in Disposition(stream.disposition)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
