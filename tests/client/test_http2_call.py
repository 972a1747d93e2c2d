"""One gRPC call in HTTP/2, without a socket: against an implementation that we did not write, and bytes by hand."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.settings import SettingCodes
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from framewire.client.http2 import Ending, Http2Call

HEADERS = [(":status", "200"), ("content-type", "application/grpc")]
OK = [("grpc-status", "0")]


def call(**options: int) -> Http2Call:
    return Http2Call("camera.local:5001", "/service/Method", [("x-ms-authentication", "token")], **options)


def prefixed(message: bytes) -> bytes:
    return b"\x00" + struct.pack(">I", len(message)) + message


def wired(one: Http2Call) -> bytes:
    return b"".join(map(bytes, one.take()))


@dataclass
class Server:
    """A server of h2: what it heard, and what it still has to say within the windows of the client."""

    first_window: int = 65_535
    frame_size: int = 16_384
    request: dict[str, str] = field(default_factory=dict)
    heard: bytearray = field(default_factory=bytearray)
    has_heard_all: bool = False
    reset: int | None = None
    owed: int = 0
    unsaid: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.h2.update_settings(
            {SettingCodes.INITIAL_WINDOW_SIZE: self.first_window, SettingCodes.MAX_FRAME_SIZE: self.frame_size}
        )

    def receive(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            if isinstance(event, RequestReceived):
                self.request = dict(event.headers)
                self.h2.send_headers(1, HEADERS)
            elif isinstance(event, DataReceived):
                self.heard += event.data
                self.owed += event.flow_controlled_length
            elif isinstance(event, StreamEnded):
                self.has_heard_all = True
            elif isinstance(event, StreamReset):
                self.reset = event.error_code
            elif isinstance(event, WindowUpdated):
                self.say(b"")

    def allow(self) -> None:
        """Lets the client send as much again as it has."""
        if self.owed:
            self.h2.acknowledge_received_data(self.owed, 1)
            self.owed = 0

    def say(self, data: bytes, padding: int | None = None) -> None:
        self.unsaid += data
        while self.unsaid:
            length = min(len(self.unsaid), self.h2.local_flow_control_window(1) - 256, 16_000)
            if length <= 0:
                return
            self.h2.send_data(1, bytes(self.unsaid[:length]), pad_length=padding)
            del self.unsaid[:length]


def exchange(client: Http2Call, server: Server, cut: int = 1 << 30) -> None:
    """Carries bytes both ways until both are silent; what the client gets comes in pieces of at most `cut` bytes."""
    while True:
        there, back = wired(client), server.h2.data_to_send()
        if not there and not back:
            if not server.owed:
                return
            server.allow()
        if there:
            server.receive(there)
        for at in range(0, len(back), cut):
            client.receive(back[at : at + cut])


def test_the_request_is_a_grpc_call() -> None:
    client, server = call(), Server()
    client.start()
    exchange(client, server)
    assert server.request == {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/service/Method",
        ":authority": "camera.local:5001",
        "te": "trailers",
        "grpc-accept-encoding": "identity, deflate, gzip",
        "content-type": "application/grpc",
        "user-agent": "framewire",
        "x-ms-authentication": "token",
    }


def test_metadata_that_fills_several_frames_arrives() -> None:
    client, server = Http2Call("a:1", "/s/M", [("x-long", "~" * 30_000)]), Server()
    client.start()
    exchange(client, server)
    assert server.request["x-long"] == "~" * 30_000


sizes = st.one_of(st.integers(0, 40), st.integers(16_370, 16_400), st.sampled_from([65_530, 65_535, 200_000]))


@settings(deadline=None)
@given(
    sent=st.lists(sizes, max_size=6),
    answered=st.lists(sizes, max_size=6),
    # First window and largest frame.
    allowed=st.tuples(st.sampled_from([1, 100, 65_535, 1 << 20]), st.sampled_from([16_384, 100_000, (1 << 24) - 1])),
    cut=st.sampled_from([1, 7, 4096, 1 << 20]),
    padding=st.sampled_from([None, 0, 200]),
)
def test_messages_arrive_whole_and_in_order_both_ways(
    sent: list[int], answered: list[int], allowed: tuple[int, int], cut: int, padding: int | None
) -> None:
    if cut < 4096:
        answered = [size % 500 for size in answered]
    if allowed[0] < 65_535:
        sent = [size % 500 for size in sent]
    client, server = call(), Server(*allowed)
    client.start()
    ours = [bytes([index]) * size for index, size in enumerate(sent)]
    theirs = [bytes([255 - index]) * size for index, size in enumerate(answered)]
    for message in ours[:3]:
        client.send(message)
    exchange(client, server, cut)
    for message in ours[3:]:
        client.send(message)
    for message in theirs:
        server.say(prefixed(message), padding)
    client.finish()
    taken = []
    for _ in range(20):
        exchange(client, server, cut)
        while client.messages:
            taken.append(client.take_message())
    assert bytes(server.heard) == b"".join(map(prefixed, ours))
    assert server.has_heard_all
    assert client.is_writable
    assert taken == theirs
    assert client.ending is None
    server.h2.send_headers(1, [("grpc-status", "5"), ("grpc-message", "no %E2%82%AC here")], end_stream=True)
    exchange(client, server, cut)
    assert client.ending == Ending("NOT_FOUND", "no € here")


def test_what_the_windows_do_not_allow_waits() -> None:
    client, server = call(), Server(first_window=1000)
    client.start()
    exchange(client, server)
    client.send(bytes(995))
    assert client.is_writable
    client.send(b"more")
    assert not client.is_writable
    client.finish()
    server.receive(wired(client))
    assert (len(server.heard), server.has_heard_all) == (1000, False)
    server.allow()
    exchange(client, server)
    assert client.is_writable
    assert (bytes(server.heard[1000:]), server.has_heard_all) == (prefixed(b"more"), True)


def test_a_server_that_is_not_taken_from_has_to_wait() -> None:
    """Of the window of 1 MiB it may use all; more it gets as messages are taken."""
    client, server = call(), Server()
    client.start()
    exchange(client, server)
    for _ in range(64):
        server.say(prefixed(bytes(65_536)))
    exchange(client, server)
    waiting = len(client.messages)
    assert 16 <= waiting <= 33  # at most what is held and a window
    assert server.unsaid
    taken = 0
    while client.messages:
        assert client.take_message() == bytes(65_536)
        taken += 1
        exchange(client, server)
    assert taken == 64
    assert not server.unsaid


def test_a_message_larger_than_the_window_arrives() -> None:
    client, server = call(), Server()
    client.start()
    exchange(client, server)
    server.say(prefixed(bytes(3 << 20)))
    exchange(client, server)
    assert client.take_message() == bytes(3 << 20)


def test_a_call_that_is_broken_off_is_reset() -> None:
    client, server = call(), Server()
    client.start()
    exchange(client, server)
    client.send(b"frame")
    client.cancel()
    exchange(client, server)
    assert server.reset == 8  # CANCEL
    assert client.ending == Ending("CANCELLED", "the call was broken off")


def frame(kind: int, flags: int = 0, stream: int = 1, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def block(*headers: tuple[str, str]) -> bytes:
    return Encoder().encode(headers)


def number(value: int) -> bytes:
    return struct.pack(">I", value)


SETTINGS = frame(4, stream=0)
ACCEPTED = SETTINGS + frame(1, 4, payload=block(*HEADERS))


def goaway(last: int, code: int, words: bytes = b"") -> bytes:
    return frame(7, stream=0, payload=number(last) + number(code) + words)


@pytest.mark.parametrize(
    ("data", "status", "details"),
    [
        (SETTINGS + frame(1, 5, payload=block(*HEADERS, ("grpc-status", "0"))), "OK", ""),
        (
            SETTINGS + frame(1, 5, payload=block(*HEADERS, ("grpc-status", "16"), ("grpc-message", "who?"))),
            "UNAUTHENTICATED",
            "who?",
        ),
        (ACCEPTED + frame(1, 5, payload=block(("grpc-status", "99"))), "UNKNOWN", ""),
        (
            ACCEPTED + frame(1, 5, payload=block(("grpc-status", "13"), ("grpc-message", "line%0Atwo %1B[2J"))),
            "INTERNAL",
            "line two [2J",
        ),
        (ACCEPTED + frame(1, 5, payload=block(("grpc-status", "13"), ("grpc-message", "€"))), "INTERNAL", "€"),
        (
            ACCEPTED + frame(1, 5, payload=block(("grpc-status", "13"), ("grpc-message", "x" * 900))),
            "INTERNAL",
            "x" * 500 + "...",
        ),
        (SETTINGS + frame(1, 5, payload=block(HEADERS[0], ("content-type", "Application/GRPC"), *OK)), "OK", ""),
        (ACCEPTED + frame(1, 5, payload=block(("grpc-status", "²"))), "UNKNOWN", ""),
        (ACCEPTED + frame(1, 5, payload=block(("x", "y"))), "UNKNOWN", "it ended the stream without a status"),
        (ACCEPTED + frame(0, 1), "UNKNOWN", "it ended the stream without a status"),
        (
            SETTINGS + frame(1, 4, payload=block((":status", "404"))),
            "UNIMPLEMENTED",
            "it answered with HTTP status 404",
        ),
        (SETTINGS + frame(1, 4, payload=block((":status", "503"))), "UNAVAILABLE", "it answered with HTTP status 503"),
        (SETTINGS + frame(1, 4, payload=block((":status", "418"))), "UNKNOWN", "it answered with HTTP status 418"),
        (SETTINGS + frame(1, 4, payload=block(("a", "b"))), "UNKNOWN", "it answered with HTTP status none"),
        (
            SETTINGS + frame(1, 4, payload=block((":status", "200"), ("content-type", "text/html"))),
            "UNKNOWN",
            "it answered with content type text/html, not application/grpc",
        ),
        (ACCEPTED + frame(3, payload=number(7)), "UNAVAILABLE", "it reset the stream: REFUSED_STREAM"),
        (ACCEPTED + frame(3, payload=number(8)), "CANCELLED", "it reset the stream: CANCEL"),
        (ACCEPTED + frame(3, payload=number(11)), "RESOURCE_EXHAUSTED", "it reset the stream: ENHANCE_YOUR_CALM"),
        (ACCEPTED + frame(3, payload=number(0)), "INTERNAL", "it reset the stream: NO_ERROR"),
        (ACCEPTED + frame(3, payload=number(77)), "INTERNAL", "it reset the stream: error 77"),
        (SETTINGS + goaway(0, 0, b"restarting"), "UNAVAILABLE", "it said goodbye: restarting"),
        (SETTINGS + goaway(0, 11), "UNAVAILABLE", "it said goodbye: ENHANCE_YOUR_CALM"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "UNAVAILABLE", "it speaks HTTP/1 and not gRPC"),
        (b"\x15\x03\x01\x00\x02\x02\x46" + bytes(9), "UNAVAILABLE", "it wants TLS"),
        (b"220 mail.local ESMTP\r\n", "UNAVAILABLE", "it does not speak gRPC"),
    ],
)
def test_how_a_call_ends(data: bytes, status: str, details: str) -> None:
    client = call()
    client.start()
    client.receive(data)
    assert client.ending == Ending(status, details)


@pytest.mark.parametrize("data", [b"HTTP/1.1", b"\x15\x03\x01\x00\x02"])
def test_a_stranger_who_says_little_and_hangs_up_is_known_all_the_same(data: bytes) -> None:
    client = call()
    client.start()
    client.receive(data)
    assert client.ending is None
    client.connection_lost("it closed the connection")
    assert client.ending is not None
    assert client.ending.details in ("it speaks HTTP/1 and not gRPC", "it wants TLS")


PROTOCOL, FLOW, SIZE, COMPRESSION, CALM = 1, 3, 6, 9, 11


@pytest.mark.parametrize(
    ("data", "said", "code"),
    [
        (SETTINGS + frame(0, payload=prefixed(b"x")), "a message before its headers", PROTOCOL),
        (ACCEPTED + frame(0, payload=b"\x00\x00\x00\x04\x01"), "a message of 1025 bytes; allowed: up to 1024", CALM),
        (ACCEPTED + frame(0, 8, payload=b"\x05abc"), "a frame with more padding than content", PROTOCOL),
        (ACCEPTED + frame(0, 8), "a frame with more padding than content", PROTOCOL),
        (ACCEPTED + b"\x00\x40\x01\x00\x00\x00\x00\x00\x01", "a frame of 16385 bytes", SIZE),
        (ACCEPTED + frame(0, 0, 3, b"x"), "a frame for stream 3, which nobody has opened", PROTOCOL),
        (ACCEPTED + frame(5, 4, 1, number(2)), "a frame for stream 1, which nobody has opened", PROTOCOL),
        (ACCEPTED + frame(8, payload=number(0)), "a window that cannot be", FLOW),
        (ACCEPTED + frame(8, payload=number((1 << 31) - 1)), "a window that cannot be", FLOW),
        (ACCEPTED + frame(8, payload=b"\x00\x00\x01"), "a number of 3 bytes", SIZE),
        (ACCEPTED + frame(6, stream=0, payload=b"1234567"), "a ping of 7 bytes", SIZE),
        (SETTINGS + frame(4, stream=0, payload=b"\x00\x04\xff\xff\xff\xff"), "a window that cannot be", FLOW),
        (
            SETTINGS + frame(4, stream=0, payload=b"\x00\x05\x00\x00\x00\x01"),
            "a setting of 1 for its largest frame",
            PROTOCOL,
        ),
        (SETTINGS + frame(4, stream=0, payload=b"\x00\x05\x00"), "settings of an odd length", SIZE),
        (SETTINGS + frame(4, 1, 0, b"\x00\x05\x00\x01\x00\x00"), "settings of an odd length", SIZE),
        (SETTINGS + frame(7, stream=0, payload=b"1234567"), "a goodbye that is cut off", SIZE),
        (SETTINGS + frame(1, 4, payload=b"\xff\xff\xff\xff\xff\xff"), "headers that cannot be read", COMPRESSION),
        (SETTINGS + frame(1, 0, payload=b"\x00") + SETTINGS, "headers that do not go on", PROTOCOL),
        (SETTINGS + frame(9, 4, payload=b"\x00"), "headers that go on and never began", PROTOCOL),
        (SETTINGS + frame(1, 0) + frame(9, 0, payload=bytes(16_384)) * 5, "headers without an end", CALM),
        (ACCEPTED + frame(6, stream=0, payload=bytes(8)) * 4000, "more pings than it reads answers", CALM),
        (
            SETTINGS + frame(1, 4, payload=block(*[("name", "value" * 100)] * 200)),
            "headers that cannot be read",
            COMPRESSION,
        ),
    ],
)
def test_a_server_that_breaks_http2_is_told_so_and_left(data: bytes, said: str, code: int) -> None:
    client = call(most_message_bytes=1024)
    client.start()
    wired(client)
    client.receive(data)
    assert client.ending is not None
    assert client.ending.details == f"it sent {said}"
    assert client.ending.status == ("RESOURCE_EXHAUSTED" if "a message of" in said else "INTERNAL")
    assert wired(client).endswith(goaway(0, code))
    client.receive(ACCEPTED)  # nothing that comes later counts
    client.send(b"frame")
    assert not client.take()


def test_more_than_the_window_allows_is_not_kept() -> None:
    client = call()
    client.start()
    client.receive(ACCEPTED)
    for _ in range(90):
        client.receive(frame(0, payload=bytes(16_000)))
        assert client.ending is None
    for _ in range(30):
        client.receive(frame(0, payload=bytes(16_000)))
    assert client.ending == Ending("INTERNAL", "it sent more than its window allows")


@pytest.mark.parametrize(
    "data",
    [
        frame(2, payload=bytes(5)),  # a priority
        frame(0xB, payload=b"something new"),
        frame(4, stream=0, payload=b"\x12\x34\x00\x00\x00\x01"),  # a setting that nobody knows
        frame(6, 1, 0, bytes(8)),  # an answer to a ping that was not sent
        goaway(1, 0, b"soon"),
        frame(1, 4, payload=block((":status", "103"), ("link", "<x>"))),
    ],
)
def test_what_does_not_concern_us_changes_nothing(data: bytes) -> None:
    client = call()
    client.start()
    client.receive(SETTINGS + data)
    client.receive(frame(1, 4, payload=block(*HEADERS)) + frame(0, payload=prefixed(b"answer")))
    client.receive(frame(1, 5, payload=block(*OK)))
    assert client.take_message() == b"answer"
    assert client.ending == Ending("OK", "")


def test_a_goodbye_in_the_middle_tells_why_the_connection_ended() -> None:
    client = call()
    client.start()
    client.receive(ACCEPTED + goaway(1, 0, b"max_age"))
    assert client.ending is None
    client.connection_lost("Connection reset by peer")
    assert client.ending == Ending("UNAVAILABLE", "it said goodbye: max_age")


def test_pings_are_answered() -> None:
    client = call()
    client.start()
    client.receive(ACCEPTED)
    wired(client)
    client.receive(frame(6, stream=0, payload=b"12345678"))
    assert wired(client) == frame(6, 1, 0, b"12345678")


def test_as_many_pings_as_are_read_are_answered() -> None:
    client = call()
    client.start()
    client.receive(ACCEPTED)
    for _ in range(5000):
        client.receive(frame(6, stream=0, payload=bytes(8)))
        client.is_heard()
    assert client.ending is None


@pytest.mark.parametrize(
    "packed", [gzip.compress(b"answer", mtime=0), zlib.compress(b"answer")], ids=["gzip", "deflate"]
)
def test_compressed_messages_are_read(packed: bytes) -> None:
    client = call()
    client.start()
    client.receive(ACCEPTED + frame(0, payload=b"\x01" + prefixed(packed)[1:] + prefixed(b"plain")))
    assert [client.take_message(), client.take_message()] == [b"answer", b"plain"]


@pytest.mark.parametrize(
    ("packed", "said", "code"),
    [
        (b"oops", "a compressed message that cannot be unpacked", PROTOCOL),
        (zlib.compress(b"answer")[:-3], "a compressed message that is cut off", PROTOCOL),
        (zlib.compress(bytes(100_000)), "a message of more than 1024 bytes; allowed: up to 1024", CALM),
    ],
)
def test_compressed_messages_that_cannot_be_are_told_when_they_are_taken(packed: bytes, said: str, code: int) -> None:
    client = call(most_message_bytes=1024)
    client.start()
    ending = frame(1, 5, payload=block(*OK))
    client.receive(ACCEPTED + frame(0, payload=prefixed(b"good") + b"\x01" + prefixed(packed)[1:]) + ending)
    wired(client)
    assert client.take_message() == b"good"
    assert client.take_message() is None
    assert client.ending is not None
    assert client.ending.details == f"it sent {said}"
    assert wired(client).endswith(goaway(0, code))


def test_headers_with_padding_and_priority_are_read() -> None:
    client = call()
    client.start()
    payload = b"\x03" + bytes(5) + block(*HEADERS) + bytes(3)
    client.receive(
        SETTINGS + frame(1, 4 | 8 | 0x20, payload=payload) + frame(0, 8, payload=b"\x02" + prefixed(b"x") + bytes(2))
    )
    assert client.take_message() == b"x"


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 255), st.integers(0, 3), st.binary(max_size=40)), max_size=12)
)
def test_no_bytes_make_it_raise(frames: Sequence[tuple[int, int, int, bytes]]) -> None:
    client = call()
    client.start()
    client.receive(SETTINGS)
    for kind, flags, stream, payload in frames:
        client.receive(frame(kind, flags, stream, payload))
        client.send(b"frame")
        client.take()
    client.connection_lost("gone")
    assert client.ending is not None
