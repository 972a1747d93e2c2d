"""gRPC extensions that fall silent without ending anything: they are left, told of, and asked again."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from command_line import changed_by, documents, eventually, framewire, running, serving
from crooked_servers import Call, serving_crookedly
from pipeline_documents import grpc, hub, source, topology, typed, written

from framewire.model.message import Descriptor, GraphIdentifier, Message
from framewire.wire import encode

_IMPATIENT = """
from framewire.client import ClientOptions
from framewire.pipeline.nodes import grpc_extension

grpc_extension._ANSWER_S = 1.0
made = grpc_extension.ClientOptions
grpc_extension.ClientOptions = lambda **options: made(**options, handshake_timeout_s=1.0)
"""
"""Found as `sitecustomize`: no topology can ask for less patience than 20 and 30 seconds."""


async def test_one_that_does_not_answer_is_left_and_asked_again(tmp_path: Path) -> None:
    env = changed_by(tmp_path, _IMPATIENT)
    sessions = 0

    async def behave(call: Call) -> None:
        nonlocal sessions
        sessions += 1
        if sessions == 1:
            await call.wait_for_ever()  # not even the descriptor is answered
        await call.accept()
        async for frame in call.frames():
            if sessions == 2:
                await call.wait_for_ever()
            await call.answer(frame)

    def story(address: str) -> tuple[str, str]:
        path = written(tmp_path, topology(source("test:size=160x90"), grpc("ai", f"tcp://{address}"), hub("ai")))
        with running("run", path, env=env) as pipeline:
            pipeline.until_said(r"ai: .* did not answer the descriptor within 1 s; trying again")
            pipeline.until_said(r"ai: .* is back")
            assert pipeline.stop(signal.SIGINT) == 0
        return pipeline.stdout, pipeline.stderr

    async with serving_crookedly(behave) as address:
        out, err = await asyncio.to_thread(story, address)
    errors = [
        one["body"]
        for one in documents(out)
        if one["applicationProperties"]["eventType"] == "Microsoft.VideoAnalyzer.Diagnostics.NetworkError"
    ]
    # The second is of the same kind, and nothing was well in between: it is not told once more.
    assert [error["code"] for error in errors] == ["DEADLINE_EXCEEDED"]
    assert errors[0]["details"][0]["message"] == f"{address} did not answer the descriptor within 1 s"
    assert sessions >= 3  # on a busy machine a third may take longer than a second, too
    assert "Analytics.Inference" in out
    assert "extension-away" in err


_BROKEN_ONCE = """
from framewire.pipeline.nodes import extension

unscale, calls = extension.unscale_inferences, []

def broken_once(*arguments):
    calls.append(1)
    if len(calls) == 3:
        raise RuntimeError("a fault of ours")
    return unscale(*arguments)

extension.unscale_inferences = broken_once
"""
"""Found as `sitecustomize`: nothing that a peer sends makes a node break, as far as is known."""


def test_a_node_that_breaks_costs_the_frame_alone(tmp_path: Path) -> None:
    env = changed_by(tmp_path, _BROKEN_ONCE)
    with serving() as server:
        scene = source("test:size=160x90,frames=100")
        path = written(tmp_path, topology(scene, grpc("ai", f"tcp://{server.address}"), hub("ai")))
        finished = framewire("run", path, "--as-fast-as-possible", env=env)
    assert finished.returncode == 0, finished.stderr
    assert "ai: the node broke (RuntimeError: a fault of ours)" in finished.stderr
    assert "ai: 99 (dropped: 1 node-broke)" in finished.stderr
    kinds = {one["applicationProperties"]["eventType"] for one in documents(finished.stdout)}
    assert "Microsoft.VideoAnalyzer.Diagnostics.ProtocolError" not in kinds


async def test_one_that_takes_no_frame_is_left_and_asked_again(tmp_path: Path) -> None:
    """By hand, as gRPC's own server reads a message ahead."""
    env = changed_by(tmp_path, _IMPATIENT)
    descriptor = encode(Message(1, 1, Descriptor(GraphIdentifier("", "takes", "nothing"))))
    sessions = 0

    def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sessions
        sessions += 1
        headers = frame(1, 4, 1, b"\x88\x0f\x10\x10application/grpc")
        message = frame(0, 0, 1, b"\0" + len(descriptor).to_bytes(4, "big") + descriptor)
        writer.write(frame(4, 0, 0) + headers + message)
        while await reader.read(1 << 16):  # it reads, and allows no more than 64 KiB
            pass
        writer.close()

    def story(address: str) -> str:
        raw = {"format": typed("ImageFormatRaw", pixelFormat="rgb24")}
        node = grpc("ai", f"tcp://{address}", image=raw, dataTransfer={"mode": "embedded"})
        path = written(tmp_path, topology(source("test:size=640x360,fps=5"), node, hub("ai")))
        with running("run", path, env=env) as pipeline:
            pipeline.until_said(r"ai: .* has not taken a frame for 1 s; trying again")
            eventually(lambda: sessions > 1, "another session")
            assert pipeline.stop(signal.SIGINT) == 0
        return pipeline.stdout

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        out = await asyncio.to_thread(story, f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert '"code":"DEADLINE_EXCEEDED"' in out
