"""``framewire runner`` when a pipeline's process or the runner itself is killed, with a broker that is away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.extend(str(Path(__file__).resolve().parents[1] / name) for name in ("cli", "hub", "pipeline"))

from command_line import SHARED_MEMORY, Running, documents, eventually, running
from mosquitto_broker import Broker, Watcher, until
from pipeline_documents import grpc, hub, source, topology
from runner_documents import named
from test_runner_command import Api, address_of

from framewire.hub import HubMessage
from framewire.runner.jobs import Job
from framewire.runner.processes import LiveProcess


def children(one: Running) -> list[int]:
    numbers = Path(f"/proc/{one.process.pid}/task/{one.process.pid}/children").read_text()
    return [int(number) for number in numbers.split()]


def memory_of(number: int) -> list[Path]:
    return list(SHARED_MEMORY.glob(f"framewire-{number}-*"))


def line_of(body: Any) -> str:
    return json.dumps(body, sort_keys=True)


async def test_kills_of_a_pipeline_and_of_the_runner_lose_nothing_and_leave_nothing(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker").start()
    watcher = Watcher(broker)
    lines, data = tmp_path / "lines.jsonl", tmp_path / "data"
    arguments = ("runner", "--data", data, "--port", 0, "--output", f"mqtt://127.0.0.1:{broker.port}/site")
    arguments += ("--output", lines)

    def stored() -> bytes:
        return b"".join(path.read_bytes() for path in data.glob("outbox/*/*"))

    def story() -> None:
        with running("serve", "--host", "127.0.0.1", "--port", 0) as server:
            address = "tcp://" + server.until_said(r"listening on (\S+)")[1]
            with running(*arguments) as first:
                api = Api(address_of(first))
                assert api("pipelineTopologySet", topology(source("test:size=160x90"), grpc("ai", address), hub("ai")))
                gate = {"@apiVersion": "1.1", "name": "gate", "properties": {"topologyName": "Tested"}}
                assert api("livePipelineSet", gate)[0] == 201
                assert api("livePipelineActivate", named("gate")) == (200, {})
                (child,) = children(first)
                eventually(lambda: bool(memory_of(child)), "its shared memory")
                killed = child
                os.kill(killed, signal.SIGKILL)
                eventually(lambda: children(first) not in ([], [killed]), "another process")
                assert api.state("gate")["last_error"] == "its process ended with signal 9"
                assert api.state("gate")["restarts"] == 1
                (child,) = children(first)
                eventually(lambda: api.state("gate")["nodes"]["ai"]["inferred"] > 5, "inferences again")
                assert memory_of(killed) == []  # the next one removed it
                broker.stop()  # not killed: that might lose what it had taken already
                count = len(lines.read_text().splitlines())
                eventually(lambda: len(lines.read_text().splitlines()) > count + 10, "messages while it is away")
                last = json.loads(lines.read_text().splitlines()[count + 10])["body"]["timestamp"]
                eventually(lambda: str(last).encode() in stored(), "the message in the outbox")
                first.process.kill()
                first.process.wait()
                api.client.close()
            kept = lines.read_text().splitlines()[: count + 11]
            eventually(lambda: not Path(f"/proc/{child}").exists() and not memory_of(child), "the end of its pipeline")
            broker.start()
            with running(*arguments) as second:
                second.until_said("messages of an earlier run wait")
                api = Api(address_of(second))
                eventually(lambda: api.state("gate").get("nodes", {}).get("ai", {}).get("inferred", 0) > 5, "again")
                (child,) = children(second)
                api.client.close()
                assert second.stop() == 0
            assert memory_of(child) == []
            assert not Path(f"/proc/{child}").exists()
        bodies.extend(line_of(one["body"]) for one in documents("\n".join(kept)))

    bodies: list[str] = []
    try:
        async with watcher.watching():
            pass  # it is known from now on
        await asyncio.to_thread(story)
        async with watcher.watching():
            await until(lambda: set(bodies) <= {line_of(json.loads(one.payload)) for one in watcher.seen})
    finally:
        broker.kill()


class _Torn:
    """A process that was killed in the middle of a line."""

    def __init__(self) -> None:
        self.stdout = asyncio.StreamReader()
        self.stdout.feed_data(b'{"error": "all is lost"}\n{"message": [{"infer')
        self.stdout.feed_eof()


async def test_half_a_line_of_a_process_that_was_killed_is_left_out() -> None:
    messages: list[HubMessage] = []
    live = LiveProcess(Job("gate", "edge", "{}", {}), messages.append)
    await live._read(_Torn())  # type: ignore[arg-type]
    assert messages == []
    assert live.last_error == "all is lost"


async def test_a_process_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", fail)
    live = LiveProcess(Job("gate", "edge", "{}", {}), lambda message: None)
    await live._run()
    assert live.last_error == "its process cannot be started: Resource temporarily unavailable"
