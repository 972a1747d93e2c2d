"""``framewire run`` with a real broker, which may be away for a while."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest
from command_line import changed_by, documents, framewire, refused, running
from mosquitto_broker import Broker, Watcher, make_certificate, until
from pipeline_documents import hub, motion, node, source, topology, typed, written


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker").start()
    yield made
    made.kill()


async def test_a_broker_gets_what_is_printed_also_what_came_while_it_was_away(broker: Broker, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        topology(
            source("test:size=160x90,frames=30000"),
            motion(eventAggregationWindow="PT0S"),
            hub("motion", output="alarms"),
        ),
    )
    watcher = Watcher(broker)
    async with watcher.watching():
        pass  # it is known from now on
    with running(
        "run", path, "--output", f"mqtt://127.0.0.1:{broker.port}/site", "--outbox", tmp_path / "outbox"
    ) as pipeline:
        await asyncio.to_thread(pipeline.until_printed, 10)
        # Not killed: it would lose what it has acknowledged and not saved yet, and nobody sends that again.
        broker.stop()
        await asyncio.to_thread(pipeline.until_printed, len(pipeline.out) + 10)
        broker.start()
        async with watcher.watching():
            await until(lambda: len(watcher.seen) >= 20)
        assert await asyncio.to_thread(pipeline.stop, signal.SIGINT) == 0
    printed = {line_of(one["body"]) for one in documents(pipeline.stdout)}
    async with watcher.watching():
        await until(lambda: lines_of(watcher) == printed, lambda: lines_of(watcher) ^ printed)
    assert {one.topic for one in watcher.seen} == {"site/messages/alarms", "site/events"}
    inferred = next(one for one in watcher.seen if one.topic == "site/messages/alarms")
    assert inferred.properties["eventType"] == "Microsoft.VideoAnalyzer.Analytics.Inference"
    assert inferred.properties["subject"] == "/edgeModules/avaedge/livePipelines/Tested/processors/motion"


async def test_what_comes_while_the_disk_is_full_and_the_broker_away_is_not_lost(
    broker: Broker, tmp_path: Path
) -> None:
    path = written(
        tmp_path,
        topology(
            source("test:size=160x90,frames=30000"),
            motion(eventAggregationWindow="PT0S"),
            hub("motion", output="alarms"),
        ),
    )
    watcher = Watcher(broker)
    async with watcher.watching():
        pass  # it is known from now on
    broker.kill()
    with running(
        "run", path, "--output", f"mqtt://127.0.0.1:{broker.port}/site", "--outbox", tmp_path / "outbox"
    ) as pipeline:
        await asyncio.to_thread(pipeline.until_printed, 5)
        # Files of the process may not grow: what a full disk is like for it.
        resource.prlimit(pipeline.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        await asyncio.to_thread(pipeline.until_said, "the outbox .* takes no more")
        await asyncio.to_thread(pipeline.until_printed, len(pipeline.out) + 10)
        resource.prlimit(pipeline.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await asyncio.to_thread(pipeline.until_said, "the outbox .* takes messages again")
        assert await asyncio.to_thread(pipeline.stop, signal.SIGINT) == 0
    # Nothing is in memory alone any more: the next run delivers what this one has left on the disk.
    printed = {line_of(one["body"]) for one in documents(pipeline.stdout)}
    broker.start()
    with running(
        "run", path, "--output", f"mqtt://127.0.0.1:{broker.port}/site", "--outbox", tmp_path / "outbox"
    ) as again:
        async with watcher.watching():
            await until(lambda: lines_of(watcher) >= printed, lambda: printed - lines_of(watcher))
        assert await asyncio.to_thread(again.stop, signal.SIGINT) == 0


def lines_of(watcher: Watcher) -> set[str]:
    return {line_of(json.loads(one.payload)) for one in watcher.seen}


_TALKATIVE = """
import time
from framewire.hub.complaints import Complaints
Complaints.__init__.__defaults__ = time.monotonic, 0.0
"""
"""Each message that cannot be read is told of, and not one in ten seconds."""


async def test_messages_for_a_pipeline_come_from_the_broker_that_gets_its_own(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker", *make_certificate(tmp_path / "broker")).start()
    document = topology(source("test:size=160x90"), motion(), hub("motion"))
    document["properties"]["sources"].append(typed("IotHubMessageSource", name="trigger", hubInputName="a/door"))
    document["properties"]["processors"].append(node("SignalGateProcessor", "gate", "camera", "trigger"))
    certificate = tmp_path / "broker" / "cert.pem"
    arguments = ("--output", f"mqtts://127.0.0.1:{broker.port}/site", "--trusted-certificates", certificate)
    try:
        env = changed_by(tmp_path, _TALKATIVE)
        with running("run", written(tmp_path, document), *arguments, env=env) as pipeline:
            said = await asyncio.to_thread(pipeline.until_said, r"messages are taken at mqtts://[\d.:]+/(\S+)")
            assert said[1] == "site/inputs/a%2Fdoor"
            await asyncio.to_thread(pipeline.until_printed, 4)
            trust = ssl.create_default_context(cafile=str(certificate))
            async with aiomqtt.Client("127.0.0.1", broker.port, tls_context=trust) as client:
                # It may not be listening yet; what it cannot read, it says.
                while "no JSON" not in pipeline.stderr and "not JSON" not in pipeline.stderr:
                    await client.publish(said[1], b"{", qos=1)
                    await asyncio.sleep(0.05)
                await client.publish(said[1], b'{"open":1}', qos=1)
                await client.publish(said[1], b'{"open":2}', qos=1)
                # One after the other: once this one is complained of, those are there.
                await client.publish("site/inputs/window", b"1", qos=1)
                await asyncio.to_thread(pipeline.until_said, "window")
            assert await asyncio.to_thread(pipeline.stop, signal.SIGINT) == 0
    finally:
        broker.kill()
    assert "; trigger: 2 messages in; " in pipeline.stderr
    assert "; gate: 0, 2 events; " in pipeline.stderr


def test_a_pipeline_without_a_broker_says_that_nothing_comes(tmp_path: Path) -> None:
    document = topology(source("test:size=160x90,frames=5"), motion(), hub("motion"))
    document["properties"]["sources"].append(typed("IotHubMessageSource", name="trigger", hubInputName="door"))
    document["properties"]["processors"].append(node("SignalGateProcessor", "gate", "camera", "trigger"))
    finished = framewire("run", written(tmp_path, document), "--as-fast-as-possible")
    assert finished.returncode == 0, finished.stderr
    assert "the hub message sources get nothing: messages come from brokers that are named with" in finished.stderr
    refusal = refused("run", tmp_path / "topology.json", "--trusted-certificates", "ca.pem")
    assert refusal.endswith("no broker is encrypted; write mqtts:// in its address")


def line_of(body: object) -> str:
    return json.dumps(body, sort_keys=True)
