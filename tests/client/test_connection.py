"""Connections over real sockets: to gRPC's own server, to strangers, and to servers that stop listening."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from certificates import Certificate, certificate_for

from framewire.client import Client, ClientOptions, Match, Result
from framewire.client.connection import Connection
from framewire.client.http2 import Ending
from framewire.errors import ClosedError, ConfigurationError, PeerError
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.message import Descriptor, GraphIdentifier, Message, Sample
from framewire.wire import METHOD, METHOD_PATH, SERVICE, encode

SMALL = VideoFormat(Encoding.RAW, 4, 2, PixelFormat.RGB24)

Behaviour = Callable[[Any], Awaitable[None]]


@asynccontextmanager
async def grpc_server(
    behaviour: Behaviour, address: str = "127.0.0.1:0", compression: grpc.Compression | None = None
) -> AsyncIterator[str]:
    async def process(_: Any, context: Any) -> None:
        await behaviour(context)

    options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
    server = grpc.aio.server(options=options, compression=compression)
    handler = grpc.stream_stream_rpc_method_handler(process)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield address if address.startswith("unix:") else address.replace(":0", f":{port}")
    finally:
        await server.stop(grace=None)


async def echoing(context: Any) -> None:
    while (data := await context.read()) is not grpc.aio.EOF:
        await context.write(data)


@pytest.mark.parametrize("place", ["127.0.0.1:0", "[::1]:0", "unix:/{}/a", "unix:///{}/a", "unix:{}/a"])
async def test_messages_of_every_size_come_back_from_every_kind_of_address(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    name = tmp_path.name if place == "unix:{}/a" else str(tmp_path).lstrip("/")
    messages = [bytes([size % 251]) * size for size in (0, 1, 16_379, 16_380, 65_530, 70_000, 3 << 20)]
    async with grpc_server(echoing, place.format(name)) as target:
        connection = await Connection.open(target, METHOD_PATH)
        for message in messages:
            assert await connection.write(message)
        connection.finish()
        assert [await connection.read() for _ in messages] == messages
        assert await connection.read() is None
        assert connection.ending == Ending("OK", "")
        await connection.close()


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_a_server_that_compresses_is_understood(compression: grpc.Compression) -> None:
    async with grpc_server(echoing, compression=compression) as target:
        connection = await Connection.open(target, METHOD_PATH)
        for message in (b"hello " * 1000, b"", bytes(100_000)):
            await connection.write(message)
            assert await connection.read() == message
        await connection.close()


async def test_a_name_with_an_address_where_nobody_listens_is_reached_by_another() -> None:
    async with grpc_server(echoing) as target:
        connection = await Connection.open(target.replace("127.0.0.1", "localhost"), METHOD_PATH)
        await connection.write(b"hello")
        assert await connection.read() == b"hello"
        await connection.close()


async def test_a_message_waits_for_a_server_that_does_not_read_and_arrives_whole() -> None:
    may_read = asyncio.Event()
    heard: list[bytes] = []

    async def waiting(context: Any) -> None:
        await may_read.wait()
        while (data := await context.read()) is not grpc.aio.EOF:
            heard.append(data)

    messages = [bytes([number]) * (8 << 20) for number in range(3)]
    async with grpc_server(waiting) as target:
        connection = await Connection.open(target, METHOD_PATH)
        first = asyncio.create_task(connection.write(messages[0]))
        await asyncio.sleep(0.2)  # as much leaves as may
        assert not first.done()
        first.cancel()
        second = asyncio.create_task(connection.write(messages[1]))
        third = asyncio.create_task(connection.write(messages[2]))
        await asyncio.sleep(0.1)  # nothing more leaves, which no event tells
        assert not third.done()
        may_read.set()
        assert await second
        assert await third
        connection.finish()
        assert await connection.read() is None
        await connection.close()
    assert heard == messages


async def test_a_frame_whose_sending_was_given_up_behind_another_is_sent_all_the_same() -> None:
    may_read = asyncio.Event()

    async def late(context: Any) -> None:
        await context.write(encode(Message(1, 1, Descriptor(GraphIdentifier("", "late", "reader")))))
        await may_read.wait()
        number = 1
        while (data := await context.read()) is not grpc.aio.EOF:
            if len(data) > 1 << 20:
                number += 1
                await context.write(encode(Message(number, number, Sample(0))))

    async with grpc_server(late) as target, asyncio.timeout(20), Client(target, SMALL) as client:
        for timestamp in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.send(bytes(24 << 20), timestamp)
        may_read.set()
        answers = aiter(client)
        assert [(await anext(answers)).sequence_number for _ in range(3)] == [2, 3, 4]
        assert client.in_flight == 0


def test_a_resolver_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the end of the process: it is a fake, as no resolver hangs when it is wanted."""
    is_over = threading.Event()

    def hang(*_: object, **__: object) -> None:
        is_over.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", hang)

    async def ask() -> None:
        async with Client("camera.local:5001", SMALL, ClientOptions(handshake_timeout_s=0.3)):
            pass

    with pytest.raises(PeerError, match=r"camera.local:5001 cannot be reached \(no answer within 0.3 s\)"):
        asyncio.run(ask())
    assert "framewire resolver" in [thread.name for thread in threading.enumerate()]  # it hangs still
    is_over.set()


async def test_leaving_a_server_that_does_not_read_takes_no_patience() -> None:
    async def deaf(context: Any) -> None:
        await asyncio.Event().wait()

    async with grpc_server(deaf) as target:
        connection = await Connection.open(target, METHOD_PATH)
        writing = asyncio.create_task(connection.write(bytes(64 << 20)))
        reading = asyncio.create_task(connection.read())
        await asyncio.sleep(0.2)  # as much leaves as may
        assert not writing.done()
        async with asyncio.timeout(5):
            await connection.close()
        assert await writing is False
        assert await reading is None


async def test_a_server_learns_at_once_that_a_call_is_broken_off() -> None:
    learnt = asyncio.Event()

    async def noting(context: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            learnt.set()

    async with grpc_server(noting) as target:
        connection = await Connection.open(target, METHOD_PATH)
        await connection.write(b"hello")
        await asyncio.sleep(0.1)  # the server's handler begins
        await connection.close()
        async with asyncio.timeout(5):
            await learnt.wait()


async def test_a_server_that_goes_in_the_middle_is_told_from_one_that_was_never_there() -> None:
    accepted = Message(1, 1, Descriptor(GraphIdentifier("", "short", "lived")))

    async def vanishing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        data = encode(accepted)
        headers = b"\x88" + b"\x0f\x10\x10application/grpc"
        writer.write(bytes(3) + b"\x04" + bytes(5))
        writer.write(len(headers).to_bytes(3, "big") + b"\x01\x04\x00\x00\x00\x01" + headers)
        message = b"\x00" + len(data).to_bytes(4, "big") + data
        writer.write(len(message).to_bytes(3, "big") + b"\x00\x00\x00\x00\x00\x01" + message)
        await writer.drain()
        await asyncio.sleep(0.2)  # the client is at work by then
        writer.close()

    server = await asyncio.start_server(vanishing, "127.0.0.1", 0)
    async with server:
        target = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Client(target, SMALL) as client:
            with pytest.raises(PeerError) as gone:
                await anext(aiter(client))
    assert gone.value.status == "UNAVAILABLE"
    assert str(gone.value).startswith(f"{target} ended the stream with UNAVAILABLE: ")


@contextlib.contextmanager
def stranger(answer: bytes, tls: ssl.SSLContext | None = None) -> Any:
    """Somebody who says one thing to each who comes and hangs up; gives the address."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                visitor, _ = listening.accept()
                with contextlib.suppress(OSError):
                    if tls is not None:
                        visitor = tls.wrap_socket(visitor, server_side=True)
                    visitor.recv(1000)
                    visitor.sendall(answer)
                    visitor.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


async def refusal(target: str, **options: Any) -> str:
    with pytest.raises(PeerError) as refused:
        async with Client(target, SMALL, ClientOptions(**options)):
            pass
    assert refused.value.status == "UNAVAILABLE"
    return str(refused.value).replace(target, "ADDRESS")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "(it does not speak gRPC); check the port"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "(it does not speak gRPC); check the port"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "(it wants TLS); take an endpoint with TLS"),
        (
            b"",
            "(it closed the connection at once); see whether just one side uses TLS, and what its log says",
        ),
    ],
)
async def test_strangers_are_told_apart(answer: bytes, said: str) -> None:
    with stranger(answer) as target:
        assert await refusal(target) == f"ADDRESS cannot be reached {said}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate_for(tmp_path_factory.mktemp("certificate") / "own", "DNS:localhost", "IP:127.0.0.1")


async def test_a_server_of_tls_is_known_by_its_alert(certificate: Certificate) -> None:
    with stranger(b"", certificate.context()) as target:
        said = await refusal(target)
    # Some send an alert, some hang up; of those that do both, the alert may be lost.
    assert said in (
        "ADDRESS cannot be reached (it wants TLS); take an endpoint with TLS",
        "ADDRESS cannot be reached (it closed the connection at once);"
        " see whether just one side uses TLS, and what its log says",
    )


async def test_a_server_without_tls_is_known_by_its_answer(certificate: Certificate) -> None:
    trusted = certificate.text.encode()
    async with grpc_server(echoing) as target:
        said = await refusal(target, is_encrypted=True, trusted_certificates=trusted)
    assert said == "ADDRESS cannot be reached (it does not speak TLS); check the port, or take an endpoint without TLS"


async def test_a_file_that_is_no_certificate_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ConfigurationError, match="a trusted certificate is not legal; allowed: PEM text"):
        async with Client("127.0.0.1:1", SMALL, ClientOptions(is_encrypted=True, trusted_certificates=b"\xff\x00")):
            pass


async def test_an_address_that_swallows_everything_is_given_up() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        target = f"127.0.0.1:{full.getsockname()[1]}"
        with contextlib.ExitStack() as crowd:
            for _ in range(4):  # the queue of those who wait is full
                one = crowd.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            await asyncio.sleep(0.1)  # the kernel tells nobody that its queue is full
            said = await refusal(target, handshake_timeout_s=0.5)
    assert said == (
        "ADDRESS cannot be reached (no answer within 0.5 s); check the address, and that the server is running"
    )


@pytest.mark.parametrize(
    "address",
    ["a..b:5001", ".example:5001", "x" * 64 + ".local:5001", "ab\udc80:5001", "unix:/tmp/\ud800"],
)
async def test_a_host_that_can_have_no_name_is_refused_in_one_line(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is none; allowed: a host that can have a name, or a path$"):
        async with Client(address, SMALL):
            pass


@asynccontextmanager
async def talking(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that accepts the session and the descriptor, and goes on as it is told, without HTTP/2 of its own."""
    accepted = encode(Message(1, 1, Descriptor(GraphIdentifier("", "by", "hand"))))
    headers = b"\x88" + b"\x0f\x10\x10application/grpc"
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"SM\r\n\r\n")
        writer.write(frame(4, 0, 0) + frame(1, 4, 1, headers) + frame(0, 0, 1, prefixed(accepted)))
        try:
            await talk(reader, writer)
            await done.wait()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        done.set()


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def prefixed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


async def test_a_server_that_has_hung_up_and_does_not_read_holds_nobody() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        window = (1 << 30).to_bytes(4, "big")
        writer.write(frame(8, 0, 0, window) + frame(8, 0, 1, window))
        await asyncio.sleep(0.3)  # the frame is on its way by then
        writer.write_eof()

    async with talking(hang_up) as target, asyncio.timeout(10), Client(target, SMALL) as client:
        sending = asyncio.create_task(client.send(bytes(64 << 20), 1))
        with pytest.raises(PeerError, match="ended the stream with UNAVAILABLE: it closed the connection"):
            await anext(aiter(client))
        with pytest.raises(PeerError, match="it closed the connection"):
            await sending


async def receive(client: Client, take: Callable[[Result], None], *, is_iterated: bool) -> None:
    """Takes the results in one of the two ways that there are."""
    if is_iterated:
        async for result in client:
            take(result)
    else:
        await client.deliver(take)


@pytest.mark.parametrize("is_iterated", [True, False])
@pytest.mark.parametrize("numbers", [(2,), (2, 3)])
async def test_who_sends_knows_the_number_before_an_answer_that_comes_early(
    numbers: tuple[int, ...], is_iterated: bool
) -> None:
    told: list[str] = []
    may_read, has_all = asyncio.Event(), asyncio.Event()

    async def answer_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        window = (1 << 30).to_bytes(4, "big")
        writer.write(frame(8, 0, 0, window) + frame(8, 0, 1, window))
        await reader.readexactly(1000)
        for number in numbers:
            writer.write(frame(0, 0, 1, prefixed(encode(Message(number, number, Sample(number))))))
        await may_read.wait()
        while len(await reader.read(1 << 20)):
            pass

    def take(result: Result) -> None:
        told.append(f"answer {result.sequence_number} {result.match.name}")
        if len(told) == 1 + len(numbers):
            has_all.set()

    async def send(client: Client) -> None:
        told.append(f"sent {await client.send(bytes(32 << 20), 1)}")

    async with talking(answer_early) as target, asyncio.timeout(20), Client(target, SMALL) as client:
        receiving = asyncio.create_task(receive(client, take, is_iterated=is_iterated))
        sending = asyncio.create_task(send(client))
        await asyncio.sleep(0.3)  # what is not to come has no event
        assert not told
        may_read.set()
        await sending
        await has_all.wait()
        receiving.cancel()
    assert told == ["sent 2", "answer 2 MATCHED", "answer 3 UNKNOWN"][: 1 + len(numbers)]


@pytest.mark.parametrize("is_iterated", [True, False])
async def test_an_answer_that_came_early_is_told_before_the_end(is_iterated: bool) -> None:
    told: list[str] = []

    async def answer_and_go(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        window = (1 << 30).to_bytes(4, "big")
        writer.write(frame(8, 0, 0, window) + frame(8, 0, 1, window))
        await reader.readexactly(1000)
        writer.write(frame(0, 0, 1, prefixed(encode(Message(2, 2, Sample(2))))))
        await asyncio.sleep(0.3)  # the answer is held by then
        writer.write_eof()

    def take(result: Result) -> None:
        told.append(result.match.name)

    async with talking(answer_and_go) as target, asyncio.timeout(20), Client(target, SMALL) as client:
        sending = asyncio.create_task(client.send(bytes(32 << 20), 1))
        with pytest.raises(PeerError, match="it closed the connection"):
            await receive(client, take, is_iterated=is_iterated)
        with pytest.raises(PeerError, match="it closed the connection"):
            await sending
    assert told == ["MATCHED"]


async def test_who_leaves_with_an_answer_that_came_early_is_not_held() -> None:
    async def answer_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1000)
        writer.write(frame(0, 0, 1, prefixed(encode(Message(2, 2, Sample(2))))))

    async with talking(answer_early) as target, asyncio.timeout(20):
        async with Client(target, SMALL) as client:
            receiving = asyncio.create_task(anext(aiter(client)))
            sending = asyncio.create_task(client.send(bytes(1 << 20), 1))
            await asyncio.sleep(0.3)
        with pytest.raises(ClosedError, match="the session is over"):
            await sending
        assert (await receiving).match is not Match.MATCHED  # it is counted as lost already


async def test_a_connection_that_ended_by_itself_is_closed_without_an_error() -> None:
    """The call is over while the system has not taken all; then it takes it, and the connection ends by itself."""

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        window = (1 << 30).to_bytes(4, "big")
        writer.write(frame(8, 0, 0, window) + frame(8, 0, 1, window))
        await reader.readexactly(100_000)
        writer.write(frame(3, 0, 1, (2).to_bytes(4, "big")))
        await asyncio.sleep(0.3)
        while await reader.read(1 << 20):
            pass

    async with talking(end) as target, asyncio.timeout(20):
        connection = await Connection.open(target, METHOD_PATH)
        await connection.read()
        await asyncio.sleep(0.1)
        connection.write_at_once(bytes(32 << 20))
        assert await connection.read() is None
        assert connection.ending is not None
        assert connection.ending.status == "INTERNAL"
        await asyncio.sleep(1.0)  # it goes while nobody looks
        await connection.close()


async def test_a_server_that_pings_and_reads_is_never_given_up_while_frames_pour_in() -> None:
    """However full our side of the connection is: 64 KiB of answers to pings are what may wait, not what was sent."""
    answered = 0

    async def ping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        window = ((1 << 31) - 1 - 65_535).to_bytes(4, "big")
        writer.write(frame(8, 0, 0, window) + frame(8, 0, 1, window))
        for _ in range(6_000):
            writer.write(frame(6, 0, 0, b"are you?") * 2)
            answered += (await reader.read(20_000)).count(b"are you?")

    async with talking(ping) as target, asyncio.timeout(60):
        connection = await Connection.open(target, METHOD_PATH)
        await connection.read()
        writing = asyncio.create_task(pour(connection))
        while answered < 8_000:
            assert connection.ending is None
            await asyncio.sleep(0.05)  # frames and pings pass meanwhile
        writing.cancel()
        await connection.close()


async def pour(connection: Connection) -> None:
    while await connection.write(bytes(1 << 20)):
        pass
