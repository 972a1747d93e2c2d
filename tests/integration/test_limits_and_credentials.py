"""Who may come in: session limit, credentials, and a server that is shutting down."""

from __future__ import annotations

import asyncio
import base64
import logging

import grpc
import pytest
from attacked_server import attacked, neighbour, running
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from toy_processors import Gate, gated, label, telling, toy
from wire_camera import PATIENCE_S, TAKES_LITTLE, Ending, camera, connection, eventually

from framewire.server import Server
from framewire.wire import SERVICE


async def test_one_session_more_than_the_limit_is_refused_at_once() -> None:
    async with attacked(max_sessions=3) as server, camera(server.address) as second, camera(server.address) as third:
        await second.handshake()
        await third.handshake()
        async with camera(server.address) as refused:
            await refused.introduce()
            assert await refused.ending() == Ending(
                "RESOURCE_EXHAUSTED",
                "3 sessions are open, as many as this server takes; "
                "close one, or start the server with a larger --max-sessions",
            )
        await third.finish()
        async with camera(server.address) as next_one:
            await next_one.handshake()
            await next_one.answer(await next_one.frame())


def basic(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


CREDENTIALS = {"camera": "s3cr:et", "other": ""}


@pytest.mark.parametrize(
    "value",
    [basic("camera:s3cr:et"), "basic " + basic("camera:s3cr:et")[6:], " " + basic("camera:s3cr:et"), basic("other:")],
    ids=["right", "lower case scheme", "blank before", "another user"],
)
async def test_right_credentials_are_let_in(value: str) -> None:
    metadata = [("x-ms-authentication", value)]
    async with running(credentials=CREDENTIALS) as server, camera(server.address, metadata=metadata) as client:
        await client.handshake()
        await client.answer(await client.frame())


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [("x-ms-authentication", "")],
        [("x-ms-authentication", basic("camera:wrong"))],
        [("x-ms-authentication", basic("camera"))],
        [("x-ms-authentication", basic("nobody:s3cr:et"))],
        [("x-ms-authentication", basic("other:s3cr:et"))],
        [("x-ms-authentication", basic("camera:s3cr:et")[:-4])],
        [("x-ms-authentication", basic("camera:s3cr:et").removeprefix("Basic "))],
        [("x-ms-authentication", "Basic !!!!")],
        [("x-ms-authentication", "Basic " + "A" * 5_000)],
        [("x-ms-authentication", basic(b"\xff\xfe:\x00"))],
        [("x-ms-authentication", "Bearer camera:s3cr:et")],
        [("x-ms-authentication", "camera:s3cr:et")],
        [("authorization", basic("camera:s3cr:et"))],
    ],
    ids=[
        "missing",
        "empty",
        "wrong password",
        "no password",
        "wrong user",
        "another user's password",
        "cut off",
        "no scheme",
        "not base64",
        "long",
        "not UTF-8",
        "another scheme",
        "plain",
        "another key",
    ],
)
async def test_anything_else_is_unauthenticated(metadata: list[tuple[str, str]]) -> None:
    async with (
        running(credentials=CREDENTIALS) as server,
        neighbour(server, user="camera", password="s3cr:et"),
        camera(server.address, metadata=metadata) as attacker,
    ):
        await attacker.introduce()
        assert await attacker.ending() == Ending(
            "UNAUTHENTICATED", "x-ms-authentication does not hold the credentials of this server"
        )


@pytest.mark.parametrize("value", ["", basic("dummyUserName:dummyPassword"), "Basic !!!!", "anything"])
async def test_without_configured_credentials_any_pass(value: str) -> None:
    metadata = [("x-ms-authentication", value)] if value else []
    async with running() as server, camera(server.address, metadata=metadata) as client:
        await client.handshake()


async def test_credentials_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="framewire")
    metadata = [("x-ms-authentication", basic("camera:wr0ng"))]
    async with running(credentials=CREDENTIALS) as server, camera(server.address, metadata=metadata) as attacker:
        await attacker.introduce()
        assert (await attacker.ending()).code == "UNAUTHENTICATED"
    assert not any(secret in caplog.text for secret in ("s3cr:et", "wr0ng", basic("camera:wr0ng")))


async def test_draining_answers_the_frames_in_flight_and_takes_no_new_session() -> None:
    gate = Gate()
    async with running(gated(gate)) as server, camera(server.address) as busy, camera(server.address) as idle:
        await busy.handshake()
        await idle.handshake()
        numbers = [await busy.frame(bytes([value]) * 24) for value in range(3)]
        await eventually(lambda: server.frames_in_flight == 3)
        draining = asyncio.create_task(server.drain())
        # A session without frames in flight ends at once.
        assert await idle.ending() == Ending("UNAVAILABLE", "the server is shutting down; connect again")
        async with camera(server.address) as late:
            await late.introduce()
            assert await late.ending() == Ending("UNAVAILABLE", "the server is shutting down; connect again")
        assert not draining.done()
        gate.open()
        assert await draining
        assert await busy.ending() == Ending("UNAVAILABLE", "the server is shutting down; connect again")
        assert sorted(busy.acknowledged) == numbers


async def test_draining_gives_up_on_a_processor_that_hangs() -> None:
    gate = Gate()
    async with running(gated(gate), drain_timeout_s=0.1) as server, camera(server.address) as client:
        await client.handshake()
        await client.frame()
        assert await asyncio.to_thread(gate.entered.wait, PATIENCE_S)
        assert not await server.drain()
        gate.open()


async def test_draining_gives_up_on_a_client_that_takes_no_answers() -> None:
    found = label("x" * 60_000)
    kind = toy(lambda frames: [[found] * 100 for _ in frames])
    async with (
        running(kind, drain_timeout_s=0.1) as server,
        camera(server.address, is_reading=False, options=TAKES_LITTLE) as silent,
    ):
        await silent.introduce()
        await silent.frame()
        await eventually(lambda: any(stream._outbox._unsent_bytes > 5_000_000 for stream in server._streams))
        assert not await server.drain()


async def test_draining_before_the_descriptor_is_answered_ends_the_session() -> None:
    gate = Gate()
    kind = telling(open_session=lambda self, session: gate.pass_through())
    async with running(kind) as server, camera(server.address) as mute, camera(server.address) as waiting:
        await waiting.introduce()
        assert await asyncio.to_thread(gate.entered.wait, PATIENCE_S)
        await eventually(lambda: server.sessions == 2)
        assert await server.drain()
        assert (await waiting.ending()).code == "UNAVAILABLE"
        assert (await mute.ending()).code == "UNAVAILABLE"
        gate.open()


async def test_a_server_without_sessions_drains_at_once() -> None:
    async with running() as server:
        assert await server.drain()


async def health(server: Server, service: str) -> str:
    async with connection(server.address) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


@pytest.mark.parametrize("service", ["", SERVICE])
async def test_health_is_serving_and_while_draining_not_serving(service: str) -> None:
    gate = Gate()
    async with running(gated(gate)) as server, camera(server.address) as client:
        assert await health(server, service) == "SERVING"
        await client.handshake()
        await client.frame()
        assert await asyncio.to_thread(gate.entered.wait, PATIENCE_S)
        draining = asyncio.create_task(server.drain())
        await eventually(lambda: server._is_draining)
        assert await health(server, service) == "NOT_SERVING"
        gate.open()
        assert await draining


async def test_health_of_another_service_is_unknown() -> None:
    async with running() as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health(server, "nonesuch")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_health_answers_beyond_the_session_limit_and_without_credentials() -> None:
    async with running(max_sessions=1, credentials=CREDENTIALS) as server:
        metadata = [("x-ms-authentication", basic("camera:s3cr:et"))]
        async with camera(server.address, metadata=metadata) as client:
            await client.handshake()
            assert await health(server, SERVICE) == "SERVING"


async def test_reflection_lists_the_service() -> None:
    async with running() as server, connection(server.address) as channel:
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        answer = await call.read()
        await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE))
        described = await call.read()
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
    assert {service.name for service in answer.list_services_response.service} == {
        "microsoft.azure.media.live_video_analytics.extensibility.grpc.v1.MediaGraphExtension",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert len(described.file_descriptor_response.file_descriptor_proto) >= 1


async def test_an_unknown_method_is_unimplemented() -> None:
    async with running() as server, connection(server.address) as channel:
        call = channel.stream_stream(f"/{SERVICE}/Nonesuch")()
        assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
        call.cancel()
