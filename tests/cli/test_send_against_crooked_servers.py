"""``send`` and servers that break the contract, are somebody else, or are not there."""

import asyncio
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import crooked_servers as crooked
import grpc
import pytest
from command_line import Finished, complaint, documents, framewire, memory_of, refused, running, serving
from crooked_servers import Behaviour, serving_crookedly

TOYS = Path(__file__).parent / "watching.py"

FIVE = "test:size=64x48,frames=5"


async def sent_to(behaviour: Behaviour, *arguments: object) -> tuple[Finished, str]:
    """Sends five frames; gives what came of it, with the address left out."""
    async with serving_crookedly(behaviour) as address:
        finished = await asyncio.to_thread(framewire, "send", FIVE, "--to", address, *arguments)
    assert "Traceback" not in finished.stderr
    return finished, finished.stderr.replace(address, "ADDRESS")


async def test_an_honest_server() -> None:
    finished, said = await sent_to(crooked.honest)
    assert finished.returncode == 0
    assert said.startswith("5 frames sent, 5 answered, 0 lost; ")
    assert len(documents(finished.stdout)) == 5


@pytest.mark.parametrize(
    ("behaviour", "summary"),
    [
        (crooked.doubling, "5 frames sent, 5 answered, 0 lost, 5 answers doubled; "),
        (crooked.inventing, "5 frames sent, 5 answered, 0 lost, 5 answers for unknown frames; "),
        (crooked.forgetting, "5 frames sent, 4 answered, 1 lost; "),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_result_that_is_doubled_unknown_or_missing_is_counted(behaviour: Behaviour, summary: str) -> None:
    finished, said = await sent_to(behaviour)
    assert finished.returncode == 1
    assert said.startswith(summary)
    assert said.count("\n") == 1


async def test_an_illegal_inference_is_left_out_and_counted() -> None:
    finished, said = await sent_to(crooked.judging_illegally)
    assert said.startswith("5 frames sent, 5 answered, 0 lost, 5 illegal inferences left out; ")
    assert [len(document["inferences"]) for document in documents(finished.stdout)] == [1, 1, 1, 1, 1]


async def test_a_result_that_acknowledges_nothing_is_neither_doubled_nor_unknown() -> None:
    finished, said = await sent_to(crooked.adding_a_last_word)
    assert finished.returncode == 0
    assert said.startswith("5 frames sent, 5 answered, 0 lost; ")
    assert len(documents(finished.stdout)) == 1


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        (crooked.refusing, "ADDRESS ended the stream with RESOURCE_EXHAUSTED: no more cameras"),
        (crooked.hanging_up, "ADDRESS ended the stream without answering the descriptor"),
        (
            crooked.impolite,
            "ADDRESS breaks the contract: the server's first message is not a descriptor; allowed: a descriptor",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_server_that_does_not_take_the_session(behaviour: Behaviour, text: str) -> None:
    finished, said = await sent_to(behaviour, "--shared-memory")
    assert (finished.returncode, said) == (1, f"framewire: {text}\n")


async def test_a_server_that_is_silent_from_some_point_on() -> None:
    # Reaching a server and each of its answers have one limit. It is long enough for a machine that is held up, and
    # all run at once.
    limited = ("--timeout", 5.5, "--in-flight", 1, "--shared-memory")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        unheard, *others = await asyncio.gather(
            asyncio.to_thread(framewire, "send", FIVE, "--to", address, *limited),
            sent_to(crooked.silent, *limited),
            sent_to(crooked.deaf_to_frames, *limited),
            sent_to(crooked.never_ending, *limited),
        )
    assert complaint(unheard, 1) == f"{address} did not answer the descriptor within 5.5 s"
    assert [finished.returncode for finished, _ in others] == [1, 1, 1]
    silent, deaf, endless = (said for _, said in others)
    assert silent == "framewire: ADDRESS did not answer the descriptor within 5.5 s\n"
    assert deaf == "1 frames sent, 0 answered, 1 lost\nframewire: ADDRESS has not answered 1 frames for 5.5 s\n"
    summary, error = endless.splitlines()
    assert summary.startswith("5 frames sent, 5 answered, 0 lost; ")
    assert error == "framewire: ADDRESS has answered all and not ended the stream for 5.5 s"


async def test_a_server_that_babbles() -> None:
    finished, said = await sent_to(crooked.babbling)
    assert finished.returncode == 1
    assert said.startswith("framewire: ADDRESS sent something else than the contract's messages: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        (crooked.ending_early, "ADDRESS ended the stream before we did"),
        (crooked.failing, "ADDRESS ended the stream with INTERNAL: the model fell over"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_server_that_ends_the_stream_in_the_middle(behaviour: Behaviour, text: str) -> None:
    finished, said = await sent_to(behaviour, "--in-flight", 1)
    assert finished.returncode == 1
    assert said.startswith("3 frames sent, 2 answered, 1 lost; ")
    assert said.endswith(f"framewire: {text}\n")
    assert said.count("\n") == 2


async def test_a_server_that_repeats_its_descriptor() -> None:
    finished, said = await sent_to(crooked.repeating_itself)
    assert finished.returncode == 1
    assert said.endswith(
        "framewire: ADDRESS breaks the contract: the server sent a second descriptor; "
        "allowed: one, as its first message\n"
    )


async def test_the_other_streams_go_on_when_one_is_refused_and_it_is_told_how_many_failed() -> None:
    taken = 0

    async def taking_two(call: crooked.Call) -> None:
        nonlocal taken
        taken += 1
        await (crooked.honest(call) if taken <= 2 else crooked.refusing(call))

    finished, said = await sent_to(taking_two, "--streams", 3)
    assert finished.returncode == 1
    assert len(documents(finished.stdout)) == 10
    summary, count, error = said.splitlines()
    assert summary.startswith("10 frames sent, 10 answered, 0 lost; ")
    assert count == "framewire: 1 of 3 streams failed"
    assert error == "framewire: ADDRESS ended the stream with RESOURCE_EXHAUSTED: no more cameras"


@pytest.mark.parametrize("in_flight", [1, 7])
async def test_no_more_frames_are_in_flight_than_allowed(in_flight: int) -> None:
    waited: list[int] = []
    async with serving_crookedly(crooked.holding(waited, in_flight)) as address:
        finished = await asyncio.to_thread(
            framewire, "send", "test:size=64x48,frames=12", "--to", address, "--in-flight", in_flight
        )
    assert finished.returncode == 0
    assert finished.stderr.startswith("12 frames sent, 12 answered, 0 lost; ")
    assert max(waited) == in_flight


async def test_four_frames_are_in_flight_unless_told_otherwise() -> None:
    waited: list[int] = []
    async with serving_crookedly(crooked.holding(waited, 4)) as address:
        await asyncio.to_thread(framewire, "send", FIVE, "--to", address)
    assert max(waited) == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_a_signal_while_the_server_is_silent_needs_no_patience(number: int) -> None:
    arrived = asyncio.Event()

    async def noting(call: crooked.Call) -> None:
        await call.receive()
        arrived.set()
        await call.wait_for_ever()

    async with serving_crookedly(noting) as address:
        with running("send", FIVE, "--to", address, "--shared-memory") as camera:
            async with asyncio.timeout(30):
                await arrived.wait()
            assert len(memory_of(camera.process)) == 1
            assert await asyncio.to_thread(camera.stop, number) == 0
    assert camera.stderr == "0 frames sent, 0 answered, 0 lost\n"
    assert memory_of(camera.process) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_a_second_signal_ends_it_at_once(number: int) -> None:
    arrived = asyncio.Event()

    async def noting(call: crooked.Call) -> None:
        await call.accept()
        await call.receive()
        arrived.set()
        await call.wait_for_ever()

    async with serving_crookedly(noting) as address:
        with running("send", FIVE, "--to", address, "--shared-memory") as camera:
            async with asyncio.timeout(30):
                await arrived.wait()
            camera.send_signal(signal.SIGINT)
            await asyncio.to_thread(camera.until_taken, signal.SIGINT)
            # It waits for the answer; a process that does not has ended by then.
            await asyncio.sleep(0.3)
            assert camera.is_running
            assert await asyncio.to_thread(camera.stop, number) == 1
    assert camera.stderr == "framewire: interrupted\n"
    assert memory_of(camera.process) == []


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    started = time.monotonic()
    said = refused("send", FIVE, "--to", f"127.0.0.1:{port}", "--shared-memory", "--streams", 2, code=1)
    assert said.startswith(f"127.0.0.1:{port} cannot be reached (")
    assert said.endswith("; check the address, and that the server is running")
    # Far less than the 30 s that an answer may take.
    assert time.monotonic() - started < 15


def test_a_host_that_nobody_knows() -> None:
    said = refused("send", FIVE, "--to", "no-such-host.invalid:5001", code=1)
    assert said.startswith("no-such-host.invalid:5001 cannot be reached (")


def test_a_web_server() -> None:
    class Web(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Web) as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        address = f"127.0.0.1:{web.server_port}"
        said = refused("send", FIVE, "--to", address, "--timeout", 2, code=1)
        web.shutdown()
        thread.join()
    assert said.startswith(address)


async def test_a_grpc_server_of_another_service() -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        finished = await asyncio.to_thread(framewire, "send", FIVE, "--to", f"127.0.0.1:{port}")
    finally:
        await server.stop(grace=None)
    assert complaint(finished, 1).startswith(f"127.0.0.1:{port} does not serve the extension contract (")


def test_a_proxy_for_the_world_outside_is_not_asked_for_a_neighbour(proxied: dict[str, str]) -> None:
    async def run() -> Any:
        async with serving_crookedly(crooked.honest) as address:
            return await asyncio.to_thread(framewire, "send", FIVE, "--to", address, env=proxied)

    assert asyncio.run(run()).returncode == 0


@pytest.fixture
def proxied() -> dict[str, str]:
    proxy = "http://127.0.0.1:1"
    return {"http_proxy": proxy, "https_proxy": proxy, "grpc_proxy": proxy, "no_proxy": "", "no_grpc_proxy": ""}


def test_a_server_that_is_full(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gated = ("--processor", f"{TOYS}:Gated", "--option", f"gate={gate}")
    with (
        serving("--max-sessions", 2, *gated) as server,
        running("send", FIVE, "--to", server.address, "--streams", 2) as cameras,
    ):
        # No answer comes before the gate is there: both sessions stay open.
        server.until_said("session 2: framewire-send-")
        said = refused("send", FIVE, "--to", server.address, code=1)
        gate.touch()
        assert cameras.end() == 0
    assert said.startswith(f"{server.address} ended the stream with RESOURCE_EXHAUSTED: 2 sessions are open")
    assert cameras.stderr.startswith("10 frames sent, 10 answered, 0 lost; ")
