"""The load and its bookkeeping, against the floor and against a server that is started and held still for real."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import cv2
import grpc
import numpy as np
import pytest
import run
import v2
import v2_load
from calibration import Calibration
from cells import HD_EMBEDDED, HD_SHARED, JPEG_SHARED, MODEL, OPEN_LOOP, Cell, all_cells
from contract_load import ContractClient, Prepared
from load import Client, Stream, Window, check, measure
from process_tree import ProcessTree
from subjects import Instance

from framewire.model.message import Sample
from framewire.wire import decode


def a_cell(name: str) -> Cell:
    return next(cell for cell in all_cells() if cell.name == name)


@pytest.fixture(scope="module")
def floor() -> Iterator[Instance]:
    instance = Instance("floor", "intensity", Calibration(rounds_per_ms=1000, turns_per_ms=10))
    yield instance
    instance.end()


@pytest.mark.parametrize("name", [HD_SHARED, HD_EMBEDDED, JPEG_SHARED, MODEL])
async def test_the_floor_tells_dark_from_light(floor: Instance, name: str) -> None:
    floor.resume()
    await check(floor.client, a_cell(name))
    floor.hold()


@pytest.mark.parametrize(("name", "rate"), [(JPEG_SHARED, None), (OPEN_LOOP, 200.0)])
async def test_a_round_counts_answers_latencies_and_the_servers_cpu(
    floor: Instance, name: str, rate: float | None
) -> None:
    floor.resume()
    measured = await measure(floor.client, floor.tree, a_cell(name), Window(0.3, 0.0, rate))
    floor.hold()
    assert measured.frames > 0
    assert 0 < measured.p50_ms <= measured.p99_ms <= measured.max_ms
    assert measured.server_cpu_ms >= 0
    assert floor.idle_cpu_s == 0


async def test_the_floor_judges_a_jpeg_by_its_luma_as_all_the_others_do(floor: Instance) -> None:
    # So blue that its luma, 103, is dark; the sums of the decoded colours call it light.
    blue = cv2.imencode(".jpg", np.full((416, 416, 3), (255, 127, 0), np.uint8))[1].tobytes()
    floor.resume()
    async with floor.client.open(a_cell(JPEG_SHARED), [blue]) as stream:
        assert await stream.ask(0) is False
    floor.hold()


async def test_a_server_that_says_the_opposite_is_found_out(floor: Instance) -> None:
    class Contrary(Cell):
        def frame(self, least: int = 60, most: int = 200) -> bytes:
            return super().frame(255 - most, 255 - least)

    cell = a_cell(JPEG_SHARED)
    floor.resume()
    with pytest.raises(ValueError, match="it calls a dark frame the opposite"):
        await check(floor.client, Contrary(**vars(cell)))
    floor.hold()


async def test_the_refusal_of_a_server_is_told_in_its_own_words() -> None:
    async def refuse(request: object, context: grpc.aio.ServicerContext) -> None:
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no room")

    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(refuse)
    service = "microsoft.azure.media.live_video_analytics.extensibility.grpc.v1.MediaGraphExtension"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"ProcessMediaStream": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        with pytest.raises((ValueError, grpc.aio.AioRpcError)) as caught:
            await check(ContractClient(f"127.0.0.1:{port}", tells_work=False), a_cell(JPEG_SHARED))
        assert "no room" in run.words(caught.value)
        assert "RESOURCE_EXHAUSTED" in run.words(caught.value)
    finally:
        await server.stop(None)


async def test_a_stream_of_the_v2_protocol_is_loaded_and_its_region_registered_until_its_end() -> None:
    calls: list[tuple[str, bytes]] = []

    async def stream(requests: object, context: grpc.aio.ServicerContext) -> None:
        while (request := await context.read()) is not grpc.aio.EOF:
            name = v2.identity(b"\x1a" + request.partition(b"\x1a")[2][:2])
            # Slots 0 and 1 of the check hold a dark frame and a light one.
            answer = v2._text(3, name) + v2._bytes(6, bytes([int(name)]))
            await context.write(v2._bytes(2, answer))

    def note(method: str) -> grpc.RpcMethodHandler:
        async def unary(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            calls.append((method, request))
            if method.endswith("Unregister") and len(calls) < 3:
                await context.abort(grpc.StatusCode.INTERNAL, "region is currently in use.")
            return b""

        return grpc.unary_unary_rpc_method_handler(unary)

    server = grpc.aio.server()
    methods = {name: note(name) for name in ("SystemSharedMemoryRegister", "SystemSharedMemoryUnregister")}
    methods["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(stream)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("inference.GRPCInferenceService", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    class NoProcess:
        def cpu_seconds(self) -> float:
            return 0.0

    client = v2_load.TritonClient(f"127.0.0.1:{port}")
    try:
        await check(client, a_cell(JPEG_SHARED))
        assert [method for method, _ in calls] == [
            "SystemSharedMemoryRegister",
            "SystemSharedMemoryUnregister",
            "SystemSharedMemoryUnregister",
        ]
        measured = await measure(client, NoProcess(), a_cell(JPEG_SHARED), Window(0.2, 0.0))  # type: ignore[arg-type]
        assert measured.frames > 0
    finally:
        await server.stop(None)
    assert not [name for name in os.listdir("/dev/shm") if name.startswith(f"framewire-{os.getpid()}-")]  # noqa: PTH208


@pytest.mark.parametrize("length", [10, 10_000])
def test_a_prepared_message_takes_one_number_after_the_other(length: int) -> None:
    prepared = Prepared(bytes(range(10)) * (length // 10))
    for number in (2, 3, 127, 128, 129, 16_383, 16_384, 2_000_000):
        message = decode(prepared.numbered(number))
        assert message.sequence_number == number
        assert isinstance(message.payload, Sample)
        assert message.payload.content is not None
        assert bytes(message.payload.content) == bytes(range(10)) * (length // 10)  # type: ignore[arg-type]


def state(process_id: int) -> str:
    return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_tree_holds_still_and_ends_with_children_that_have_left_it() -> None:
    mark = f"BENCH_SUBJECT=test-{os.getpid()}"
    script = (
        "import subprocess, sys, time\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "child = subprocess.Popen(['sh', '-c', '\"$0\" \"$@\" & echo $!', *sleep], "
        "start_new_session=True, stdout=subprocess.PIPE)\n"
        "print(child.stdout.readline().decode(), flush=True)\n"
        "time.sleep(600)\n"
    )
    name, _, value = mark.partition("=")
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, name: value}, start_new_session=True
    )
    assert process.stdout is not None
    orphan = int(process.stdout.readline())
    tree = ProcessTree(process, mark)
    try:
        tree.refresh()
        assert tree.count >= 2
        tree.freeze()
        assert (state(process.pid), state(orphan)) == ("T", "T")
        before = tree.cpu_seconds()
        assert before > 0
        assert tree.cpu_seconds() == before
        tree.thaw()
        assert state(process.pid) != "T"
    finally:
        tree.end(patience_s=0.2)
        process.stdout.close()
    assert process.returncode is not None
    assert not Path(f"/proc/{orphan}").exists() or state(orphan) == "Z"


@pytest.mark.parametrize(
    ("only", "cells", "count"),
    [("", "", 14), ("floor,ray", "", 13), ("mlserver", "embedded", 3), ("", "JPEG, shared memory, 4;open loop", 2)],
)
def test_subjects_and_cells_are_chosen_by_name(only: str, cells: str, count: int) -> None:
    assert len(run.choose(argparse.Namespace(only=only, cells=cells))) == count


@pytest.mark.parametrize(
    ("only", "cells", "text"),
    [("triton", "", "there is no subject 'triton'"), ("", "4K", "no cell is left")],
)
def test_a_choice_of_nothing_is_told(only: str, cells: str, text: str) -> None:
    with pytest.raises(SystemExit, match=text):
        run.choose(argparse.Namespace(only=only, cells=cells))


def test_errors_are_told_in_one_line() -> None:
    group = BaseExceptionGroup("several", [ValueError("first\n  line"), ValueError("other")])
    assert run.words(group) == "first line"
    assert run.words(TimeoutError()) == "its answers stay away"
    assert run.words(asyncio.CancelledError()) == "CancelledError"


class BrokenOnce:
    """A client whose first stream fails, as while a proxy is exchanged."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._is_broken = True

    def open(self, cell: Cell, frames: list[bytes]) -> AbstractAsyncContextManager[Stream]:
        if self._is_broken:
            self._is_broken = False
            raise ValueError("connection refused")
        return self._client.open(cell, frames)


def test_a_round_that_fails_is_tried_again_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "RECOVERY_S", 0.0)
    cell = a_cell(JPEG_SHARED)
    result: dict[str, Any] = {"rounds": [], "failures": []}
    with run.fleet_of(Calibration(1000, 10)) as fleet:
        instance = fleet.start("floor", cell)
        instance.client = BrokenOnce(instance.client)
        run.run_round(fleet, "floor", cell, Window(0.1, 0.0), result)
        assert fleet.start("floor", cell) is instance
    assert result["failures"] == ["connection refused"]
    assert len(result["rounds"]) == 1
    assert "cannot" not in result


def test_work_of_a_given_length_is_calibrated_before_the_run_and_around_its_cell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happened: list[str] = []

    def calibrated() -> Calibration:
        happened.append("calibrated")
        return Calibration(900 + 100 * len(happened), 10)

    def measured(*_: object) -> dict[str, Any]:
        happened.append("measured")
        return {"floor": {}}

    monkeypatch.setattr(run, "calibrate", calibrated)
    monkeypatch.setattr(run, "run_cell", measured)
    with run.fleet_of(Calibration(1000, 10)) as fleet:
        found, pace = run.run_cell_calibrated(fleet, a_cell(MODEL), 1, Window(0.1, 0.0))
        assert run.run_cell_calibrated(fleet, a_cell(HD_SHARED), 1, Window(0.1, 0.0)) == ({"floor": {}}, {})
    assert happened == ["calibrated", "measured", "calibrated", "measured"]
    assert found == {"floor": {}}
    assert [one["rounds_per_ms"] for one in pace["calibrations"]] == [1000, 1000, 1200]
    assert pace["drift"] == pytest.approx(0.2)


def test_a_server_that_cannot_start_says_why_and_is_not_tried_for_every_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dies(Instance):
        starts = 0

        def __init__(self, *_: object) -> None:
            Dies.starts += 1
            raise RuntimeError("ended with status 1: no library")

    monkeypatch.setattr(run, "Instance", Dies)
    cell = dataclasses.replace(a_cell(JPEG_SHARED), subjects=("ray",))
    with run.fleet_of(Calibration(1000, 10)) as fleet:
        for _ in range(2):
            found = run.run_cell(fleet, cell, 1, Window(0.1, 0.0))
            assert found == {"ray": {"cannot": "ended with status 1: no library"}}
    assert Dies.starts == 1
