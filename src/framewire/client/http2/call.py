"""One gRPC call on an HTTP/2 connection of its own.

Only what a client of one bidirectional call needs, of RFC 9113 (sections stand beside what obeys them) and of gRPC over
HTTP/2. Header blocks are hpack's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from hpack import Decoder, Encoder
from hpack.exceptions import HPACKError

from framewire.client.http2 import status
from framewire.client.http2.frames import (
    DATA_HEAD,
    FIRST_WINDOW,
    HEAD,
    LEAST_FRAME_SIZE,
    MOST_FRAME_SIZE,
    MOST_WINDOW,
    PREFACE,
    PREFIX,
    SETTING,
    BrokenError,
    ErrorCode,
    Flag,
    Kind,
    Setting,
    content_of,
    frame,
    name_of,
    number_in,
    packed,
    too_large,
    unpacked,
)
from framewire.client.http2.status import Ending
from framewire.client.words import in_one_line

WINDOW_BYTES: Final = 1 << 20
"""How much the server may send ahead of who takes its messages."""

_STREAM: Final = 1

_MOST_HEADER_BYTES: Final = 1 << 16
"""Of one block of headers, packed or unpacked."""

_MOST_CHARACTERS: Final = 500
"""Of the server's words that are told on."""

_MOST_CONTROL_BYTES: Final = 1 << 16
"""Answers to pings and settings that the server has not read; who asks for more reads nothing."""

_DATA, _WINDOW_UPDATE = int(Kind.DATA), int(Kind.WINDOW_UPDATE)
_PADDED, _END_STREAM = int(Flag.PADDED), int(Flag.END_STREAM)


class Http2Call:
    """State of one call: what was sent, what has arrived, what is to be sent next, and whether it is over.

    Whoever owns the connection gives what arrives to :meth:`receive` and sends what :meth:`take` gives; every other
    method may have added to that. Messages are queued without a bound: who sends looks at :attr:`is_writable` first.

    Args:
        authority: Host and port, as in the address.
        path: ``/package.Service/Method``.
        metadata: Names, in lower case, and values of further headers.
        is_encrypted: Whether the connection is TLS.
        most_message_bytes: Largest message that is received.
    """

    def __init__(
        self,
        authority: str,
        path: str,
        metadata: Sequence[tuple[str, str]] = (),
        *,
        is_encrypted: bool = False,
        most_message_bytes: int = 4 << 20,
    ) -> None:
        self._headers = (
            (":method", "POST"),
            (":scheme", "https" if is_encrypted else "http"),
            (":path", path),
            (":authority", authority),
            ("te", "trailers"),
            ("grpc-accept-encoding", "identity, deflate, gzip"),
            ("content-type", "application/grpc"),
            ("user-agent", "framewire"),
            *metadata,
        )
        self._most_message_bytes = most_message_bytes
        self._out: list[bytes | memoryview] = []
        self._control_bytes = 0

        self._unsent: deque[memoryview] = deque()  # what the windows do not allow yet
        self._connection_window = self._stream_window = self._first_window = FIRST_WINDOW
        self._frame_size = LEAST_FRAME_SIZE
        self._is_finishing = self._is_finished = False

        self._decoder = Decoder(max_header_list_size=_MOST_HEADER_BYTES)
        self._unread = b""  # the beginning of a frame
        self._has_settings = self._has_headers = False
        self._block: bytearray | None = None  # headers that go on in the next frame
        self._is_last_block = False
        self._partial = bytearray()  # the beginning of a message
        self._untaken_bytes = self._owed_bytes = 0
        self._last_words = ""
        self.messages: deque[tuple[bytes, bool]] = deque()
        """What has arrived, and whether it is compressed; for :meth:`take_message`."""
        self.ending: Ending | None = None
        """How the call ended; None while it lasts. Messages that arrived before can still be taken."""

    @property
    def is_writable(self) -> bool:
        """Whether everything that was sent is what the server allows."""
        return not self._unsent

    def start(self) -> None:
        """Opens connection and call; messages may follow at once (section 3.4)."""
        settings = SETTING.pack(Setting.ENABLE_PUSH, 0) + SETTING.pack(Setting.INITIAL_WINDOW_SIZE, WINDOW_BYTES)
        self._out.append(PREFACE + frame(Kind.SETTINGS, payload=settings))
        self._out.append(frame(Kind.WINDOW_UPDATE, payload=packed(WINDOW_BYTES - FIRST_WINDOW)))
        block = Encoder().encode(self._headers)
        pieces = [block[at : at + LEAST_FRAME_SIZE] for at in range(0, len(block), LEAST_FRAME_SIZE)]
        for index, piece in enumerate(pieces):
            flags = Flag.END_HEADERS if index == len(pieces) - 1 else Flag.NONE
            self._out.append(frame(Kind.CONTINUATION if index else Kind.HEADERS, flags, _STREAM, piece))

    def send(self, message: bytes) -> None:
        """Sends a message as soon as the server allows it; without effect when the call is over."""
        if self.ending is not None:
            return
        length = len(message) + PREFIX.size
        if not self._unsent and length <= min(self._connection_window, self._stream_window, self._frame_size):
            self._connection_window -= length
            self._stream_window -= length
            self._out.append(DATA_HEAD.pack(length >> 8, length & 0xFF, _DATA, 0, _STREAM, 0, len(message)))
            self._out.append(message)
            return
        self._unsent.append(memoryview(PREFIX.pack(0, len(message))))
        if message:
            self._unsent.append(memoryview(message))
        self._send_allowed()

    def finish(self) -> None:
        """Says that no more messages come, once all are sent."""
        self._is_finishing = True
        self._send_allowed()

    def cancel(self) -> None:
        """Breaks the call off if it is not over, and takes leave of the connection."""
        if self.ending is None:
            self._out.append(frame(Kind.RST_STREAM, stream=_STREAM, payload=packed(ErrorCode.CANCEL)))
            self._end(Ending("CANCELLED", "the call was broken off"))
        self._out.append(frame(Kind.GOAWAY, payload=packed(0) + packed(ErrorCode.NO_ERROR)))

    def take(self) -> list[bytes | memoryview]:
        """What is to be sent now, in this order."""
        taken, self._out = self._out, []
        return taken

    def is_heard(self) -> None:
        """Tells that the server has read on: what waits for it is little."""
        self._control_bytes = 0

    def take_message(self) -> bytes | None:
        """The first of :attr:`messages`, which makes room for others; None when it cannot be unpacked."""
        message, is_compressed = self.messages.popleft()
        self._untaken_bytes -= len(message) + PREFIX.size
        if is_compressed:
            # Not before: a little that is packed may be very much.
            try:
                message = unpacked(message, self._most_message_bytes)
            except BrokenError as broken:
                self.messages.clear()
                self.ending = None  # what came behind it does not count
                self._give_up(broken)
                return None
        self._give_window()
        return message

    def receive(self, data: bytes) -> None:
        """Takes in what has arrived; :attr:`messages` and :attr:`ending` tell what it was."""
        if self.ending is not None:
            return
        if self._unread:
            data = self._unread + data
        position, size = 0, len(data)
        try:
            while size - position >= HEAD.size and self.ending is None:
                high, low, kind, flags, stream = HEAD.unpack_from(data, position)
                start = position + HEAD.size
                end = start + (high << 8 | low)
                if not self._has_settings and (kind != Kind.SETTINGS or flags or stream):  # section 3.4
                    self._end(status.of_strange_bytes(data))
                    break
                if end - start > LEAST_FRAME_SIZE:  # we allow no more
                    raise BrokenError(f"a frame of {end - start} bytes", ErrorCode.FRAME_SIZE_ERROR)
                if end > size:
                    break
                self._take_frame(kind, flags, stream & MOST_WINDOW, data[start:end])
                position = end
            self._give_window()
        except BrokenError as broken:
            self._give_up(broken)
        self._unread = data[position:]

    def connection_lost(self, words: str) -> None:
        """Tells that the connection is gone, and why."""
        if self._unread and not self._has_settings:
            self._end(status.of_strange_bytes(self._unread))
        self._end(Ending("UNAVAILABLE", self._last_words or words))

    def _take_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._block is not None and kind != Kind.CONTINUATION:
            raise BrokenError("headers that do not go on")  # section 6.10
        if kind == _WINDOW_UPDATE:
            self._take_window(stream, payload)
        elif kind == _DATA and stream == _STREAM:
            self._take_data(flags, payload)
        elif kind == Kind.PING:
            if len(payload) != 8:
                raise BrokenError(f"a ping of {len(payload)} bytes", ErrorCode.FRAME_SIZE_ERROR)
            if not flags & Flag.ACK:
                self._answer(frame(Kind.PING, Flag.ACK, payload=payload))
        elif kind == Kind.SETTINGS:
            self._take_settings(flags, payload)
        elif kind == Kind.HEADERS and stream == _STREAM:
            self._is_last_block = bool(flags & _END_STREAM)
            self._take_block(flags, content_of(payload, flags, may_have_priority=True))
        elif kind == Kind.CONTINUATION:
            if self._block is None or stream != _STREAM:
                raise BrokenError("headers that go on and never began")
            self._take_block(flags, payload)
        elif kind == Kind.RST_STREAM and stream == _STREAM:
            self._end(status.of_reset(number_in(payload)))
        elif kind == Kind.GOAWAY:
            self._take_goaway(payload)
        elif kind in (Kind.DATA, Kind.HEADERS, Kind.RST_STREAM, Kind.PUSH_PROMISE):
            raise BrokenError(f"a frame for stream {stream}, which nobody has opened")
        # What is left is ignored (sections 5.3.2 and 5.5).

    def _take_data(self, flags: int, payload: bytes) -> None:
        if not self._has_headers:
            raise BrokenError("a message before its headers")
        self._owed_bytes += len(payload)  # padding counts (section 6.9.1)
        if self._owed_bytes > WINDOW_BYTES:
            raise BrokenError("more than its window allows", ErrorCode.FLOW_CONTROL_ERROR)
        partial = self._partial
        partial += content_of(payload, flags) if flags & _PADDED else payload
        start = 0
        while len(partial) - start >= PREFIX.size:
            is_compressed, length = PREFIX.unpack_from(partial, start)
            if length > self._most_message_bytes:
                raise too_large(f"{length}", self._most_message_bytes)
            end = start + PREFIX.size + length
            if end > len(partial):
                break
            self.messages.append((bytes(memoryview(partial)[start + PREFIX.size : end]), bool(is_compressed)))
            self._untaken_bytes += end - start
            start = end
        del partial[:start]
        if flags & _END_STREAM:
            self._end(Ending("UNKNOWN", status.NO_STATUS))

    def _take_window(self, stream: int, payload: bytes) -> None:
        more = number_in(payload) & MOST_WINDOW
        if stream == 0:
            self._connection_window += more
        else:
            self._stream_window += more
        if not more or max(self._connection_window, self._stream_window) > MOST_WINDOW or stream > _STREAM:
            raise BrokenError("a window that cannot be", ErrorCode.FLOW_CONTROL_ERROR)  # section 6.9
        if self._unsent:
            self._send_allowed()

    def _take_settings(self, flags: int, payload: bytes) -> None:
        if len(payload) % SETTING.size or (flags & Flag.ACK and payload):
            raise BrokenError("settings of an odd length", ErrorCode.FRAME_SIZE_ERROR)
        if flags & Flag.ACK:
            return
        self._has_settings = True
        for name, value in SETTING.iter_unpack(payload):
            if name == Setting.INITIAL_WINDOW_SIZE:
                # The stream is open: its window changes by as much, and may be less than nothing (section 6.9.2).
                self._stream_window += value - self._first_window
                self._first_window = value
                if max(value, self._stream_window) > MOST_WINDOW:
                    raise BrokenError("a window that cannot be", ErrorCode.FLOW_CONTROL_ERROR)
            elif name == Setting.MAX_FRAME_SIZE:
                if not LEAST_FRAME_SIZE <= value <= MOST_FRAME_SIZE:
                    raise BrokenError(f"a setting of {value} for its largest frame")
                self._frame_size = value
        self._answer(frame(Kind.SETTINGS, Flag.ACK))
        self._send_allowed()

    def _take_goaway(self, payload: bytes) -> None:
        if len(payload) < 8:
            raise BrokenError("a goodbye that is cut off", ErrorCode.FRAME_SIZE_ERROR)
        words = payload[8:200].decode("utf-8", "replace") or name_of(number_in(payload[4:8]))
        self._last_words = f"it said goodbye: {words}"
        if number_in(payload[:4]) & MOST_WINDOW < _STREAM:  # else our call goes on (section 6.8)
            self._end(Ending("UNAVAILABLE", self._last_words))

    def _take_block(self, flags: int, piece: bytes) -> None:
        block = self._block = (self._block or bytearray()) + piece
        if len(block) > _MOST_HEADER_BYTES:
            raise BrokenError("headers without an end", ErrorCode.ENHANCE_YOUR_CALM)
        if not flags & Flag.END_HEADERS:
            return
        self._block = None
        try:
            pairs = [(bytes(one[0]), bytes(one[1])) for one in self._decoder.decode(bytes(block), raw=True)]
        except HPACKError:
            raise BrokenError("headers that cannot be read", ErrorCode.COMPRESSION_ERROR) from None
        headers = {name.decode("latin-1"): value.decode("utf-8", "replace") for name, value in pairs}
        is_first, is_last = not self._has_headers, self._is_last_block
        if is_first and not is_last and headers.get(":status", "").startswith("1"):
            return  # for information (section 8.1)
        self._has_headers = True
        strange = status.of_strange_headers(headers) if is_first else None
        if strange is not None and "grpc-status" not in headers:
            self._end(strange)
        elif is_last:
            self._end(status.of_trailers(headers))

    def _send_allowed(self) -> None:
        """Sends what the windows allow of what waits."""
        if self.ending is not None:
            return
        while self._unsent:
            piece = self._unsent[0]
            length = min(len(piece), self._connection_window, self._stream_window, self._frame_size)
            if length <= 0:
                return
            self._connection_window -= length
            self._stream_window -= length
            self._out.append(HEAD.pack(length >> 8, length & 0xFF, _DATA, 0, _STREAM))
            self._out.append(piece[:length])
            if length == len(piece):
                self._unsent.popleft()
            else:
                self._unsent[0] = piece[length:]
        if self._is_finishing and not self._is_finished:
            self._is_finished = True
            self._out.append(frame(Kind.DATA, Flag.END_STREAM, _STREAM))

    def _give_window(self) -> None:
        """Lets the server send more, as long as somebody takes what it sends."""
        owed = self._owed_bytes
        if owed < WINDOW_BYTES // 2 or self._untaken_bytes > WINDOW_BYTES or self.ending is not None:
            return
        self._owed_bytes = 0
        for stream in (0, _STREAM):
            self._out.append(frame(Kind.WINDOW_UPDATE, stream=stream, payload=packed(owed)))

    def _answer(self, answer: bytes) -> None:
        self._control_bytes += len(answer)
        if self._control_bytes > _MOST_CONTROL_BYTES:
            raise BrokenError("more pings than it reads answers", ErrorCode.ENHANCE_YOUR_CALM)
        self._out.append(answer)

    def _give_up(self, broken: BrokenError) -> None:
        self._out.append(frame(Kind.GOAWAY, payload=packed(0) + packed(broken.error)))
        self._end(Ending(broken.status, f"it sent {broken}"))

    def _end(self, ending: Ending) -> None:
        if self.ending is None:
            self.ending = Ending(ending.status, in_one_line(ending.details, _MOST_CHARACTERS))
            self._unsent.clear()
