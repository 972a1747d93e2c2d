"""One connection of a test camera: requests in, answers and media out."""

from __future__ import annotations

import base64
import re
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from camera_behaviour import Behaviour
from camera_clips import EncodedClip
from camera_login import challenge, is_let_in
from camera_stream import CameraStream
from rtp_packets import PAYLOAD_TYPES

_REASONS = {200: "OK", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 461: "Unsupported Transport"}
_NAMES = {"h264": "H264", "hevc": "H265", "mjpeg": "JPEG"}


@dataclass(frozen=True)
class Request:
    """A request; the names of headers are in lower case."""

    method: str
    uri: str
    headers: Mapping[str, str]


class CameraSession:
    """Talks with one client.

    Args:
        connection: To the client; the caller closes it.
        clip: What to send.
        behaviour: How.
        tunnels: The server's HTTP tunnels by their cookies.
    """

    def __init__(
        self,
        connection: socket.socket,
        clip: EncodedClip,
        behaviour: Behaviour,
        tunnels: dict[str, CameraSession],
    ) -> None:
        self._connection = connection
        self._clip = clip
        self._behaviour = behaviour
        self._tunnels = tunnels
        self._stop = threading.Event()
        self._writing = threading.Lock()
        self._buffer = b""
        self._is_mute = behaviour.silent_at == "connect"
        self._note: Callable[[Request], None] = lambda request: None
        self._feed = self._take_in
        self._base64 = b""
        self._partners: list[CameraSession] = []
        self._datagrams: list[tuple[socket.socket, tuple[str, int]]] = []
        self._channel = 0
        self._is_reset = False
        self._stream: CameraStream | None = None
        self._player: threading.Thread | None = None

    @property
    def frames_sent(self) -> int:
        return self._stream.frames_sent if self._stream else 0

    def serve(self, note: Callable[[Request], None]) -> None:
        """Answers until the client goes or the camera breaks off."""
        self._note = note
        try:
            while data := self._receive():
                self._feed(data)
        finally:
            self._stop.set()
            if self._player is not None:
                # It may wait for a client that does not read.
                if not self._is_reset:
                    self._hang_up()
                self._player.join(10)
            for own, _ in self._datagrams:
                own.close()
            for partner in self._partners:
                partner.abort()

    def abort(self) -> None:
        """Breaks the connection, from another thread."""
        self._stop.set()
        self._hang_up()

    def _receive(self) -> bytes:
        if not isinstance(self._connection, ssl.SSLSocket):
            return self._connection.recv(65_536)
        # One thread at a time may use TLS, and the player writes.
        while not self._stop.is_set():
            if select.select([self._connection], [], [], 0.02)[0]:
                with self._writing:
                    return self._connection.recv(65_536)
        return b""

    def _hang_up(self, *, is_reset: bool = False) -> None:
        try:
            if is_reset:
                # Closing sends a reset then; stopping to read wakes the thread that does, and sends nothing.
                self._is_reset = True
                self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                socket.socket.shutdown(self._connection, socket.SHUT_RD)
            else:
                socket.socket.shutdown(self._connection, socket.SHUT_RDWR)
        except OSError:
            return  # it is closed already

    def _take_in(self, data: bytes) -> None:
        if self._is_mute:
            return
        if self._behaviour.garbage is not None:
            self._write(self._behaviour.garbage)
            return
        self._buffer += data
        while self._buffer:
            if self._buffer[:1] == b"$":  # a report of the client
                length = 4 + int.from_bytes(self._buffer[2:4], "big")
                if len(self._buffer) < length:
                    return
                self._buffer = self._buffer[length:]
                continue
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            request = _request(head.decode())
            # The body of a tunnel's second half is the tunnel.
            length = 0 if request.method == "POST" else int(request.headers.get("content-length", 0))
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._note(request)
            if request.method == "POST":
                self._join(request, self._buffer)
                return
            self._answer(request)

    def _answer(self, request: Request) -> None:
        behaviour, method = self._behaviour, request.method
        if behaviour.silent_at == method:
            self._is_mute = True
        elif method in behaviour.status:
            self._reply(request, behaviour.status[method])
        elif method == "GET":
            self._tunnels[request.headers["x-sessioncookie"]] = self
            self._write(b"HTTP/1.0 200 OK\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n")
        elif method == "OPTIONS":
            self._reply(request, 200, {"Public": "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"})
        elif behaviour.login is not None and not is_let_in(
            request.headers.get("authorization", ""), method=method, scheme=behaviour.scheme, login=behaviour.login
        ):
            self._reply(request, 401, {"WWW-Authenticate": challenge(behaviour.scheme)})
        elif method == "DESCRIBE":
            body = behaviour.sdp if behaviour.sdp is not None else self._sdp()
            self._reply(request, 200, {"Content-Type": "application/sdp", "Content-Base": request.uri + "/"}, body)
        elif method == "SETUP":
            self._set_up(request)
        elif method == "PLAY":
            self._reply(request, 200, {"Session": "1", "Range": "npt=0.000-"})
            self._play()
        else:
            self._reply(request, 200, {"Session": "1"})

    def _set_up(self, request: Request) -> None:
        wanted = request.headers["transport"]
        if channels := re.search(r"interleaved=(\d+)-", wanted):
            self._channel = int(channels[1])
            self._reply(request, 200, {"Session": "1;timeout=60", "Transport": wanted})
            return
        ports = re.search(r"client_port=(\d+)-(\d+)", wanted)
        assert ports is not None, wanted
        for port in ports.groups():
            own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            own.bind(("127.0.0.1", 0))
            self._datagrams.append((own, ("127.0.0.1", int(port))))
        numbers = "-".join(str(own.getsockname()[1]) for own, _ in self._datagrams)
        self._reply(request, 200, {"Session": "1;timeout=60", "Transport": f"{wanted};server_port={numbers}"})

    def _play(self) -> None:
        stream = self._stream = CameraStream(self._clip, self._behaviour, self._send, self._stop)

        def play() -> None:
            try:
                stream.play()
            except OSError:
                return  # the client is gone
            if not self._stop.is_set():
                self._hang_up(is_reset=self._behaviour.then == "drop")

        self._player = threading.Thread(target=play, name="test camera plays", daemon=True)
        self._player.start()

    def _send(self, is_report: bool, packet: bytes) -> None:
        if self._datagrams:
            own, client = self._datagrams[is_report]
            own.sendto(packet, client)
        else:
            self._write(struct.pack("!cBH", b"$", self._channel + is_report, len(packet)) + packet)

    def _write(self, data: bytes) -> None:
        with self._writing:
            self._connection.sendall(data)

    def _reply(self, request: Request, status: int, headers: Mapping[str, str] | None = None, body: str = "") -> None:
        lines = [f"RTSP/1.0 {status} {_REASONS.get(status, 'Because')}", f"CSeq: {request.headers.get('cseq', 0)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body:
            lines.append(f"Content-Length: {len(body.encode())}")
        self._write("\r\n".join([*lines, "", body]).encode())

    def _sdp(self) -> str:
        clip = self._clip
        number = PAYLOAD_TYPES[clip.codec]
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=street", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"]
        lines += [f"m=video 0 RTP/AVP {number}", f"a=rtpmap:{number} {_NAMES[clip.codec]}/90000"]
        if clip.codec == "h264":
            fmtp = "packetization-mode=1"
            if self._behaviour.parameter_sets != "band":
                fmtp += ";sprop-parameter-sets=" + ",".join(_text(unit) for unit in clip.parameter_sets)
            lines.append(f"a=fmtp:{number} {fmtp}")
        elif clip.codec == "hevc" and self._behaviour.parameter_sets != "band":
            names = {32: "vps", 33: "sps", 34: "pps"}
            sets = [f"sprop-{names[unit[0] >> 1 & 0x3F]}={_text(unit)}" for unit in clip.parameter_sets]
            lines.append(f"a=fmtp:{number} " + "; ".join(sets))
        return "\r\n".join([*lines, "a=control:track1", ""])

    def _join(self, request: Request, begun: bytes) -> None:
        """From now on this connection brings what the client says in a tunnel."""
        tunnel = self._tunnels[request.headers["x-sessioncookie"]]
        tunnel._partners.append(self)
        self._feed = lambda data: self._through(tunnel, data)
        self._through(tunnel, begun)

    def _through(self, tunnel: CameraSession, data: bytes) -> None:
        self._base64 += re.sub(rb"\s", b"", data)
        # By fours: each request is encoded by itself, so there may be padding in the middle.
        whole = len(self._base64) // 4 * 4
        fours, self._base64 = self._base64[:whole], self._base64[whole:]
        plain = b"".join(base64.b64decode(fours[at : at + 4]) for at in range(0, whole, 4))
        if plain:
            tunnel._take_in(plain)


def _request(head: str) -> Request:
    first, *lines = head.split("\r\n")
    method, uri, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Request(method, uri, headers)


def _text(unit: bytes) -> str:
    return base64.b64encode(unit).decode("ascii")
