"""One video, opened with FFmpeg, read picture by picture.

What all videos have in common, be they files or streams; each kind of source says how to open and what an end means.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import av
import av.error
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from framewire.errors import ConfigurationError, PeerError
from framewire.sources.source import RgbImage

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_TEXT_ART = frozenset({"tty", "bin", "xbin", "adf", "idf"})
"""FFmpeg paints text files as pictures; nobody who passes notes.txt means that."""

_DEFAULT_RATE = 25.0


class VideoDecoder:
    """The first video stream of a container, decoded to RGB on one thread.

    One thread reads; :meth:`close` may come from any. FFmpeg must not be torn down while it works, so a close in the
    middle of a read leaves the tearing down to the reader.

    Args:
        address: Path or URL as FFmpeg takes it.
        name: What to call it in errors: no password in it.
        options: FFmpeg's options for the container and its protocol.
        open_timeout_s: How long opening may take; None for ever.

    Attributes:
        size: (width, height) in pixels.
        frames_per_second: Nominal rate, None when the container does not tell.
        has_duration: Whether the container tells how long it is: a recording, not a camera.
        skipped: Packets that could not be decoded.

    Raises:
        ConfigurationError: It cannot be opened, is no video or has no video stream.
    """

    def __init__(
        self,
        address: str,
        *,
        name: str,
        options: Mapping[str, str] | None = None,
        open_timeout_s: float | None = None,
    ) -> None:
        self.name = name
        self.skipped = 0
        self._address = address
        self._options = dict(options or {})
        self._open_timeout_s = open_timeout_s
        # The scaler's state is large and made anew by each frame that converts itself (PyAV#2320).
        self._reformatter = VideoReformatter()
        self._guard = threading.Lock()
        self._reading = False
        self._closed = False
        self._passed = 0
        self._container, self._stream = self._open()
        self.size = (self._stream.codec_context.width, self._stream.codec_context.height)
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.frames_per_second = float(rate) if rate else None
        self.has_duration = self._container.duration is not None

    @property
    def period_s(self) -> float:
        """Seconds from frame to frame, for frames that carry no time."""
        return 1.0 / (self.frames_per_second or _DEFAULT_RATE)

    def pictures(self) -> Iterator[tuple[RgbImage, float | None]]:
        """Decodes picture after picture, with the container's own time in seconds, to the end or the closing.

        Raises:
            ConfigurationError: The picture changes its size.
            PeerError: The connection to a camera or a server broke.
        """
        packets = self._container.demux(self._stream)
        while self._enter():
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                frames = self._decode(packet)
            except av.error.FFmpegError as error:
                self._judge(error)
                return
            finally:
                self._leave()
            for frame in frames:
                yield self._rgb(frame), frame.time

    def rewind(self) -> None:
        """Starts over. Opening again works for what cannot seek, too."""
        if not self._enter():
            return
        try:
            self._container.close()
            self._container, self._stream = self._open()
        finally:
            self._leave()

    def close(self) -> None:
        """Ends the reading and gives the container back, at once or when the read in progress returns."""
        with self._guard:
            self._closed = True
            if not self._reading:
                self._container.close()

    def _enter(self) -> bool:
        with self._guard:
            self._reading = not self._closed
            return self._reading

    def _leave(self) -> None:
        with self._guard:
            self._reading = False
            if self._closed:
                self._container.close()

    def _open(self) -> tuple[InputContainer, VideoStream]:
        try:
            # No read timeout here: it takes the interpreter's lock at every poll (PyAV#1112). Sockets have FFmpeg's.
            container = av.open(self._address, options=self._options, timeout=(self._open_timeout_s, None))
        except (av.error.FFmpegError, ValueError) as error:
            # The original text holds the address, and that may hold a password.
            raise self._refusal(error) from None
        try:
            return container, self._video_stream(container)
        except BaseException:
            container.close()
            raise

    def _refusal(self, error: Exception) -> ConfigurationError:
        reason = getattr(error, "strerror", None) or type(error).__name__
        return ConfigurationError(
            f"{self.name} is no video that can be read ({reason})", allowed="any container and codec of FFmpeg"
        )

    def _video_stream(self, container: InputContainer) -> VideoStream:
        if _TEXT_ART & set(container.format.name.split(",")):
            raise ConfigurationError(
                f"{self.name} is text, not video", allowed="any container and codec of FFmpeg, or an image"
            )
        streams = [stream for stream in container.streams.video if not _is_cover(stream)]
        if not streams or not streams[0].codec_context.width:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
            raise ConfigurationError(f"{self.name} has no video stream", allowed=f"a video; it holds: {kinds}")
        stream = streams[0]
        # With many cameras, one thread each is faster than each waking them all; so is it for small frames.
        stream.thread_count = 1
        return stream

    def _decode(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        try:
            return packet.decode()
        except av.error.InvalidDataError:
            self.skipped += 1
            return []

    def _rgb(self, frame: VideoFrame) -> RgbImage:
        if (frame.width, frame.height) != self.size:
            width, height = self.size
            raise ConfigurationError(
                f"{self.name} changes its size from {width}x{height} to {frame.width}x{frame.height}"
                f" at frame {self._passed}",
                allowed="one size from start to end",
            )
        self._passed += 1
        converted = self._reformatter.reformat(frame, format="rgb24", threads=1)
        plane = converted.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        pixels = rows[:, : plane.width * 3].reshape(plane.height, plane.width, 3)
        # An RGB video is handed through as it is, and its memory may still be the decoder's.
        return pixels.copy() if converted is frame else np.ascontiguousarray(pixels)

    def _judge(self, error: av.error.FFmpegError) -> None:
        """Tells the end of a torn recording, which is an end like any other, from a connection that broke."""
        if isinstance(error, (av.error.EOFError, av.error.InvalidDataError)):
            self.skipped += isinstance(error, av.error.InvalidDataError)
            return
        reason = error.strerror or type(error).__name__
        raise PeerError(f"{self.name} went away ({reason})", status="UNAVAILABLE") from None


def _is_cover(stream: VideoStream) -> bool:
    """Whether it is the picture on the sleeve of a piece of music."""
    return Disposition.attached_pic in stream.disposition
