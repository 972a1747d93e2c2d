"""What the server says of itself, asked over the wire."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from attacked_server import running
from toy_processors import telling
from wire_camera import SMALL, camera, connection

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
        assert document["executors"] == [{"waiting": 0, "batches": 4, "frames": 4, "replaced": 0}]


async def test_a_server_with_credentials_tells_nobody_else() -> None:
    async with running(telling(), credentials={"yard": "gate"}) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asked(server)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
