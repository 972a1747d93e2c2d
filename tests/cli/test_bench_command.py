"""``framewire bench`` as an operator runs it."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import crooked_servers as crooked
import pytest
from command_line import (
    Finished,
    Server,
    command,
    complaint,
    environment,
    framewire,
    framewire_here,
    memory_of,
    refused,
    refused_here,
    running,
    serving,
)
from crooked_servers import Behaviour, serving_crookedly

SHORT = ("--size", "64x48", "--warm-up", 0.1, "--duration", 0.3, "--calibrate", 0)
ENDLESS = ("--size", "64x48", "--warm-up", 0, "--duration", 600, "--calibrate", 0)

HEAD = "streams  frames/s    p50    p95    p99    max   lost  doubled    empty   CPU ms  RSS MiB"


@pytest.fixture(scope="module")
def judging() -> Iterator[Server]:
    with serving() as server:
        yield server


def rows(text: str) -> list[list[str]]:
    """The lines of the table of figures, in words."""
    lines = text.partition(HEAD)[2].partition("\n\n")[0].strip("\n").splitlines()
    return [line.split() for line in lines]


def test_the_figures_of_a_local_server_for_each_number_of_streams(judging: Server) -> None:
    finished = framewire("bench", "--to", judging.address, "--streams", "1,3", *SHORT)
    assert finished.returncode == 0, finished.stderr
    first, second = finished.stdout.splitlines()[:2]
    assert re.fullmatch(rf"{judging.address}: JPG 64x48, \d+ bytes a frame embedded", first)
    assert second == "each stream as fast as answers come, 4 in flight; 0.3 s, after 0.1 s of warm-up"
    one, three = rows(finished.stdout)
    assert [one[0], three[0]] == ["1", "3"]
    for row in (one, three):
        frames_per_second, p50, p95, p99, longest = map(float, row[1:6])
        assert frames_per_second > 0
        assert 0 < p50 <= p95 <= p99 <= longest
        assert row[6:9] == ["0", "0", "0"]
        cpu_ms, rss_mib = map(float, row[9:])
        assert cpu_ms > 0
        assert rss_mib > 10
    assert "the generator itself:\nstreams  CPU ms per frame  busy  alone, frames/s\n" in finished.stdout


def test_what_the_generator_alone_can_do_is_measured_without_the_server(judging: Server, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    arguments = ("--warm-up", 0, "--duration", 0.2, "--calibrate", 0.2, "--json", file)
    finished = framewire("bench", "--to", judging.address, "--size", "64x48", *arguments)
    assert finished.returncode == 0, finished.stderr
    (load,) = json.loads(file.read_text("utf-8"))["loads"]
    alone = load["generator"]["aloneFramesPerSecond"]
    assert alone > 100
    assert f"{round(alone, -2):.0f}" in finished.stdout.partition("alone, frames/s\n")[2].splitlines()[0]


def test_raw_frames_through_shared_memory_at_a_rate(judging: Server, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    options = ("--pixel-format", "bgra", "--shared-memory", "--in-flight", 3, "--fps", 50, "--json", file)
    finished = framewire("bench", "--to", f"tcp://{judging.address}", *SHORT, *options)
    assert finished.returncode == 0, finished.stderr
    document = json.loads(file.read_text("utf-8"))
    (load,) = document.pop("loads")
    assert document == {
        "target": f"tcp://{judging.address}",
        "format": "RAW BGRA 64x48",
        "frameBytes": 12288,
        "sharedMemoryBytes": 36864,
        "inFlight": 3,
        "framesPerSecondOfEachStream": 50.0,
        "warmUpS": 0.1,
        "failure": None,
    }
    assert load["offeredPerSecond"] == 50.0
    assert 12 <= load["latencyMs"]["count"] <= load["durationS"] * 50 + 2
    assert load["server"]["processes"] == 1
    assert "streams  offered/s  frames/s" in finished.stdout
    assert "each stream 50 frames/s, 3 in flight" in finished.stdout


def test_json_on_stdout_leaves_the_table_to_stderr(judging: Server) -> None:
    finished = framewire("bench", "--to", judging.address, *SHORT, "--json", "-")
    assert finished.returncode == 0
    assert json.loads(finished.stdout)["loads"][0]["streams"] == 1
    assert HEAD in finished.stderr


def test_a_source_of_ones_own_and_memory_of_a_size(judging: Server) -> None:
    arguments = ("test:size=32x32,frames=2", "--encoding", "bmp", "--shared-memory=0.01")
    times = ("--warm-up", 0, "--duration", 0.2, "--calibrate", 0)
    finished = framewire_here("bench", "--to", judging.address, *arguments, *times)
    assert finished.returncode == 0, finished.stderr
    # 3,126 bytes a frame, 10,486 in all.
    assert "BMP 32x32, 3126 bytes a frame through shared memory\n" in finished.stdout
    assert "3 in flight" in finished.stdout


def test_a_link_that_leads_nowhere_stays_a_link(tmp_path: Path) -> None:
    link = tmp_path / "figures.json"
    link.symlink_to(tmp_path / "elsewhere" / "figures.json")
    finished = framewire("bench", "--to", "127.0.0.1:9", *SHORT, "--json", link)
    assert finished.returncode == 2
    assert f"--json {link} cannot be written: No such file or directory" in finished.stderr
    (tmp_path / "elsewhere").mkdir()
    assert framewire("bench", "--to", "127.0.0.1:9", *SHORT, "--json", link).returncode == 1
    assert link.is_symlink()


def test_the_statistics_of_our_own_server_are_shown(judging: Server) -> None:
    finished = framewire_here("bench", "--to", judging.address, *SHORT)
    assert "the server's own statistics since it was started:\nstage, ms" in finished.stdout
    assert re.search(r"^process +\d+ ", finished.stdout, re.MULTILINE)


def test_a_server_that_drops_frames_is_not_shown_to_be_that_fast(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\nfrom framewire import Processor, Classification, Tag\n"
        "class Slow(Processor):\n"
        "    def process(self, frames):\n"
        "        time.sleep(0.1)\n"
        "        return [(Classification(Tag('seen')),)] * len(frames)\n"
    )
    file = tmp_path / "figures.json"
    with serving("--processor", f"{tmp_path / 'slow.py'}:Slow", "--when-busy", "latest") as server:
        finished = framewire("bench", "--to", server.address, *SHORT, "--in-flight", 8, "--json", file)
    assert finished.returncode == 0, finished.stderr
    (load,) = json.loads(file.read_text("utf-8"))["loads"]
    # Ten frames/s are processed and hundreds answered.
    assert load["serverFrames"]["answered"] <= 10
    assert sum(load["serverFrames"]["dropped"].values()) > 20
    assert load["answered"] - load["empty"] <= 10
    assert rows(finished.stdout)[0][8] == str(load["empty"])
    pattern = (
        r"framewire: 1 stream: the server processed [\d.]+ frames/s and answered \d+ frames without processing them"
    )
    assert re.search(pattern, finished.stderr)


async def benched(behaviour: Behaviour, *arguments: object) -> tuple[Finished, str]:
    """Loads a crooked server; gives what came of it, with the address left out."""
    async with serving_crookedly(behaviour) as address:
        finished = await asyncio.to_thread(framewire, "bench", "--to", address, *arguments)
    assert "Traceback" not in finished.stderr
    return finished, finished.stderr.replace(address, "ADDRESS")


@pytest.mark.parametrize(
    ("behaviour", "lost", "is_doubled", "said"),
    [
        (crooked.honest, "0", False, ""),
        (crooked.forgetting, "1", False, ""),
        (crooked.doubling, "0", True, ""),
        (crooked.inventing, "0", False, "framewire: 1 stream: N answers were for frames that had never been sent\n"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_frame_that_is_lost_or_answered_twice_makes_the_exit_code_1(
    behaviour: Behaviour, lost: str, is_doubled: bool, said: str
) -> None:
    finished, text = await benched(behaviour, *SHORT)
    ((*_, counted_lost, doubled, _, _, _),) = rows(finished.stdout)
    assert counted_lost == lost
    assert (doubled != "0") == is_doubled
    assert finished.returncode == (behaviour is not crooked.honest)
    # A busy machine may add a word on its cores.
    others = [line for line in text.splitlines(keepends=True) if "busy" not in line and "cores" not in line]
    assert re.sub(r"\d+ answers", "N answers", "".join(others)) == said


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        (crooked.refusing, "ADDRESS ended the stream with RESOURCE_EXHAUSTED: no more cameras"),
        (crooked.hanging_up, "ADDRESS ended the stream without answering the descriptor"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_server_that_does_not_serve_is_told_in_one_line(behaviour: Behaviour, text: str) -> None:
    arguments = ("--size", "64x48", "--warm-up", 600, "--shared-memory", "--streams", "1,2")
    finished, said = await benched(behaviour, *arguments)
    assert (finished.returncode, finished.stdout, said) == (1, "", f"framewire: {text}\n")


async def test_a_server_that_is_silent_is_told_in_one_line() -> None:
    # The descriptor and the frames have one limit. It is long enough for a machine that is held up, and both run at
    # once.
    arguments = ("--size", "64x48", "--timeout", 5.5, "--warm-up", 600, "--shared-memory", "--streams", "1,2")
    (silent, said), (deaf, said_of_frames) = await asyncio.gather(
        benched(crooked.silent, *arguments), benched(crooked.deaf_to_frames, *arguments)
    )
    assert [(finished.returncode, finished.stdout) for finished in (silent, deaf)] == [(1, "")] * 2
    assert said == "framewire: ADDRESS did not answer the descriptor within 5.5 s\n"
    assert said_of_frames == (
        "framewire: ADDRESS has not answered 4 frames for 5.5 s; give it longer with --timeout if it is that slow\n"
    )


async def test_what_was_measured_before_a_failure_is_printed_and_written(tmp_path: Path) -> None:
    calls = 0

    async def taking_one(call: crooked.Call) -> None:
        nonlocal calls
        calls += 1
        await (crooked.honest if calls == 1 else crooked.refusing)(call)

    file = tmp_path / "figures.json"
    finished, said = await benched(taking_one, *SHORT, "--streams", "1,2,3", "--json", file)
    assert finished.returncode == 1
    assert [row[0] for row in rows(finished.stdout)] == ["1"]
    assert said.endswith("framewire: ADDRESS ended the stream with RESOURCE_EXHAUSTED: no more cameras\n")
    document = json.loads(file.read_text("utf-8"))
    assert [load["streams"] for load in document["loads"]] == [1]
    assert document["failure"].endswith("ended the stream with RESOURCE_EXHAUSTED: no more cameras")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
async def test_a_signal_ends_it_and_what_was_measured_is_printed(number: int) -> None:
    arrived = asyncio.Event()

    async def noting(call: crooked.Call) -> None:
        await call.accept()
        async for frame in call.frames():
            await call.answer(frame)
            if frame.sequence_number == 50:
                arrived.set()

    async with serving_crookedly(noting) as address:
        with running("bench", "--to", address, *ENDLESS, "--shared-memory", "--streams", "1,2") as load:
            async with asyncio.timeout(30):
                await arrived.wait()
            assert len(memory_of(load.process)) == 1
            assert await asyncio.to_thread(load.stop, number) == 0
    (row,) = rows(load.stdout)
    assert row[0] == "1"
    assert float(row[1]) > 0
    assert memory_of(load.process) == []


async def test_a_signal_while_the_server_is_silent_needs_no_patience() -> None:
    arrived = asyncio.Event()

    async def noting(call: crooked.Call) -> None:
        await call.receive()
        arrived.set()
        await call.wait_for_ever()

    async with serving_crookedly(noting) as address:
        with running("bench", "--to", address, *ENDLESS, "--shared-memory", "--timeout", 600) as load:
            async with asyncio.timeout(30):
                await arrived.wait()
            assert await asyncio.to_thread(load.stop, signal.SIGINT) == 1
    assert load.stderr == "framewire: stopped before anything was measured\n"
    assert memory_of(load.process) == []


async def test_a_second_signal_does_not_wait_for_answers() -> None:
    arrived = asyncio.Event()

    async def noting(call: crooked.Call) -> None:
        await call.accept()
        await call.receive()
        arrived.set()
        await call.wait_for_ever()

    async with serving_crookedly(noting) as address:
        with running("bench", "--to", address, *ENDLESS, "--shared-memory", "--timeout", 600) as load:
            async with asyncio.timeout(30):
                await arrived.wait()
            load.send_signal(signal.SIGINT)
            await asyncio.to_thread(load.until_taken, signal.SIGINT)
            # It waits for the answer; a process that does not has ended by then.
            await asyncio.sleep(0.3)
            assert load.is_running
            assert await asyncio.to_thread(load.stop, signal.SIGINT) == 1
    assert load.stderr == "framewire: interrupted\n"
    assert memory_of(load.process) == []


def test_a_terminal_shows_a_line_while_it_runs_and_takes_it_away(judging: Server) -> None:
    controller, terminal = pty.openpty()
    arguments = ("--size", "64x48", "--warm-up", 0.6, "--duration", 1.2, "--calibrate", 0, "--to", judging.address)
    with subprocess.Popen(
        command("bench", *arguments), stdout=subprocess.PIPE, stderr=terminal, env=environment(), text=True
    ) as process:
        os.close(terminal)
        seen = b""
        while True:
            try:
                part = os.read(controller, 4096)
            except OSError:  # the other side is closed
                break
            seen += part
        os.close(controller)
        assert process.stdout is not None
        assert HEAD in process.stdout.read()
    lines = seen.decode().split("\r\x1b[K")
    assert any(re.fullmatch(r"1 stream: warming up, \d+ frames sent", line) for line in lines)
    figure = r"[\d.]+"
    pattern = rf"1 stream: {figure} s, {figure} frames/s, p50 {figure} ms, p99 {figure} ms, \d+ lost or late"
    assert any(re.fullmatch(pattern, line) for line in lines)
    assert "lost or late" not in lines[-1]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--streams", "0"), "Invalid value for '--streams': '0' is no number from 1 to 4096, and no list such as 1,4"),
        (("--streams", "1,,2"), "Invalid value for '--streams': '1,,2' is no number"),
        (("--streams", "4097"), "Invalid value for '--streams': '4097' is no number"),
        (("--shared-memory", "20"), "write --shared-memory=20, with ="),
        (("--shared-memory=0",), "Invalid value for '--shared-memory': '0' is no size in MiB"),
        (("--shared-memory=nan",), "Invalid value for '--shared-memory': 'nan' is no size in MiB"),
        (("--shared-memory=0.001", "--size", "640x480"), "shared memory of 1049 bytes does not hold a frame of "),
        (("--to", "nowhere"), "address 'nowhere' is none; allowed: HOST:PORT"),
        (("--json", "no/such/folder/x"), "--json no/such/folder/x cannot be written: No such file or directory"),
        (("--fps", "-1"), "fps is -1; allowed: 0.001 to 100000; without --fps frames are sent as fast as answers come"),
        (("--fps", "1e9"), "fps is 1e+09; allowed: 0.001 to 100000"),
        (("--duration", "0"), "duration is 0; allowed: a number above 0"),
        (("--warm-up", "-1"), "warm-up is -1; allowed: 0 or more seconds"),
        (("--timeout", "nan"), "timeout is nan; allowed: a number above 0"),
        (("--calibrate", "-1"), "calibrate is -1; allowed: 0 or more seconds"),
        (("--in-flight", "0"), "in flight is 0; allowed: 1 to 4096"),
        (("--encoding", "png", "--quality", "5"), "--quality means nothing for png"),
        (("--encoding", "png", "--pixel-format", "rgb24"), "--pixel-format rgb24 implies raw and --encoding is png"),
        (("--password", "x"), "--password needs --user"),
        (("--user", "\udcff"), "--user is '\\udcff'; allowed: text in UTF-8"),
        (("--user", "me", "--password", "s\udcff"), "--password is ***; allowed: text in UTF-8"),
        (("nothing.mp4",), "nothing.mp4 does not exist; allowed: test: (a synthetic scene), "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: tuple[str, ...], text: str) -> None:
    # Nobody listens at port 1; none of these gets that far.
    assert refused_here("bench", "--to", "127.0.0.1:1", *arguments).startswith(text)


def test_a_file_that_can_be_written_is_not_left_empty_when_the_run_fails(tmp_path: Path) -> None:
    refused("bench", "--to", "127.0.0.1:1", "--size", "64x48", "--shared-memory=0.000001", "--json", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_that_nobody_reads_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    said = refused("bench", "--to", "127.0.0.1:1", "--size", "64x48", "--json", tmp_path / "pipe")
    assert said == (
        f"--json {tmp_path}/pipe is a pipe, a socket or a disk; allowed: a file; "
        "--json - writes to stdout, which may be a pipe"
    )


def test_figures_may_go_to_a_device_and_one_that_is_full_is_told(judging: Server) -> None:
    finished = framewire_here("bench", "--to", judging.address, *SHORT, "--json", "/dev/null")
    assert finished.returncode == 0, finished.stderr
    finished = framewire_here("bench", "--to", judging.address, *SHORT, "--json", "/dev/full")
    assert finished.returncode == 1
    assert finished.stderr.endswith("framewire: --json /dev/full cannot be written: No space left on device\n")


def test_a_picture_without_matplotlib_is_refused_before_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    text = refused_here("bench", "--to", "127.0.0.1:1", "--plot", tmp_path / "x.png")
    assert text == "--plot needs matplotlib, which is not installed; pip install 'framewire[plot]'"


def test_a_picture_of_the_figures(judging: Server, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "figures.png"
    finished = framewire_here("bench", "--to", judging.address, *SHORT, "--plot", file)
    assert finished.returncode == 0, finished.stderr
    assert file.read_bytes().startswith(b"\x89PNG\r\n")


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    said = refused("bench", "--to", f"127.0.0.1:{port}", "--size", "64x48", code=1)
    assert said.startswith(f"127.0.0.1:{port} cannot be reached (")
    assert said.endswith("; check the address, and that the server is running")


def test_credentials_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("camera:secret\n")
    with serving("--credentials", tmp_path / "credentials") as server:
        good = {"FRAMEWIRE_USER": "camera", "FRAMEWIRE_PASSWORD": "secret"}
        assert framewire_here("bench", "--to", server.address, *SHORT, env=good).returncode == 0
        refusal = complaint(framewire_here("bench", "--to", server.address, *SHORT), 1)
    assert "UNAUTHENTICATED" in refusal
