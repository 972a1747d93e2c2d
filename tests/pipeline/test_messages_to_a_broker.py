"""``framewire run`` with a real broker, which may be away for a while."""

from __future__ import annotations

import asyncio
import json
import resource
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
        broker.kill()
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


def line_of(body: object) -> str:
    return json.dumps(body, sort_keys=True)
