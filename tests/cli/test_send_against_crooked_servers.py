"""``send`` and servers that break the contract, are somebody else, or are not there."""

import asyncio
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import crooked_servers as crooked
import grpc
import pytest
from command_line import Finished, complaint, documents, framewire, memory_of, refused, running, serving
from crooked_servers import Behaviour, serving_crookedly

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
        (crooked.silent, "ADDRESS did not answer the descriptor within 0.5 s"),
        (
            crooked.impolite,
            "ADDRESS breaks the contract: the server's first message is not a descriptor; allowed: a descriptor",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_server_that_does_not_take_the_session(behaviour: Behaviour, text: str) -> None:
    finished, said = await sent_to(behaviour, "--timeout", 0.5, "--shared-memory")
    assert (finished.returncode, said) == (1, f"framewire: {text}\n")


async def test_a_server_that_babbles() -> None:
    finished, said = await sent_to(crooked.babbling)
    assert finished.returncode == 1
    assert said.startswith("framewire: ADDRESS sent something else than the contract's messages: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("behaviour", "summary", "text"),
    [
        (
            crooked.ending_early,
            "3 frames sent, 2 answered, 1 lost; ",
            "ADDRESS ended the stream before we did",
        ),
        (
            crooked.failing,
            "3 frames sent, 2 answered, 1 lost; ",
            "ADDRESS ended the stream with INTERNAL: the model fell over",
        ),
        (crooked.deaf_to_frames, "1 frames sent, 0 answered, 1 lost\n", "ADDRESS has not answered 1 frames for 0.5 s"),
        (
            crooked.never_ending,
            "5 frames sent, 5 answered, 0 lost; ",
            "ADDRESS has answered all and not ended the stream for 0.5 s",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_server_that_ends_the_stream_in_the_middle_or_not_at_all(
    behaviour: Behaviour, summary: str, text: str
) -> None:
    finished, said = await sent_to(behaviour, "--timeout", 0.5, "--in-flight", 1)
    assert finished.returncode == 1
    assert said.startswith(summary)
    assert said.endswith(f"framewire: {text}\n")
    assert said.count("\n") == 2


async def test_a_server_that_repeats_its_descriptor() -> None:
    finished, said = await sent_to(crooked.repeating_itself)
    assert finished.returncode == 1
    assert said.endswith(
        "framewire: ADDRESS breaks the contract: the server sent a second descriptor; "
        "allowed: one, as its first message\n"
    )


async def test_the_other_streams_go_on_when_one_is_refused() -> None:
    taken = 0

    async def taking_two(call: crooked.Call) -> None:
        nonlocal taken
        taken += 1
        await (crooked.honest(call) if taken <= 2 else crooked.refusing(call))

    finished, said = await sent_to(taking_two, "--streams", 3)
    assert finished.returncode == 1
    assert len(documents(finished.stdout)) == 10
    assert said.startswith("10 frames sent, 10 answered, 0 lost; ")
    assert said.endswith("framewire: ADDRESS ended the stream with RESOURCE_EXHAUSTED: no more cameras\n")


@pytest.mark.parametrize("in_flight", [1, 7])
async def test_no_more_frames_are_in_flight_than_allowed(in_flight: int) -> None:
    waited: list[int] = []
    async with serving_crookedly(crooked.holding(waited)) as address:
        finished = await asyncio.to_thread(
            framewire, "send", "test:size=64x48,frames=12", "--to", address, "--in-flight", in_flight
        )
    assert finished.returncode == 0
    assert finished.stderr.startswith("12 frames sent, 12 answered, 0 lost; ")
    assert max(waited) == in_flight


async def test_four_frames_are_in_flight_unless_told_otherwise() -> None:
    waited: list[int] = []
    async with serving_crookedly(crooked.holding(waited)) as address:
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
            # Two equal signals that come at once are one; that the first was taken is not to be seen from outside.
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


def test_a_server_that_accepts_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        said = refused("send", FIVE, "--to", address, "--timeout", 0.5, code=1)
    assert said == f"{address} did not answer the descriptor within 0.5 s"


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


def test_it_is_told_how_many_of_the_streams_failed() -> None:
    with serving("--max-sessions", 2) as server:
        finished = framewire("send", FIVE, "--to", server.address, "--streams", 3)
    assert finished.returncode == 1
    *_, summary, count, error = finished.stderr.splitlines()
    assert summary.startswith("10 frames sent, 10 answered, 0 lost")
    assert count == "framewire: 1 of 3 streams failed"
    refusal = f"framewire: {server.address} ended the stream with RESOURCE_EXHAUSTED: 2 sessions are open"
    assert error.startswith(refusal)
