"""Worker processes that die under a running server: whose frames fail, who does not notice, and what is left."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from attacked_server import attacked, running
from wire_camera import SMALL, MemoryFile, WireCamera, camera, eventually, memory_file

from framewire.model.inference import Inference, Text
from framewire.model.message import Content, ContentReference
from framewire.processors.catalogue import Catalogue, ProcessorKind
from framewire.server import Server

PROCESSORS = Path(__file__).parents[1] / "soak" / "soak_processors.py"

EXITS, FAULTS, HANGS = 250, 251, 252

_SHORT_S = 2.0
"""How long a frame may take where one hangs. On a busy machine the others take a while, too."""


def processor(name: str) -> ProcessorKind:
    """A processor in a file, as a worker process can load it."""
    return Catalogue().load(f"{PROCESSORS}:{name}")


@asynccontextmanager
async def deadly_server(**options: Any) -> AsyncIterator[Server]:
    """A server whose worker processes do what the first bytes of their frames say."""
    chosen = {"executor": "processes", "workers": 2, **options}
    async with running(processor("Deadly"), **chosen) as server:
        yield server


def frame_of(level: int, memory: MemoryFile | None = None) -> Content:
    """A frame whose first byte is `level`."""
    data = bytes([level]) * 24
    return data if memory is None else memory.write(level * 16, data)


def words(inferences: Sequence[Inference]) -> list[str]:
    return [inference.value for inference in inferences if isinstance(inference, Text)]


async def answered(one: WireCamera, content: Content) -> list[str]:
    """What a frame is answered with."""
    return words((await one.answer(await one.frame(content))).inferences)


def workers() -> list[int]:
    """The living child processes of this process, in which the server runs."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):
            found += map(int, (task / "children").read_text(encoding="utf-8").split())
    return found


def has_ended(pid: int) -> bool:
    """Whether there is no such process, or only what is left of it until it is waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("is_embedded", [True, False], ids=["embedded", "shared memory"])
@pytest.mark.parametrize("level", [EXITS, FAULTS, HANGS], ids=["exit", "segmentation fault", "no return"])
async def test_the_frame_that_ends_a_process_is_acknowledged_as_failed_and_no_other(
    level: int, is_embedded: bool
) -> None:
    with memory_file() as file:
        memory = None if is_embedded else file
        limit = {"frame_timeout_s": _SHORT_S} if level == HANGS else {}
        async with (
            deadly_server(**limit) as server,
            camera(server.address) as one,
            camera(server.address) as other,
        ):
            await one.handshake(SMALL, memory=memory.announcement if memory else None)
            await other.handshake(SMALL)
            before = set(workers())
            deadly = await one.frame(frame_of(level, memory))
            behind = [await one.frame(frame_of(value, memory)) for value in (1, 2, 3)]
            beside = [await other.frame(frame_of(value)) for value in (4, 5, 6)]
            assert words((await one.answer(deadly)).inferences) == []
            assert [words((await one.answer(number)).inferences) for number in behind] == [["1"], ["2"], ["3"]]
            assert [words((await other.answer(number)).inferences) for number in beside] == [["4"], ["5"], ["6"]]
            assert len(before - set(workers())) == 1
            assert server.statistics()["frames"]["failed"] == 1
            # The camera has its slot back: whoever might have read it is no more.
            assert await answered(one, frame_of(7, memory)) == ["7"]
            assert (await one.finish()).code == "OK"
            assert (await other.finish()).code == "OK"


async def test_processes_killed_from_outside_between_frames_cost_no_frame(caplog: pytest.LogCaptureFixture) -> None:
    async with deadly_server() as server, camera(server.address) as one:
        await one.handshake(SMALL)
        for value in range(1, 4):
            assert await answered(one, frame_of(value)) == [str(value)]
            killed = workers()
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            # The kernel takes a moment; nobody but the server waits for them.
            await eventually(lambda: all(map(has_ended, killed)))  # noqa: B023 # it is awaited here
            assert await answered(one, frame_of(100 + value)) == [str(100 + value)]
            # Both are there again, also the one that got no frame.
            await eventually(lambda: caplog.text.count("is ready") == 2 * value)  # noqa: B023 # it is awaited here
        assert server.statistics()["frames"]["failed"] == 0
        assert (await one.finish()).code == "OK"


async def test_an_idle_process_that_ends_is_replaced_before_the_next_frame_comes() -> None:
    async with deadly_server(workers=1) as server, camera(server.address) as one:
        await one.handshake(SMALL)
        (killed,) = workers()
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: set(workers()) - {killed} != set())
        assert server.statistics()["executors"][0]["replaced"] == 1
        assert await answered(one, frame_of(1)) == ["1"]
        assert server.statistics()["frames"]["failed"] == 0


async def test_a_camera_stays_though_the_next_process_dies_as_well(caplog: pytest.LogCaptureFixture) -> None:
    async with deadly_server(workers=1, max_bad_frames=3) as server, camera(server.address) as one:
        await one.handshake(SMALL)
        (first,) = workers()
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: set(workers()) - {first} != set())
        (opening,) = set(workers()) - {first}
        os.kill(opening, signal.SIGKILL)
        await eventually(lambda: server.statistics()["executors"][0]["replaced"] == 2)
        # Half a second goes by before the next try: on a machine that is not busy all of them fail.
        for value in range(1, 6):
            assert await answered(one, frame_of(value)) in ([], [str(value)])
        await eventually(lambda: "is ready" in caplog.text)
        assert await answered(one, frame_of(6)) == ["6"]
        assert (await one.finish()).code == "OK"


async def test_a_camera_is_taken_on_while_the_only_process_works(tmp_path: Path) -> None:
    told = tmp_path / "told"
    os.mkfifo(told)
    async with (
        deadly_server(workers=1, frame_timeout_s=60, processor_options={"told": str(told)}) as server,
        camera(server.address) as one,
        camera(server.address) as other,
    ):
        await one.handshake(SMALL)
        held = await one.frame(frame_of(HANGS))
        assert await asyncio.to_thread(told.read_text) == "hangs"
        await other.handshake(SMALL)
        behind = await other.frame(frame_of(2))
        (pid,) = workers()
        os.kill(pid, signal.SIGKILL)
        assert words((await one.answer(held)).inferences) == []
        assert words((await other.answer(behind)).inferences) == ["2"]


async def test_a_process_killed_from_outside_in_a_call_fails_the_frame_that_it_held(tmp_path: Path) -> None:
    told = tmp_path / "told"
    os.mkfifo(told)
    async with (
        deadly_server(workers=1, frame_timeout_s=60, processor_options={"told": str(told)}) as server,
        camera(server.address) as one,
    ):
        await one.handshake(SMALL)
        held = await one.frame(frame_of(HANGS))
        behind = await one.frame(frame_of(1))
        assert await asyncio.to_thread(told.read_text) == "hangs"
        (pid,) = workers()
        os.kill(pid, signal.SIGKILL)
        assert words((await one.answer(held)).inferences) == []
        assert words((await one.answer(behind)).inferences) == ["1"]


async def test_a_client_that_truncates_its_memory_during_a_read_ends_a_process_and_no_server(tmp_path: Path) -> None:
    told = tmp_path / "told"
    os.mkfifo(told)
    with memory_file(8192) as memory:
        async with (
            attacked(
                processor("Reading"), processor_options={"told": str(told)}, executor="processes", workers=2
            ) as server,
            camera(server.address) as attacker,
            camera(server.address) as other,
        ):
            await attacker.handshake(SMALL, memory=memory.announcement)
            await other.handshake(SMALL)
            held = await attacker.frame(memory.write(4096, bytes([HANGS]) * 24))
            assert await asyncio.to_thread(told.read_text) == "holds a frame"
            before = set(workers())
            memory.truncate(0)
            await asyncio.to_thread(told.write_text, "read it")
            assert words((await attacker.answer(held)).inferences) == []
            assert len(before - set(workers())) == 1
            # Other cameras of the same processes go on; so does the neighbour, who is judged at the end.
            assert await answered(other, frame_of(9)) == ["9"]
            assert await answered(other, frame_of(10)) == ["10"]
            # The next frame that is not there any more ends the session of whoever did this.
            await attacker.frame(ContentReference(0, 24))
            ending = await attacker.ending()
            assert ending.code == "INVALID_ARGUMENT"
            assert ending.details.startswith("the shared memory has shrunk to 0 bytes")
            await eventually(lambda: not memory.is_open and not memory.is_mapped)


async def test_copying_survives_a_truncation_during_the_read_without_losing_a_process(tmp_path: Path) -> None:
    told = tmp_path / "told"
    os.mkfifo(told)
    with memory_file(8192) as memory:
        async with (
            running(
                processor("Reading"),
                processor_options={"told": str(told)},
                executor="processes",
                shared_memory_read="copy",
            ) as server,
            camera(server.address) as one,
        ):
            await one.handshake(SMALL, memory=memory.announcement)
            held = await one.frame(memory.write(4096, bytes([HANGS]) * 24))
            assert await asyncio.to_thread(told.read_text) == "holds a frame"
            before = workers()
            memory.truncate(0)
            await asyncio.to_thread(told.write_text, "read it")
            assert words((await one.answer(held)).inferences) == [str(HANGS)]
            assert workers() == before


async def test_a_camera_whose_frames_kill_without_end_is_sent_away_and_the_server_stays() -> None:
    async with attacked(processor("Deadly"), executor="processes", max_bad_frames=3) as server:
        async with camera(server.address) as attacker:
            await attacker.handshake(SMALL)
            for _ in range(3):
                await attacker.frame(frame_of(EXITS))
            ending = await attacker.ending()
            assert ending.code == "INTERNAL"
            assert ending.details == "the processor failed on 3 frames in a row; the server's log says why"
        async with camera(server.address) as next_one:
            await next_one.handshake(SMALL)
            assert await answered(next_one, frame_of(5)) == ["5"]


async def test_a_reset_while_a_process_hangs_frees_its_memory_once_the_process_is_killed() -> None:
    with memory_file() as memory:
        async with deadly_server(workers=1, frame_timeout_s=_SHORT_S) as server:
            async with camera(server.address) as one:
                await one.handshake(SMALL, memory=memory.announcement)
                await one.frame(frame_of(HANGS, memory))
                await eventually(lambda: server.frames_in_flight == 1)
                one.reset()
                await eventually(lambda: server.sessions == 0)
            await eventually(lambda: not memory.is_open and not memory.is_mapped)
            await eventually(lambda: server.frames_in_flight == 0)
            async with camera(server.address) as other:
                await other.handshake(SMALL)
                assert await answered(other, frame_of(1)) == ["1"]


async def test_draining_answers_what_a_dying_process_held() -> None:
    async with deadly_server(workers=1, frame_timeout_s=_SHORT_S) as server, camera(server.address) as one:
        await one.handshake(SMALL)
        held, behind = await one.frame(frame_of(HANGS)), await one.frame(frame_of(1))
        await eventually(lambda: server.frames_in_flight == 2)
        assert await server.drain()
        assert (await one.ending()).code == "UNAVAILABLE"
        assert words((await one.answer(held)).inferences) == []
        assert words((await one.answer(behind)).inferences) == ["1"]


async def test_a_stopped_server_leaves_no_process_and_no_file_though_one_hangs() -> None:
    # The first call of grpc in a process opens files that stay.
    async with running() as server, camera(server.address) as one:
        await one.handshake(SMALL)
    before, files = workers(), open_files()
    async with deadly_server(drain_timeout_s=0, frame_timeout_s=_SHORT_S) as server, camera(server.address) as one:
        await one.handshake(SMALL)
        await one.frame(frame_of(HANGS))
        await eventually(lambda: server.frames_in_flight == 1)
        assert len(workers()) == len(before) + 2
    await eventually(lambda: workers() == before)
    await eventually(lambda: open_files() <= files)
