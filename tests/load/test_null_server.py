"""The server that only acknowledges, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from loaded_servers import a_load

from framewire.load import run_load
from framewire.load.null_server import measure_alone, null_server


async def test_it_answers_every_frame_without_an_inference() -> None:
    async with null_server() as address:
        report = await run_load(a_load(address, duration_s=0.1))
    assert report.is_clean
    assert report.tally.answered == report.tally.empty > 0


async def test_what_the_generator_can_do_alone_is_measured_with_it() -> None:
    async with null_server() as address:
        alone = await measure_alone(address, a_load(address), 0.1, asyncio.Event())
    assert alone is not None
    assert alone > 100


async def test_it_may_have_ended_before_it_is_told_to() -> None:
    async with null_server():
        assert _kill_it() == 1
        await asyncio.sleep(0.5)  # asyncio hears of it


def _kill_it() -> int:
    children = [
        child for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()
    ]
    servers = [child for child in children if b"null_server" in Path(f"/proc/{child}/cmdline").read_bytes()]
    for server in servers:
        os.kill(int(server), signal.SIGKILL)
    return len(servers)


def test_nothing_of_the_current_folder_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start() -> None:
        async with null_server():
            pass

    (tmp_path / "json.py").write_text("open('was-run', 'w').close()\nraise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)
    asyncio.run(start())
    assert [file.name for file in tmp_path.iterdir()] == ["json.py"]
