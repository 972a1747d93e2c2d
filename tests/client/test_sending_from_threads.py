"""``Client.send_at_once`` from other threads than the loop's: order, losses, and a loop that need not be awake."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import uvloop
from certificates import Certificate, certificate_for

from framewire.client import Client, ClientOptions, Match, Result
from framewire.client.connection import Connection
from framewire.client.trust import Trust
from framewire.errors import PeerError
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.message import Descriptor, GraphIdentifier, Message, Sample
from framewire.wire import METHOD, METHOD_PATH, SERVICE, decode, encode

SMALL = VideoFormat(Encoding.RAW, 4, 2, PixelFormat.RGB24)
PATIENCE_S = 20.0
FRAME_HEAD = struct.Struct("!HBBBI")
"""Of HTTP/2: length (upper 16 and lower 8 bits), kind, flags, stream."""

STREAM_WINDOW = FRAME_HEAD.pack(0, 6, 4, 0, 0) + struct.pack("!HI", 4, (1 << 31) - 1)
NO_LIMITS = STREAM_WINDOW + FRAME_HEAD.pack(0, 4, 8, 0, 0) + struct.pack("!I", (1 << 31) - 65_536)
"""A server's first words: the largest windows that there are."""

Answers = Iterator[bytes]


def frame(timestamp: int) -> bytes:
    return timestamp.to_bytes(8, "big") * 3


class Server:
    """gRPC's own, on threads: it answers while our event loop does not run.

    Args:
        most: Frames after which it ends the call with an error.
    """

    def __init__(self, most: int = sys.maxsize) -> None:
        self.heard: list[Message] = []
        self.has_heard_five = threading.Event()
        self.has_heard_twenty = threading.Event()
        self._most = most

    def process(self, requests: Iterator[bytes], context: Any) -> Answers:
        yield encode(Message(1, decode(next(requests)).sequence_number, Descriptor(GraphIdentifier("", "a", "server"))))
        for data in requests:
            message = decode(data)
            self.heard.append(message)
            if len(self.heard) == 5:
                self.has_heard_five.set()
            if len(self.heard) == 20:
                self.has_heard_twenty.set()
            if len(self.heard) > self._most:
                context.abort(grpc.StatusCode.INTERNAL, "enough")
            assert isinstance(message.payload, Sample)
            yield encode(Message(len(self.heard) + 1, message.sequence_number, Sample(message.payload.timestamp)))


@contextmanager
def serving(
    process: Callable[[Iterator[bytes], Any], Answers], certificate: Certificate | None = None
) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    handler = grpc.stream_stream_rpc_method_handler(process)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    if certificate is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        pair = certificate.key.encode(), certificate.text.encode()
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()


def send_from_a_thread(client: Client, timestamps: range, over: threading.Event | None = None) -> int:
    """Sends frames in their order, each again until it leaves; says how many left before it was `over`."""
    deadline_s = time.monotonic() + PATIENCE_S
    for done, timestamp in enumerate(timestamps):
        while client.send_at_once(frame(timestamp), timestamp) is None:
            if over is not None and over.is_set():
                return done
            assert time.monotonic() < deadline_s
            time.sleep(0.0005)
    return len(timestamps)


async def test_the_loop_need_not_be_awake() -> None:
    server = Server()
    found: list[Result] = []
    with serving(server.process) as address:
        async with Client(address, SMALL, ClientOptions(in_flight=8)) as client, asyncio.timeout(PATIENCE_S):
            delivery = asyncio.create_task(client.deliver(found.append))
            thread = threading.Thread(target=send_from_a_thread, args=(client, range(5)))
            thread.start()
            assert server.has_heard_five.wait(PATIENCE_S)  # in the loop's own thread
            thread.join()
            assert not found
            await client.finish()
            await delivery
    assert [message.payload.timestamp for message in server.heard if isinstance(message.payload, Sample)] == [*range(5)]
    assert [(result.sequence_number, result.sent_timestamp) for result in found] == [(n + 2, n) for n in range(5)]


@pytest.mark.parametrize("way", ["embedded", "memory", "encrypted", "uvloop"])
def test_threads_and_a_task_send_side_by_side(way: str, tmp_path: Path) -> None:
    server = Server()
    found: list[Result] = []
    spans = range(10_000, 10_300), range(20_000, 20_300), range(30_000, 30_150)

    async def send() -> Client:
        options = ClientOptions(
            in_flight=8,
            shared_memory_bytes=4096 if way == "memory" else 0,
            is_encrypted=certificate is not None,
            trusted_certificates=certificate.text.encode() if certificate else None,
        )
        async with Client(address, SMALL, options) as client, asyncio.timeout(PATIENCE_S):
            delivery = asyncio.create_task(client.deliver(found.append))
            threads = [asyncio.create_task(asyncio.to_thread(send_from_a_thread, client, span)) for span in spans[:2]]
            for timestamp in spans[2]:
                await client.send(frame(timestamp), timestamp)
            assert await asyncio.gather(*threads) == [300, 300]
            await client.finish()
            await delivery
        return client

    certificate = certificate_for(tmp_path / "own", "IP:127.0.0.1") if way == "encrypted" else None
    with serving(server.process, certificate) as address:
        client = uvloop.run(send()) if way == "uvloop" else asyncio.run(send())
    assert (client.sent, client.lost) == (750, 0)
    assert [message.sequence_number for message in server.heard] == [*range(2, 752)]
    samples = [message.payload for message in server.heard if isinstance(message.payload, Sample)]
    for span in spans:
        assert [sample.timestamp for sample in samples if sample.timestamp in span] == [*span]
    if way != "memory":
        assert [bytes(sample.content) for sample in samples if isinstance(sample.content, memoryview | bytes)] == [
            frame(sample.timestamp) for sample in samples
        ]
    assert [result.sequence_number for result in found] == [*range(2, 752)]
    assert {result.match for result in found} == {Match.MATCHED}
    assert [result.sent_timestamp for result in found] == [sample.timestamp for sample in samples]


@pytest.mark.parametrize("is_encrypted", [False, True])
async def test_messages_of_every_size_come_back(is_encrypted: bool, tmp_path: Path) -> None:
    certificate = certificate_for(tmp_path / "own", "IP:127.0.0.1")
    messages = [os.urandom(size) for size in (1, 70_000, 0, 16_384, 3 << 20, 20)]

    def echo(requests: Iterator[bytes], _: Any) -> Answers:
        yield from requests

    def write(connection: Connection) -> None:
        for message in messages:
            connection.write_at_once(message)

    with serving(echo, certificate if is_encrypted else None) as target:
        tls = Trust((certificate.text,)).context() if is_encrypted else None
        connection = await Connection.open(target, METHOD_PATH, tls=tls)
        async with asyncio.timeout(PATIENCE_S):
            writing = asyncio.create_task(asyncio.to_thread(write, connection))
            assert [await connection.read() for _ in messages] == messages
            await writing
        await connection.close()


async def test_what_the_system_has_no_room_for_follows_in_its_order() -> None:
    """The other end lets us send without a bound, and does not read until it is told to."""
    may_read = threading.Event()
    received = bytearray()

    def read(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        with peer:
            peer.sendall(NO_LIMITS)
            assert may_read.wait(PATIENCE_S)
            while data := peer.recv(1 << 20):
                received.extend(data)

    messages = [bytes([number]) * 70_001 for number in range(200)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reading = asyncio.create_task(asyncio.to_thread(read, listener))
        connection = await Connection.open(f"127.0.0.1:{listener.getsockname()[1]}", METHOD_PATH)
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.sleep(0.2)  # its windows arrive

            written: list[bytes] = []

            def write() -> None:
                while connection.is_writable:
                    written.append(messages[len(written)])
                    connection.write_at_once(written[-1])

            thread = threading.Thread(target=write)
            thread.start()
            thread.join()  # in the loop's own thread, which takes nothing over meanwhile
            assert 0 < len(written) < len(messages)  # the system has taken what it takes
            for message in messages[len(written) : len(written) + 3]:  # also what nobody should have sent
                await asyncio.to_thread(connection.write_at_once, message)
            may_read.set()
            assert await connection.until_writable()
            for message in messages[len(written) + 3 :]:
                await asyncio.to_thread(connection.write_at_once, message)
            assert await connection.until_writable()
            connection.finish()
            await connection.close()
            await reading
    assert messages_in(bytes(received)) == messages


async def test_who_waits_until_all_is_written_is_told_although_threads_write_too() -> None:
    over = threading.Event()

    def read(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        with peer:
            peer.sendall(NO_LIMITS)
            while peer.recv(1 << 20):
                pass

    def write(connection: Connection) -> None:
        while not over.is_set():
            connection.write_at_once(bytes(100))

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            reading = asyncio.create_task(asyncio.to_thread(read, listener))
            connection = await Connection.open(f"127.0.0.1:{listener.getsockname()[1]}", METHOD_PATH)
            async with asyncio.timeout(PATIENCE_S):
                writing = asyncio.create_task(asyncio.to_thread(write, connection))
                try:
                    for _ in range(200):
                        assert await connection.until_writable()
                        await asyncio.sleep(0)  # the loop selects, and the thread goes on meanwhile
                finally:
                    over.set()
                await writing
            await connection.close()
            await reading
    finally:
        sys.setswitchinterval(interval_s)


def messages_in(data: bytes) -> list[bytes]:
    """Those of stream 1, read frame by frame."""
    position, body = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), bytearray()
    while position < len(data):
        high, low, kind, _, stream = FRAME_HEAD.unpack_from(data, position)
        start = position + FRAME_HEAD.size
        position = start + (high << 8 | low)
        if (kind, stream) == (0, 1):
            body += data[start:position]
    found, position = [], 0
    while position < len(body):
        _, length = struct.unpack_from("!BI", body, position)
        found.append(bytes(body[position + 5 : position + 5 + length]))
        position += 5 + length
    return found


def descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


async def test_a_server_that_breaks_while_a_thread_sends() -> None:
    server = Server(most=50)
    over = threading.Event()
    found: list[Result] = []
    with serving(server.process) as address:
        before = descriptors()
        async with Client(address, SMALL, ClientOptions(in_flight=8)) as client, asyncio.timeout(PATIENCE_S):
            sending = asyncio.create_task(asyncio.to_thread(send_from_a_thread, client, range(1000), over))
            with pytest.raises(PeerError, match="ended the stream with INTERNAL: enough"):
                await client.deliver(found.append)
            over.set()
            left = await sending
        deadline_s = time.monotonic() + PATIENCE_S
        while descriptors() > before:  # the server lets go of its own a moment later
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.01)
    assert [result.sent_timestamp for result in found] == [*range(50)]
    assert 50 < left <= 58
    assert client.lost == left - 50


@pytest.mark.parametrize("memory_bytes", [0, 4096])
async def test_whoever_leaves_while_a_thread_sends_is_not_waited_for(memory_bytes: int) -> None:
    for _ in range(10):
        server = Server()
        over = threading.Event()
        options = ClientOptions(in_flight=8, shared_memory_bytes=memory_bytes)
        with serving(server.process) as address:
            async with Client(address, SMALL, options) as client, asyncio.timeout(PATIENCE_S):
                delivery = asyncio.create_task(client.deliver(lambda _: None))
                sending = asyncio.create_task(asyncio.to_thread(send_from_a_thread, client, range(100_000), over))
                assert await asyncio.to_thread(server.has_heard_twenty.wait, PATIENCE_S)
                delivery.cancel()
            assert client.send_at_once(frame(0), 0) is None
            over.set()
            left = await sending
        assert left == client.sent
        assert 0 <= client.lost <= 8
