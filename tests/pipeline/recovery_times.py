"""How long messages are away after what happens around a pipeline. Prints rows of the table in the docs.

    python tests/pipeline/recovery_times.py [WORD ...]

Words choose the rows that hold one of them. The processes, the camera, the broker and the limits are real ones; a full
disk is one on which the process may not let files grow. Who is killed with SIGKILL is away for 20 s; the time counts
from when it is back, by what it says itself.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.append(str(Path(__file__).resolve().parents[1] / "cli"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "rtsp"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "hub"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "runner"))

import aiomqtt
import httpx
import runner_documents
from camera_clips import street_clip
from camera_server import RtspServer
from command_line import serving
from http_extensions import extension, found
from mosquitto_broker import Broker, Watcher, until
from pipeline_documents import grpc, hub, motion, node, source, topology, typed, written
from publishing_command import Publishing

AWAY_S = 20.0
EVERY_FRAME = {"eventAggregationWindow": "PT0S", "sensitivity": "high"}
SCENE = "test:size=320x180,frames=30000"


def seconds_until_inferred(pipeline: Publishing) -> float:
    """From now on to the next inference message."""
    begun_s, count = time.monotonic(), len(pipeline.inferences)
    pipeline.until_inferred(count + 1)
    return time.monotonic() - begun_s


def grpc_extension(folder: Path) -> str:
    with RtspServer(street_clip()) as camera, serving() as model:
        path = written(folder, topology(source(camera.url), grpc("ai", f"tcp://{model.address}"), hub("ai")))
        with Publishing("run", path) as pipeline:
            pipeline.until_inferred(10)
            model.process.kill()
            model.process.wait()
            time.sleep(AWAY_S)
            with serving(where=("--port", model.address.rpartition(":")[2], "--host", "127.0.0.1")):
                return f"{seconds_until_inferred(pipeline):.2f} s"


def http_extension(folder: Path) -> str:
    with RtspServer(street_clip()) as camera:
        model, address = answering()
        endpoint = typed("UnsecuredEndpoint", url=address)
        images = node("HttpExtension", "ai", "camera", endpoint=endpoint, image={})
        with Publishing("run", written(folder, topology(source(camera.url), images, hub("ai")))) as pipeline:
            pipeline.until_inferred(10)
            model.kill()
            model.join()
            time.sleep(AWAY_S)
            model, _ = answering(urlsplit(address).port or 0)
            taken_s = seconds_until_inferred(pipeline)
            model.kill()
            return f"{taken_s:.2f} s"


def answering(port: int = 0) -> tuple[SpawnProcess, str]:
    """An HTTP extension in a process of its own, and its address. It listens."""
    spawn = multiprocessing.get_context("spawn")
    ours, its = spawn.Pipe()
    process = spawn.Process(target=_answer, args=(its, port), daemon=True)
    process.start()
    return process, ours.recv()


def _answer(told: Connection, port: int) -> None:
    with extension(lambda _: found(), port) as (address, _):
        told.send(address)
        signal.pause()


def broker(folder: Path) -> str:
    return asyncio.run(_broker(folder, is_disk_full=False))


def full_disk(folder: Path) -> str:
    return asyncio.run(_broker(folder, is_disk_full=True))


async def _broker(folder: Path, *, is_disk_full: bool) -> str:
    made = Broker(folder / "broker").start()
    watcher = Watcher(made)
    path = written(folder, topology(source(SCENE), motion(**EVERY_FRAME), hub("motion")))
    words = ("--output", f"mqtt://127.0.0.1:{made.port}/site", "--outbox", folder / "outbox")
    with Publishing("run", path, *words) as pipeline:
        # Somebody watches until the kill: what the broker has acknowledged and not saved is gone with it.
        with suppress(aiomqtt.MqttError):
            async with watcher.watching():
                await asyncio.to_thread(pipeline.until_inferred, 10)
                made.kill()
        if is_disk_full:
            limit_files(pipeline.process.pid, 0)
        await asyncio.sleep(AWAY_S)
        if is_disk_full:
            limit_files(pipeline.process.pid, resource.RLIM_INFINITY)
            begun_s = time.monotonic()
            await asyncio.to_thread(pipeline.until_said, "takes messages again")
            taken_s = time.monotonic() - begun_s
            made.start()
        else:
            made.start()
            begun_s = time.monotonic()
        printed = len(pipeline.out)
        async with watcher.watching() as seen:
            await until(lambda: distinct(seen) >= printed, lambda: pipeline.stderr)
            if not is_disk_full:
                taken_s = time.monotonic() - begun_s
        assert await asyncio.to_thread(pipeline.stop, signal.SIGINT) == 0
        async with watcher.watching() as seen:
            await until(lambda: not missing(pipeline, seen), lambda: missing(pipeline, seen))
    made.kill()
    return f"{taken_s:.2f} s; {len(pipeline.out)} messages, none lost"


def distinct(seen: list[Any]) -> int:
    return len({one.payload for one in seen})


def missing(pipeline: Publishing, seen: list[Any]) -> list[int]:
    """Which of the messages, counted from 0, were not delivered."""
    delivered = [json.loads(one.payload) for one in seen]
    return [place for place, one in enumerate(pipeline.messages) if one["body"] not in delivered]


def limit_files(process: int, length_bytes: int) -> None:
    """From now on a file of the process may have this length."""
    resource.prlimit(process, resource.RLIMIT_FSIZE, (length_bytes, resource.RLIM_INFINITY))


def activated(runner: Publishing) -> None:
    """Has a runner keep a pipeline with motion going."""
    address = runner.until_said(r"listening on (http://\S+)")[1]
    with httpx.Client(base_url=address, timeout=40, trust_env=False) as client:
        document = runner_documents.topology()
        document["properties"]["processors"][0] |= EVERY_FRAME
        for method, request in (
            ("pipelineTopologySet", document),
            ("livePipelineSet", runner_documents.pipeline(url=SCENE)),
            ("livePipelineActivate", runner_documents.named("gate-1")),
        ):
            client.post(f"/api/methods/{method}", json=request).raise_for_status()
    runner.until_inferred(10)


def live_process(folder: Path) -> str:
    with Publishing("runner", "--data", folder / "data", "--port", 0) as runner:
        activated(runner)
        (child,) = Path(f"/proc/{runner.process.pid}/task/{runner.process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)
        begun_s = time.monotonic()
        runner.until_said("ended with signal 9")
        taken_s = time.monotonic() - begun_s + seconds_until_inferred(runner)
        assert runner.stop() == 0
        return f"{taken_s:.2f} s"


def whole_runner(folder: Path) -> str:
    with Publishing("runner", "--data", folder / "data", "--port", 0) as runner:
        activated(runner)
        runner.process.kill()
        runner.process.wait()
    begun_s = time.monotonic()
    with Publishing("runner", "--data", folder / "data", "--port", 0) as runner:
        runner.until_inferred(1)
        taken_s = time.monotonic() - begun_s
        assert runner.stop() == 0
        return f"{taken_s:.2f} s"


TRIALS: dict[str, Callable[[Path], str]] = {
    "gRPC extension killed and back": grpc_extension,
    "HTTP extension away and back": http_extension,
    "broker killed and back": broker,
    "disk of the outbox full and room again, broker away": full_disk,
    "kill -9 of a live pipeline's process": live_process,
    "kill -9 of the runner and restart": whole_runner,
}


def main() -> None:
    for name, trial in TRIALS.items():
        if all(word not in name for word in sys.argv[1:]) and sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            print(f"| {name} | {trial(Path(folder))} |", flush=True)


if __name__ == "__main__":
    main()
