"""What the server says of itself, asked over the wire."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from attacked_server import running
from toy_processors import Gate, telling, toy
from wire_camera import SMALL, camera, connection, eventually

from framewire.server import Server

READ = "/framewire.v1.Statistics/Read"


async def asked(server: Server, metadata: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    async with connection(server.address) as channel:
        found: dict[str, Any] = json.loads(await channel.unary_unary(READ)(b"", metadata=metadata))
    return found


async def test_frames_are_counted_and_each_stage_is_timed() -> None:
    async with running(telling()) as server, camera(server.address) as one:
        await one.handshake(SMALL)
        for value in (1, 2, 3):
            await one.frame(bytes([value]) * 24)
        await one.frame(bytes(7))  # too short
        await one.until(5)
        document = await asked(server)
        assert document["sessions"] == {"accepted": 1, "open": 1}
        assert document["frames"] == {
            "received": 4,
            "answered": 4,
            "failed": 1,
            "dropped": {"too-old": 0, "oldest": 0, "newest": 0, "not-latest": 0},
            "unanswered": 0,
            "in_flight": 0,
        }
        stages = document["stages"]
        assert {name: stage["count"] for name, stage in stages.items()} == {
            "receive": 4,
            "wait": 4,
            "process": 4,
            "send": 5,  # the descriptor, too
        }
        for stage in stages.values():
            assert 0 < stage["p50_ms"] <= stage["p95_ms"] <= stage["p99_ms"] <= stage["max_ms"] < 10_000
        assert document["batch_size"] == {"count": 4, "mean": 1.0, "p50": 1.0, "p95": 1.0, "p99": 1.0, "max": 1.0}
        (executor,) = document["executors"]
        assert 1 <= executor.pop("most_waiting") <= 4
        assert executor == {"processor": "toy", "waiting": 0, "batches": 4, "frames": 4, "replaced": 0}
        queues = document["queues"]
        assert queues["answers"] == {"waiting": 0, "waiting_bytes": 0, "most_waiting_of_a_session": 0}
        assert queues["outcomes"]["waiting"] == 0
        assert 1 <= queues["outcomes"]["deliveries"] <= 4
        assert 1 <= queues["in_flight"].pop("most_frames") <= 4
        assert 24 <= queues["in_flight"].pop("most_bytes") <= 3 * 24 + 7
        assert queues["in_flight"] == {"frames": 0, "bytes": 0, "waiting": 0}


async def test_what_waits_and_who_is_not_read_can_be_seen() -> None:
    gate = Gate()

    def process(frames: Any) -> Any:
        gate.pass_through()
        return [() for _ in frames]

    async with (
        running(toy(process), max_in_flight=3) as server,
        camera(server.address) as one,
    ):
        await one.handshake(SMALL)
        await one.frame()
        await eventually(gate.entered.is_set)
        for _ in range(4):
            await one.frame()

        def seen() -> tuple[int, ...]:
            document = server.statistics()
            in_flight, (executor,) = document["queues"]["in_flight"], document["executors"]
            return (
                in_flight["frames"], in_flight["most_frames"], in_flight["bytes"], in_flight["most_bytes"],
                in_flight["waiting"], executor["waiting"], executor["most_waiting"],
            )  # fmt: skip

        # One in the worker, two behind it; of the fourth and the fifth the server has read nothing.
        await eventually(lambda: seen() == (3, 3, 72, 72, 1, 2, 2))
        gate.open()
        await one.until(6)
        await eventually(lambda: seen()[:2] == (0, 3))


async def test_a_server_with_credentials_tells_nobody_else() -> None:
    async with running(telling(), credentials={"yard": "gate"}) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asked(server)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_frames_of_a_session_that_ends_are_counted_as_unanswered() -> None:
    gate = Gate()

    def process(frames: Any) -> Any:
        gate.pass_through()
        return [() for _ in frames]

    async with running(toy(process)) as server:
        async with camera(server.address) as one:
            await one.handshake(SMALL)
            for _ in range(3):
                await one.frame()
            await eventually(lambda: gate.entered.is_set() and server.statistics()["frames"]["received"] == 3)
        # Not before the server has seen it go: what returns until then is answered.
        await eventually(lambda: server.sessions == 0)
        gate.open()
        await eventually(lambda: server.statistics()["frames"]["in_flight"] == 0)
        frames = server.statistics()["frames"]
        assert (frames["received"], frames["answered"], frames["unanswered"]) == (3, 0, 3)


async def test_no_more_processors_with_options_of_their_own_are_opened_than_allowed() -> None:
    wants = '{{"processor":"color-intensity","options":{{"threshold":{}}}}}'
    async with (
        running(max_pools=2) as server,
        camera(server.address) as one,
        camera(server.address) as same,
        camera(server.address) as other,
    ):
        await one.handshake(SMALL, configuration=wants.format(50))
        await same.handshake(SMALL, configuration=wants.format(50))
        await other.introduce(SMALL, configuration=wants.format(60))
        ending = await other.ending()
        assert ending.code == "RESOURCE_EXHAUSTED"
        assert "2 processors with different options are open" in ending.details
        assert "--max-pools" in ending.details
