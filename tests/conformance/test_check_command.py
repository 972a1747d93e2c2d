"""`framewire check` as its users see it: output, files and exit status of a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import broken_servers as servers
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADER = "rule        verdict    what was seen\n"


@dataclass
class Ended:
    code: int | None
    out: str
    err: str


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "framewire", "check", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def check(*arguments: str) -> Ended:
    process = await start(*arguments)
    out, err = await process.communicate()
    return Ended(process.returncode, out.decode(), err.decode())


def files_of_the_probe(pid: int) -> list[Path]:
    """The shared memory of one process: others may check servers at the same time."""
    return list(Path("/dev/shm").glob(f"framewire-check-{pid}-*"))


async def test_a_right_server_gives_a_table_and_status_0() -> None:
    async with servers.serving(servers.GoodServer()) as address:
        ended = await check(f"tcp://{address}", "--rule", "timestamps", "--rule", "half-close")
    assert ended == Ended(
        0,
        HEADER
        + "timestamps  pass       6 of 6 returned\n"
        + "half-close  pass       5 of 5 answered, then OK\n"
        + "2 passed, 0 failed, 0 not shown\n",
        "",
    )


async def test_a_fault_is_shown_with_the_rule_in_words_and_gives_status_1() -> None:
    async with servers.serving(servers.ForgetsTimestamps()) as address:
        ended = await check(address, "--rule", "timestamps", "--rule", "half-close")
    assert ended == Ended(
        1,
        HEADER
        + "timestamps  fail       sequence 2 was sent at 161100000000000 and answered at 0\n"
        + "                       Each answer carries the timestamp of the sample that it acknowledges.\n"
        + "half-close  pass       5 of 5 answered, then OK\n"
        + "1 passed, 1 failed, 0 not shown\n",
        "",
    )


async def test_the_verdicts_are_written_as_json(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.json"
    async with servers.serving(servers.GoodServer()) as address:
        ended = await check(address, "--rule", "half-close", "--json", str(file))
    assert ended.code == 0
    assert json.loads(file.read_text()) == {
        "target": address,
        "passed": 1,
        "failed": 0,
        "notShown": 0,
        "rules": [
            {
                "rule": "half-close",
                "section": "3",
                "sentence": "After the client's half-close what is outstanding is answered, nothing else follows, "
                "and the status is OK.",
                "verdict": "pass",
                "seen": "5 of 5 answered, then OK",
            }
        ],
    }


async def test_json_on_standard_output_sends_the_table_to_standard_error() -> None:
    async with servers.serving(servers.GoodServer()) as address:
        ended = await check(address, "--rule", "half-close", "--json", "-")
    assert json.loads(ended.out)["passed"] == 1
    assert ended.err.endswith("1 passed, 0 failed, 0 not shown\n")


async def test_rules_that_cannot_be_played_are_counted_in_one_line() -> None:
    async with servers.serving(servers.RefusesEverybody()) as address:
        ended = await check(address)
    *_, before_last, last = ended.out.splitlines()
    assert before_last == "39 rules were not played: no session can be opened"
    assert last == "0 passed, 2 failed, 39 not shown"
    assert ended.code == 1


async def test_a_server_that_wants_credentials_is_one_line_and_no_verdict() -> None:
    async with servers.serving(servers.WantsCredentials()) as address:
        ended = await check(address)
    assert ended.code == 1
    assert "pass" not in ended.out
    assert ended.err == (
        f"framewire: {address} does not let us in: UNAUTHENTICATED: who are you; give its --user and --password\n"
    )


async def test_a_unix_socket_is_probed_too(tmp_path: Path) -> None:
    async with servers.serving(servers.GoodServer(), f"unix:{tmp_path}/server.sock") as address:
        ended = await check(address, "--rule", "shared-memory", "--rule", "many-cameras", "--rule", "reset")
    assert ended.out.endswith("3 passed, 0 failed, 0 not shown\n")


async def test_nobody_there_is_one_line_and_status_1() -> None:
    async with servers.serving(servers.GoodServer()) as address:
        pass
    ended = await check(address)
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert f"cannot reach {address}: " in ended.err
    assert "Connection refused" in ended.err


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_check_takes_its_shared_memory_with_it(stop: signal.Signals) -> None:
    async with servers.serving(servers.NeverAcknowledges()) as address:
        process = await start(address, "--rule", "reference-outside", "--timeout", "60")
        for _ in range(1_000):
            if files_of_the_probe(process.pid):
                break
            await asyncio.sleep(0.02)
        assert files_of_the_probe(process.pid)
        process.send_signal(stop)
        _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode() == "framewire: interrupted\n"
    assert not files_of_the_probe(process.pid)


async def test_wrong_usage_is_one_line_and_status_2(tmp_path: Path) -> None:
    wrong = {
        (): "missing HOST:PORT",
        ("somewhere",): "'somewhere' is not an address; allowed: HOST:PORT, tcp://HOST:PORT or unix:/PATH",
        ("host:1", "--rule", "speed"): "there is no rule 'speed'; --list names them all",
        ("host:1", "--timeout", "0"): "timeout 0 s is no time to wait; allowed: more than 0",
        ("host:1", "--password", "x"): "--password is nothing without --user",
        ("host:1", "--shared-memory-mode", "rw"): "'rw' is no permission such as 0600 or 0644",
        ("host:1", "--json", f"{tmp_path}/no/where"): "cannot be written: No such file or directory",
    }
    ended = await asyncio.gather(*(check(*arguments) for arguments in wrong))
    for one, said in zip(ended, wrong.values(), strict=True):
        assert (one.code, one.out, one.err.count("\n")) == (2, "", 1), one
        assert said in one.err


async def test_the_rules_are_listed_without_a_server() -> None:
    ended = await check("--list")
    assert ended.code == 0
    assert len(ended.out.splitlines()) >= 41
    assert ended.out.startswith("handshake ")
