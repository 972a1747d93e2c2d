"""``framewire run`` with a real broker, which may be away for a while."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import documents, running
from mosquitto_broker import Broker, Watcher, until
from pipeline_documents import hub, motion, source, topology, written


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker").start()
    yield made
    made.kill()


async def test_a_broker_gets_what_is_printed_also_what_came_while_it_was_away(broker: Broker, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        topology(source("test:size=160x90"), motion(eventAggregationWindow="PT0S"), hub("motion", output="alarms")),
    )
    watcher = Watcher(broker)
    async with watcher.watching():
        pass  # it is known from now on
    with running(
        "run", path, "--output", f"mqtt://127.0.0.1:{broker.port}/site", "--outbox", tmp_path / "outbox"
    ) as pipeline:
        await asyncio.to_thread(pipeline.until_printed, 10)
        broker.kill()
        await asyncio.to_thread(pipeline.until_printed, len(pipeline.out) + 10)
        broker.start()
        async with watcher.watching():
            await until(lambda: len(watcher.seen) >= 20)
        assert await asyncio.to_thread(pipeline.stop, signal.SIGINT) == 0
    printed = {line_of(one["body"]) for one in documents(pipeline.stdout)}
    async with watcher.watching():
        await until(lambda: {line_of(json.loads(one.payload)) for one in watcher.seen} == printed)
    assert {one.topic for one in watcher.seen} == {"site/messages/alarms", "site/events"}
    inferred = next(one for one in watcher.seen if one.topic == "site/messages/alarms")
    assert inferred.properties["eventType"] == "Microsoft.VideoAnalyzer.Analytics.Inference"
    assert inferred.properties["subject"] == "/edgeModules/avaedge/livePipelines/Tested/processors/motion"


def line_of(body: object) -> str:
    return json.dumps(body, sort_keys=True)
