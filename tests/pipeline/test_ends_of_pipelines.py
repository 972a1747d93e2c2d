"""How long a pipeline waits for its last answers when it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import changed_by, documents, eventually, running, serving
from crooked_servers import Call, deaf_to_frames, honest, serving_crookedly
from pipeline_documents import grpc, hub, motion, source, topology, written

from framewire.client import Client, Result
from framewire.errors import PeerError
from framewire.pipeline import live
from framewire.pipeline.live import LivePipeline, PipelineOptions, PipelineState
from framewire.pipeline.nodes import grpc_extension
from framewire.pipeline.nodes.motion_detection import MotionDetectionNode
from framewire.topology import load_topology


def test_a_file_that_waits_for_its_extension_waits_at_its_end_too(tmp_path: Path) -> None:
    env = changed_by(tmp_path, "from framewire.pipeline import live\nlive._END_S = 0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    short = source("test:size=160x90,frames=5")
    path = written(tmp_path, topology(short, grpc("ai", f"tcp://127.0.0.1:{port}"), hub("ai")))
    with running("run", path, "--as-fast-as-possible", env=env) as pipeline:
        pipeline.until_said(r"ai: .* cannot be reached .*; trying again")
        with serving("--port", port):  # a second and more later
            assert pipeline.end() == 0
    kinds = [one["applicationProperties"]["eventType"].rpartition(".")[2] for one in documents(pipeline.stdout)]
    assert kinds.count("Inference") == 5
    assert "ai: 5;" in pipeline.stderr


async def test_what_is_with_an_extension_is_answered_before_the_end(tmp_path: Path) -> None:
    env = changed_by(tmp_path, "from framewire.pipeline import live\nlive._STOP_S = 60.0")
    is_told = asyncio.Event()
    heard = 0

    async def hesitating(call: Call) -> None:
        nonlocal heard
        await call.accept()
        async for frame in call.frames():
            heard += 1
            await is_told.wait()
            await asyncio.sleep(0.1)
            await call.answer(frame)

    def story(address: str) -> str:
        path = written(tmp_path, topology(source("test:size=160x90"), grpc("ai", f"tcp://{address}"), hub("ai")))
        with running("run", path, env=env) as pipeline:
            eventually(lambda: "Diagnostics.DataDropped" in pipeline.stdout, "frames that find no place")
            pipeline.send_signal(signal.SIGINT)
            eventually(lambda: '"state":"deactivating"' in pipeline.stdout)
            loop.call_soon_threadsafe(is_told.set)
            assert pipeline.end() == 0
        assert "unanswered" not in pipeline.stderr
        return pipeline.stdout

    loop = asyncio.get_running_loop()
    async with serving_crookedly(hesitating) as address:
        out = await asyncio.to_thread(story, address)
    assert heard == 8
    assert out.count("Analytics.Inference") == 8


async def test_whoever_is_told_to_end_does_not_wait_long_for_a_silent_extension(tmp_path: Path) -> None:
    env = changed_by(tmp_path, "from framewire.pipeline import live\nlive._END_S, live._STOP_S = 3600.0, 0.2")

    def story(address: str) -> str:
        path = written(tmp_path, topology(source("test:size=160x90"), grpc("ai", f"tcp://{address}"), hub("ai")))
        with running("run", path, env=env) as pipeline:
            eventually(lambda: "Diagnostics.DataDropped" in pipeline.stdout, "frames that find no place")
            assert pipeline.stop(signal.SIGTERM) == 0
        return pipeline.stderr

    async with serving_crookedly(deaf_to_frames) as address:
        said = await asyncio.to_thread(story, address)
    assert "8 unanswered" in said


def test_whoever_is_told_to_end_does_not_wait_for_an_extension_that_is_away(tmp_path: Path) -> None:
    env = changed_by(
        tmp_path,
        "from framewire.pipeline import live\n"
        "from framewire.pipeline.nodes import grpc_extension as node\n"
        "live._STOP_S = 3600.0\n"
        "node.AGAIN = type(node.AGAIN)(first_s=3600.0, longest_s=3600.0)\n",
    )
    path = written(tmp_path, topology(source("test:size=160x90"), grpc("ai", "tcp://127.0.0.1:1"), hub("ai")))
    with running("run", path, env=env) as pipeline:
        pipeline.until_said(r"ai: .* cannot be reached .*; trying again")
        assert pipeline.stop(signal.SIGINT) == 0
    assert "unanswered" not in pipeline.stderr


def pipeline_of(*nodes: dict[str, Any]) -> LivePipeline:
    loaded = load_topology(json.dumps(topology(source("test:size=160x90"), *nodes)), {})
    assert loaded.topology is not None
    return LivePipeline(loaded.topology, PipelineOptions(is_lossless=True), lambda _: None, lambda _: None)


async def test_a_session_that_fails_in_the_moment_of_the_end_does_not_hold_it_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A group of tasks that fails swallows a cancellation of the same moment, which nobody can hit from outside."""
    delivering = asyncio.Event()

    class Failing(Client):
        async def deliver(self, take: Callable[[Result], None]) -> None:
            delivering.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise PeerError("it ended just now", status="UNAVAILABLE") from None

    monkeypatch.setattr(grpc_extension, "Client", Failing)
    monkeypatch.setattr(live, "_STOP_S", 0.1)
    stop = asyncio.Event()
    async with serving_crookedly(honest) as address:
        running_one = asyncio.create_task(pipeline_of(grpc("ai", f"tcp://{address}"), hub("ai")).run(stop))
        await asyncio.wait_for(delivering.wait(), 20)
        stop.set()
        _, late = await asyncio.wait({running_one}, timeout=20)
        assert not late


async def test_a_node_that_breaks_at_the_end_costs_those_behind_it_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = asyncio.Event()

    async def slow(call: Call) -> None:
        await call.accept()
        async for frame in call.frames():
            heard.set()
            await asyncio.sleep(0.05)
            await call.answer(frame)

    async def broken(node: MotionDetectionNode) -> None:
        raise RuntimeError(f"{node.name} broke")

    monkeypatch.setattr(MotionDetectionNode, "finish", broken)
    stop = asyncio.Event()
    async with serving_crookedly(slow) as address, asyncio.timeout(20):
        pipeline = pipeline_of(motion(), grpc("ai", f"tcp://{address}", "motion"), hub("ai"))
        running_one = asyncio.create_task(pipeline.run(stop))
        await heard.wait()
        stop.set()
        with pytest.raises(RuntimeError, match="motion broke"):
            await running_one
    extension = pipeline.graph.processors[1]
    assert pipeline.state is PipelineState.INACTIVE
    assert extension.counts.dropped == {}
    assert extension.counts.inferred == extension.counts.received > 0
