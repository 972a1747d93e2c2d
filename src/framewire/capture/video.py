"""A session of FFmpeg: a camera, a web video or a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import av
import av.error
from av.stream import Disposition

from framewire.capture.clock import TICKS_PER_S
from framewire.capture.connections import Connections
from framewire.capture.faults import NO_VIDEO, UNKNOWN_CODEC, SessionError, fault_of, no_answer
from framewire.capture.pictures import Converter, DecodedPicture
from framewire.capture.reader import Session, Shot
from framewire.capture.sdp import describe
from framewire.capture.statistics import Counters

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_TEXT_ART = frozenset({"tty", "bin", "xbin", "adf", "idf"})
"""FFmpeg paints text as pictures; nobody who passes a web page means that."""

_WITHOUT_TIMES = frozenset({"mpjpeg", "mjpeg", "jpeg_pipe", "h264", "hevc"})
"""Formats that FFmpeg counts at a fixed rate: right for a recording, wrong for a camera, whose rate nobody knows."""

MOST_PIXELS = 40_000_000
"""More than 7680x4320. A header of a few bytes can announce a picture of gigabytes, and a decoder keeps many."""

_MOST_PER_SECOND = 1000.0
"""FFmpeg guesses tens of thousands where it has no idea."""


class VideoReader:
    """The first video stream of a camera or a recording.

    Args:
        address: Path or URL as FFmpeg takes it, with user and password.
        options: FFmpeg's, for the container and its protocol.
        is_live: Whether it has no end of its own; None for whatever does not tell how long it is.
        open_timeout_s: How long a camera or a server may take to open; None for a file.
        converter: The scalers of the capture.
        counters: Counts what comes in.

    Raises:
        SessionError: It cannot be opened, or there is no video in it.
    """

    def __init__(
        self,
        address: str,
        *,
        options: Mapping[str, str],
        is_live: bool | None,
        open_timeout_s: float | None,
        converter: Converter,
        counters: Counters,
    ) -> None:
        self._converter = converter
        self._counters = counters
        self._connections = Connections(address)
        with self._connections.opening():
            self._container = _open(address, options, open_timeout_s)
        try:
            stream = _video_stream(self._container)
            # A camera may tell a length as well, and a recording may not.
            self.session = _session(stream, self._container.duration is None if is_live is None else is_live)
            self._packets = self._container.demux(stream)
        except BaseException:
            self._container.close()
            raise
        self._has_times = not (self.session.is_live and self._container.format.name in _WITHOUT_TIMES)

    def read(self) -> Sequence[Shot] | None:
        """Reads one packet and decodes it; see :class:`Reader`."""
        try:
            packet = next(self._packets, None)
        except av.error.EOFError:
            return None
        except av.error.FFmpegError as error:
            if isinstance(error, av.error.InvalidDataError) and not self.session.is_live:
                # A torn recording ends like a whole one, where it is torn.
                self._counters.add(undecodable=1)
                return None
            raise SessionError(fault_of(error)) from None
        if packet is None:
            return None
        size = packet.size
        try:
            frames: list[VideoFrame] = packet.decode()
        except av.error.EOFError:
            frames = []
        except av.error.FFmpegError:
            self._counters.add(received_bytes=size, undecodable=1)
            return ()
        self._counters.add(received_bytes=size, damaged=sum(frame.is_corrupt for frame in frames))
        return [Shot(DecodedPicture(frame, self._converter), self._ticks(frame)) for frame in frames]

    def interrupt(self) -> None:
        """Breaks the connections; see :class:`Reader`."""
        self._connections.sever()

    def close(self) -> None:
        """Gives the connection back."""
        self._packets.close()  # type: ignore[attr-defined]  # it is a generator, and holds a packet
        self._container.close()

    def _ticks(self, frame: VideoFrame) -> int | None:
        pts, base = frame.pts, frame.time_base
        if pts is None or base is None or not self._has_times:
            return None
        return pts * base.numerator * TICKS_PER_S // base.denominator


def _open(address: str, options: Mapping[str, str], open_timeout_s: float | None) -> InputContainer:
    try:
        # No read timeout here: it takes the interpreter's lock at every poll (PyAV#1112). Sockets have FFmpeg's.
        return av.open(address, options={**options, **_decoder_options()}, timeout=(open_timeout_s, None))
    except av.error.ExitError:
        raise SessionError(no_answer(open_timeout_s or 0.0)) from None
    except (av.error.FFmpegError, ValueError) as error:
        # Without the original error: its text holds the address, and that may hold a password.
        raise SessionError(fault_of(error)) from None


def _video_stream(container: InputContainer) -> VideoStream:
    if _TEXT_ART & set(container.format.name.split(",")):
        raise SessionError(fault_of(ValueError()))
    streams = [stream for stream in container.streams.video if not _is_cover(stream)]
    if not streams:
        raise SessionError(NO_VIDEO)
    stream = streams[0]
    if stream.codec_context is None:
        raise SessionError(UNKNOWN_CODEC)
    # Measured: more threads make 360p slower, and with many cameras the cores are taken anyway.
    stream.thread_count = 1
    stream.codec_context.options = _decoder_options()
    return stream


def _decoder_options() -> dict[str, str]:
    # Given twice: FFmpeg decodes some pictures by itself, to find out what the stream is.
    return {"max_pixels": str(MOST_PIXELS)}


def _session(stream: VideoStream, is_live: bool) -> Session:
    context = stream.codec_context
    rate = stream.average_rate or stream.guessed_rate
    frames_per_second = float(rate) if rate and 0 < rate <= _MOST_PER_SECOND else None
    sdp = describe(context.name, (context.width, context.height), bytes(context.extradata or b""))
    return Session(sdp=sdp, is_live=is_live, frames_per_second=frames_per_second)


def _is_cover(stream: VideoStream) -> bool:
    """Whether it is the picture on the sleeve of a piece of music."""
    return Disposition.attached_pic in Disposition(stream.disposition)
