"""A process for each live pipeline: it is started again when it dies or hangs, and dies with its runner."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from runner_documents import topology

from framewire.hub import HubMessage
from framewire.runner import processes
from framewire.runner.answers import MethodError
from framewire.runner.processes import Processes

PATIENCE_S = 30.0
SETTINGS = {"rtspUrl": "test:size=160x90,fps=15"}
TEXT = json.dumps(topology())

RUNNER = """
import asyncio, sys, json
from framewire.runner.processes import Processes
async def main():
    one = Processes("edge", lambda message: None)
    await one.activate("gate-1", sys.argv[1], {"rtspUrl": "test:"})
    print(one._running["gate-1"]._process.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.fixture
async def runner() -> AsyncIterator[tuple[Processes, list[HubMessage]]]:
    messages: list[HubMessage] = []
    one = Processes("edge", messages.append)
    yield one, messages
    await one.close()


async def until(is_so: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110 # another process makes it so
            await asyncio.sleep(0.02)


def process_id(runner: Processes) -> int:
    process = runner._running["gate-1"]._process
    assert process is not None
    return process.pid


def is_running(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_pipeline_is_active_publishes_and_ends(runner: tuple[Processes, list[HubMessage]]) -> None:
    one, messages = runner
    assert one.state("gate-1") == "inactive"
    await one.activate("gate-1", TEXT, SETTINGS)
    assert one.state("gate-1") == "active"
    number = process_id(one)
    await one.activate("gate-1", TEXT, SETTINGS)
    assert process_id(one) == number
    await until(lambda: any(message.is_inference for message in messages))
    await until(lambda: one.report("gate-1")["source"]["frames"] > 15)
    await until(lambda: one.report("gate-1")["source"]["frames_per_s"] > 0)
    (figures,) = one.figures()
    assert (figures.topology, figures.pipeline, figures.is_active) == ("Motion", "gate-1", True)
    assert set(figures.latencies) == {"motion"}
    await one.deactivate("gate-1")
    assert one.state("gate-1") == "inactive"
    assert one.report("gate-1") == {"state": "inactive"}
    assert list(one.figures()) == []
    assert not is_running(number)
    assert messages[-1].body == {"previousState": "deactivating", "state": "inactive"}
    assert messages[-1].application_properties["subject"] == "/edgeModules/edge/livePipelines/gate-1"
    await one.deactivate("gate-1")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_one_that_dies_is_started_again(number: int, runner: tuple[Processes, list[HubMessage]]) -> None:
    one, messages = runner
    await one.activate("gate-1", TEXT, SETTINGS)
    first = process_id(one)
    os.kill(first, number)
    await until(lambda: process_id(one) != first and one.report("gate-1")["restarts"] == 1)
    assert one.report("gate-1")["last_error"] == f"its process ended with signal {int(number)}"
    count = len(messages)
    await until(lambda: len(messages) > count)
    assert one.state("gate-1") == "active"


async def test_one_that_hangs_is_killed_and_started_again(
    runner: tuple[Processes, list[HubMessage]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = runner
    monkeypatch.setattr(processes, "_SILENT_S", 6.0)
    await one.activate("gate-1", TEXT, SETTINGS)
    first = process_id(one)
    os.kill(first, signal.SIGSTOP)
    await until(lambda: process_id(one) != first)
    assert one.report("gate-1")["last_error"] == "its process was silent for 6 s and was killed"
    assert not is_running(first)


async def test_one_that_cannot_run_is_told(runner: tuple[Processes, list[HubMessage]]) -> None:
    one, _ = runner
    with pytest.raises(MethodError) as raised:
        await one.activate("gate-1", TEXT, {})
    assert "rtspUrl has no value" in raised.value.message
    assert one.state("gate-1") == "inactive"


async def test_a_neighbour_does_not_notice(runner: tuple[Processes, list[HubMessage]]) -> None:
    one, _ = runner
    await one.activate("gate-1", TEXT, SETTINGS)
    await one.activate("gate-2", TEXT, SETTINGS)
    os.kill(process_id(one), signal.SIGKILL)
    await until(lambda: one.report("gate-1")["restarts"] == 1)
    assert one.report("gate-2")["restarts"] == 0
    assert one.report("gate-2")["last_error"] is None


async def test_it_ends_when_its_runner_is_killed() -> None:
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", RUNNER, TEXT, stdout=asyncio.subprocess.PIPE)
    assert killed.stdout is not None
    number = int(await killed.stdout.readline())
    killed.kill()
    await killed.wait()
    await until(lambda: not is_running(number))
