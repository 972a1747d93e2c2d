"""Connections with TLS: every size of message, first words that come early, leaving, and whose certificates count."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from certificates import Certificate, certificate_for

from framewire.client.connection import Connection
from framewire.client.trust import Trust
from framewire.errors import ConfigurationError
from framewire.wire import METHOD, METHOD_PATH, SERVICE


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate_for(tmp_path_factory.mktemp("certificate") / "own", "DNS:localhost", "IP:127.0.0.1")


def trusted(certificate: Certificate) -> ssl.SSLContext:
    return Trust((certificate.text,)).context()


@asynccontextmanager
async def echoing(certificate: Certificate) -> AsyncIterator[str]:
    async def process(_: Any, context: Any) -> None:
        while (data := await context.read()) is not grpc.aio.EOF:
            await context.write(data)

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)])
    handler = grpc.stream_stream_rpc_method_handler(process)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    pair = certificate.key.encode(), certificate.text.encode()
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=None)


@pytest.mark.parametrize("size", [1, 5_000, 16_384, 70_000, 3 << 20])
async def test_messages_of_every_size_come_back(size: int, certificate: Certificate) -> None:
    messages = [os.urandom(size) for _ in range(3)]
    async with echoing(certificate) as target:
        connection = await Connection.open(target, METHOD_PATH, tls=trusted(certificate), most_message_bytes=4 << 20)
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(write_all(connection, messages))
            for message in messages:
                assert await connection.read() == message
        await connection.close()


async def write_all(connection: Connection, messages: list[bytes]) -> None:
    for message in messages:
        assert await connection.write(message)


async def test_a_server_whose_first_words_come_with_the_handshake(certificate: Certificate) -> None:
    """TLS 1.2 lets them arrive before we have said anything; ours must still be the preface."""
    heard = bytearray()

    def serve() -> None:
        visitor, _ = listening.accept()
        context = certificate.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(inward, outward, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                visitor.sendall(outward.read())
                inward.write(visitor.recv(65_536))
        tls.write(bytes(3) + b"\x04" + bytes(5))  # its settings
        visitor.sendall(outward.read())
        while len(heard) < 24:
            try:
                heard.extend(tls.read(65_536))
            except ssl.SSLWantReadError:
                inward.write(visitor.recv(65_536))
        visitor.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        target = f"127.0.0.1:{listening.getsockname()[1]}"
        connection = await Connection.open(target, METHOD_PATH, tls=trusted(certificate))
        assert await connection.read() is None  # it hangs up
        await connection.close()
        await asyncio.to_thread(thread.join, 10)
    assert heard.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")


async def test_what_stands_between_certificates_is_left_out(certificate: Certificate) -> None:
    text = f"# Zürich, 2026\n{certificate.text}\nsubject=CN = Straße\n{certificate.text}"
    async with echoing(certificate) as target:
        connection = await Connection.open(target, METHOD_PATH, tls=Trust((text,)).context())
        await connection.write(b"hello")
        assert await connection.read() == b"hello"
        await connection.close()


@pytest.mark.parametrize("text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_text_without_a_certificate_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="a trusted certificate is not legal"):
        Trust((text,)).context()
