"""Pipelines on cameras: what is kept when one comes and goes, and how many a core carries."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline_clips import Recording, topology

from framewire.runner.answers import MethodError
from framewire.runner.processes import Processes

ROOT = Path(__file__).resolve().parents[1]
# The camera that misbehaves and the counting of what a process holds are the tests'.
sys.path += [str(ROOT / "tests" / name) for name in ("rtsp", "soak")]

from camera_behaviour import Behaviour  # noqa: E402 # it lies where `sys.path` leads only now
from camera_clips import clip_of_file, street_clip  # noqa: E402 # it lies where `sys.path` leads only now
from camera_server import RtspServer  # noqa: E402 # it lies where `sys.path` leads only now
from footprints import children_of, footprint_of, resident_bytes  # noqa: E402 # it lies where `sys.path` leads only now

CHILD = Path(__file__).with_name("pipeline_child.py")
BACKOFF_S = 0.05
PATIENCE_S = 90.0
LOOKS = 4
WINDOW_S = 20.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def reconnects(folder: Path, count: int) -> dict[str, Any]:
    """What the process of a pipeline holds while its camera drops each session, and while it is not there."""
    document = topology(folder, "watched", motion=True)
    clip = street_clip(640, 360, frames=10)
    with RtspServer(clip, Behaviour(speed=float("inf"), frames=6, then="drop")) as server:
        drops = _watched(document, server.url, count, lambda lines: server.connections - 1)
        server.refuse()
        refusals = _watched(document, server.url, count, lambda lines: lines)
    return {"looks": {"drops": drops, "away": refusals}, "pause_s": BACKOFF_S, "count": count}


def _watched(document: Path, url: str, count: int, done: Callable[[int], int]) -> list[dict[str, Any]]:
    """Looks at a process when it has connected so often; `done` is told how many messages of faults it has printed."""
    arguments = [str(document), "--set", f"rtspUrl={url}"]
    job = {"what": "pipeline", "arguments": arguments, "backoff_s": BACKOFF_S}
    command = [sys.executable, CHILD, json.dumps(job)]
    lines = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        stdout = process.stdout
        assert stdout is not None

        def count_faults() -> None:
            nonlocal lines
            for line in stdout:
                lines += "Diagnostics.NetworkError" in line or "Diagnostics.ProtocolError" in line

        reader = threading.Thread(target=count_faults)
        reader.start()
        base = done(0)
        found = []
        for step in range(LOOKS + 1):
            # Not from the first on: what a process loads and keeps once is no leak.
            wanted = count * (step + 1) // (LOOKS + 1)
            _until(lambda wanted=wanted: done(lines) - base >= wanted)  # type: ignore[misc] # mypy cannot infer a lambda with a default
            holds = footprint_of(process.pid)
            found.append(
                {
                    "reconnects": done(lines) - base,
                    "rss_mib": resident_bytes(process.pid) / 2**20,
                    "files": holds.files,
                    "threads": holds.threads,
                }
            )
        process.terminate()
        process.wait(PATIENCE_S)
        reader.join()
    print(found, flush=True)
    return found


def _until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise SystemExit("the pipeline does not come back to its camera")
        time.sleep(0.01)  # another process makes it so, and tells only in its output


def cameras(folder: Path, clip: Recording) -> dict[str, Any]:
    """CPU time per camera and second, of one pipeline, of four, and of as many as one core should carry."""
    document = topology(folder, "camera-with-motion", motion=True)
    # In a process of its own: here it would hold up those who read what the pipelines say.
    command = [sys.executable, __file__, str(clip.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as camera:
        assert camera.stdout is not None
        url = camera.stdout.readline().strip()
        one = asyncio.run(_together(document.read_text(), url, 1, core=None))
        four = asyncio.run(_together(document.read_text(), url, 4, core=None))
        most = max(1, int(0.8 / four["cpu_per_camera"]))
        many = asyncio.run(_together(document.read_text(), url, most, core=0))
        camera.kill()
    return {"rate": clip.rate, "kbit_s": clip.kbit_s, "runs": [one, four, many]}


async def _together(document: str, url: str, count: int, core: int | None) -> dict[str, Any]:
    """So many pipelines in the processes of ``framewire runner``, on one core if one is given."""
    processes = Processes("bench", lambda message: None)
    names = [f"camera-{number}" for number in range(count)]
    try:
        for name in names:
            await _activate(processes, name, document, url)
        pids = [pid for pid in children_of(os.getpid()) if b"framewire.runner.child" in _command(pid)]
        if core is not None:
            _pin(pids, core)
        await _streaming(processes, names)
        await asyncio.sleep(3)
        before_s, began_s, frames = _cpu_s(pids), time.monotonic(), _frames(processes, names)
        await asyncio.sleep(WINDOW_S)
        cpu_s, clock_s, more = _cpu_s(pids) - before_s, time.monotonic() - began_s, _frames(processes, names)
        rss = [resident_bytes(pid) / 2**20 for pid in pids]
    finally:
        await processes.close()
    rates = [(late - early) / clock_s for late, early in zip(more, frames, strict=True)]
    found = {
        "cameras": count,
        "is_on_one_core": core is not None,
        "cpu_per_camera": cpu_s / clock_s / count,
        "frames_per_second": sum(rates) / count,
        "slowest": min(rates),
        "rss_mib": sum(rss) / count,
    }
    print(found, flush=True)
    return found


async def _activate(processes: Processes, name: str, document: str, url: str) -> None:
    """On a core that many share, a process may take longer to load than the runner waits."""
    for tries_left in (2, 1, 0):
        try:
            await processes.activate(name, document, {"rtspUrl": url})
            return
        except MethodError:
            if not tries_left:
                raise


def _pin(pids: list[int], core: int) -> None:
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def _streaming(processes: Processes, names: list[str]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while min(_frames(processes, names)) < 10:  # noqa: ASYNC110 # they say it once a second, in their status
            await asyncio.sleep(0.2)


def _frames(processes: Processes, names: list[str]) -> list[int]:
    return [int(processes.report(name).get("source", {}).get("frames", 0)) for name in names]


def _cpu_s(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_S


def serve() -> None:
    """A camera for as many as come, until this process is killed."""
    with RtspServer(clip_of_file(Path(sys.argv[1]))) as server:
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    serve()
