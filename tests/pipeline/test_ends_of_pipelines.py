"""How long a pipeline waits for its last answers when it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

from command_line import documents, eventually, running, serving
from crooked_servers import Call, deaf_to_frames, serving_crookedly
from pipeline_documents import grpc, hub, source, topology, written


def changed(folder: Path, module: str, text: str) -> dict[str, str]:
    """The environment of a process in which a module was changed: no option makes these times shorter or longer."""
    package, _, name = module.rpartition(".")
    (folder / "sitecustomize.py").write_text(f"from framewire.{package} import {name} as changed\n{text}\n")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


def test_a_file_that_waits_for_its_extension_waits_at_its_end_too(tmp_path: Path) -> None:
    env = changed(tmp_path, "pipeline.live", "changed._END_S = 0.1")
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
        with running("run", path) as pipeline:
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
    env = changed(tmp_path, "pipeline.live", "changed._END_S, changed._STOP_S = 3600.0, 0.2")

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
    env = changed(
        tmp_path,
        "pipeline.nodes.grpc_extension",
        "from framewire.pipeline import live\n"
        "live._STOP_S = 3600.0\n"
        "changed.AGAIN = type(changed.AGAIN)(first_s=3600.0, longest_s=3600.0)",
    )
    path = written(tmp_path, topology(source("test:size=160x90"), grpc("ai", "tcp://127.0.0.1:1"), hub("ai")))
    with running("run", path, env=env) as pipeline:
        pipeline.until_said(r"ai: .* cannot be reached .*; trying again")
        assert pipeline.stop(signal.SIGINT) == 0
    assert "unanswered" not in pipeline.stderr
