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

sys.path.append(str(Path(__file__).resolve().parents[1] / "cli"))
from command_line import changed_by
from runner_documents import gated, topology

from framewire.hub import HubMessage, InputMessage
from framewire.hub.backoff import BackoffOptions
from framewire.runner import processes
from framewire.runner.answers import MethodError
from framewire.runner.inputs import Delivery
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


def environment_of(number: int) -> list[bytes]:
    return Path(f"/proc/{number}/environ").read_bytes().split(b"\0")


def have_run_first(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has each Python process that starts from now on run some code first."""
    for name, value in changed_by(folder, code).items():
        monkeypatch.setenv(name, value)


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


@pytest.mark.parametrize("operator", [None, "3"])
async def test_its_libraries_start_no_threads_but_what_the_operator_says(
    operator: str | None, runner: tuple[Processes, list[HubMessage]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if operator:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", operator)
    one, _ = runner
    await one.activate("gate-1", TEXT, SETTINGS)
    entries = environment_of(process_id(one))
    found = [entry for entry in entries if entry.startswith(b"OPENBLAS_NUM_THREADS=")]
    assert found == [f"OPENBLAS_NUM_THREADS={operator or 1}".encode()]


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


NEVER = """
import sys, time
if "framewire.runner.child" in sys.orig_argv:
    time.sleep(3600)
"""
"""A machine on which a pipeline takes for ever to begin."""

LATE = """
import os, sys
if "framewire.runner.child" in sys.orig_argv and not os.path.exists({may_begin!r}):
    os._exit(3)
"""
"""A machine on which no pipeline can begin yet. Read by every Python process that finds it."""


async def test_one_that_was_active_is_tried_until_it_is(
    runner: tuple[Processes, list[HubMessage]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = runner
    may_begin = tmp_path / "may begin"
    have_run_first(LATE.format(may_begin=str(may_begin)), tmp_path, monkeypatch)
    for name, keeps_trying in (("gate-1", False), ("gate-2", True)):
        with pytest.raises(MethodError, match="cannot be activated: its process ended with status 3"):
            await one.activate(name, TEXT, SETTINGS, keeps_trying=keeps_trying)
    assert (one.state("gate-1"), one.state("gate-2")) == ("inactive", "activating")
    may_begin.touch()
    await one.activate("gate-2", TEXT, SETTINGS)  # whoever asks for it, too, is answered when it is active
    assert one.state("gate-2") == "active"
    await until(lambda: one.report("gate-2")["source"]["frames"] > 0)


async def test_one_that_waits_for_its_next_try_is_deactivated_at_once(
    runner: tuple[Processes, list[HubMessage]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = runner
    have_run_first(LATE.format(may_begin=str(tmp_path / "never")), tmp_path, monkeypatch)
    monkeypatch.setattr(processes, "_AGAIN", BackoffOptions(first_s=3600.0, longest_s=3600.0))
    monkeypatch.setattr(processes, "_END_S", 3600.0)
    with pytest.raises(MethodError):
        await one.activate("gate-1", TEXT, SETTINGS, keeps_trying=True)
    async with asyncio.timeout(PATIENCE_S):
        await one.deactivate("gate-1")
    assert one.state("gate-1") == "inactive"


async def test_activations_under_way_end_when_all_ends(
    runner: tuple[Processes, list[HubMessage]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = runner
    monkeypatch.setattr(processes, "_START_S", 3600.0)
    activating = [asyncio.create_task(one.activate(f"gate-{number}", TEXT, SETTINGS)) for number in range(4)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S):
        await one.close()
        ended = await asyncio.gather(*activating, return_exceptions=True)
    assert all(isinstance(one, MethodError) for one in ended), ended


async def test_one_that_says_what_cannot_be_read_gets_another_process(
    runner: tuple[Processes, list[HubMessage]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = runner
    monkeypatch.setattr(processes, "MOST_LINE_BYTES", 50)  # a line that no process of ours would say
    with pytest.raises(MethodError, match="its process was given up"):
        await one.activate("gate-1", TEXT, SETTINGS, keeps_trying=True)
    monkeypatch.undo()
    await until(lambda: one.state("gate-1") == "active")
    assert one.report("gate-1")["restarts"] >= 1


async def test_one_whose_activation_is_given_up_leaves_no_process(
    runner: tuple[Processes, list[HubMessage]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = runner
    have_run_first(NEVER, tmp_path, monkeypatch)
    activating = asyncio.create_task(one.activate("gate-1", TEXT, SETTINGS))
    await until(lambda: "gate-1" in one._running and one._running["gate-1"]._process)
    number = process_id(one)
    activating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await activating
    assert one.state("gate-1") == "inactive"
    await until(lambda: not is_running(number))


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


HANGS = """
import inspect, time
from framewire.capture import capture, options

takes = options.CaptureOptions.__init__
quick = {"connect_timeout_s": 0.2, "backoff_least_s": 0.1, "backoff_most_s": 0.1}
names = [name for name, one in inspect.signature(takes).parameters.items() if one.default is not one.empty]
takes.__defaults__ = tuple(quick.get(name, known) for name, known in zip(names, takes.__defaults__))
capture.Capture._open = lambda self: time.sleep(3600)
"""
"""What no camera can be made to do: hang in a library, for good. Read by every Python process that finds it."""


async def test_a_pipeline_whose_connections_hang_in_a_library_gets_another_process(
    runner: tuple[Processes, list[HubMessage]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, messages = runner
    have_run_first(HANGS, tmp_path, monkeypatch)
    await one.activate("gate-1", TEXT, {"rtspUrl": "rtsp://127.0.0.1:9/hangs"})
    number = process_id(one)
    await until(lambda: one.report("gate-1")["restarts"])
    assert not is_running(number)
    # The next one hangs as well, and says other things before.
    why = "connections to the camera hang in a library; the process is started again"
    await until(lambda: one.report("gate-1")["last_error"] == why)
    stuck = [message.body for message in messages if message.body.get("code") == "stuck"]
    assert stuck[0]["details"][0]["message"].startswith("3 connections to the camera hang")


async def test_a_message_from_outside_reaches_those_that_have_its_input(
    runner: tuple[Processes, list[HubMessage]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = runner
    text = json.dumps(gated())
    for name, hub_input in (("gate-1", "open"), ("gate-2", "open"), ("gate-3", "shut")):
        await one.activate(name, text, {**SETTINGS, "hubInput": hub_input})
    message = InputMessage("open", {"door": "\u00fc\n"}, {"eventTime": "2026-11-22T18:55:02.311Z"})
    assert one.receive(message) == Delivery(("gate-1", "gate-2"), ())
    assert one.receive(InputMessage("nobodys", 1)) == Delivery()
    await until(lambda: one.report("gate-2")["nodes"]["gate"]["events"] == 1)
    assert one.report("gate-2")["inputs"] == {"trigger": {"hubInputName": "open", "received": 1}}
    assert one.report("gate-3")["inputs"] == {"trigger": {"hubInputName": "shut", "received": 0}}
    # What a stuck one does not take, is not kept for it.
    os.kill(process_id(one), signal.SIGSTOP)
    try:
        large = InputMessage("open", "x" * 250_000)
        taken = [one.receive(large).taken for _ in range(8)]
        assert ("gate-1", "gate-2") in taken
        assert one.report("gate-1")["inputs_missed"] >= 1
    finally:
        have_run_first(LATE.format(may_begin=str(tmp_path / "may begin")), tmp_path, monkeypatch)
        os.kill(process_id(one), signal.SIGKILL)
    await until(lambda: one.report("gate-1")["restarts"] >= 1)
    assert one.receive(message).missed == ("gate-1",)
    (tmp_path / "may begin").touch()
    await until(lambda: "gate-1" in one.receive(message).taken)
