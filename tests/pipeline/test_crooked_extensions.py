"""Extensions that break the rules, all in one pipeline: each is told of in one line, and none harms the others."""

from __future__ import annotations

import asyncio
import math
import re
from contextlib import ExitStack
from typing import Any

import pytest
from command_line import Finished, documents, framewire
from crooked_servers import LIGHT, Call, serving_crookedly
from http_extensions import Reply, extension
from pipeline_documents import grpc, hub, node, source, topology, typed, written

from framewire.model.message import Descriptor, GraphIdentifier, Message, Sample
from framewire.wire import encode, extension_pb2

FRAMES = 20

PUBLISHED = {"type": "classification", "classification": {"tag": {"value": "light", "confidence": 1}}}


async def answering_with(call: Call, message: Message, left: float) -> None:
    """Two inferences, of which one has a box that begins here."""
    number = message.sequence_number
    assert isinstance(message.payload, Sample)
    answer = extension_pb2.MediaStreamMessage()
    answer.ParseFromString(encode(Message(number, number, Sample(message.payload.timestamp, None, LIGHT))))
    entity = answer.media_sample.inferences.add().entity
    entity.tag.value = "car"
    entity.box.l, entity.box.t, entity.box.w, entity.box.h = left, 0.25, 0.5, 0.5
    await call.context.write(answer.SerializeToString())


async def play(call: Call) -> None:
    """Plays the part that the node is named after."""
    opening = await call.receive()
    assert opening is not None
    assert isinstance(opening.payload, Descriptor)
    assert isinstance(opening.payload.identifier, GraphIdentifier)
    part = opening.payload.identifier.graph_node_name
    if part == "no-descriptor":
        await call.send(Sample(0, None, LIGHT), opening.sequence_number)
    elif part == "garbage":
        await call.context.write(b"\xff" * 100)
    else:
        await call.send(Descriptor("crooked"), 77 if part == "wrong-first-ack" else opening.sequence_number)
    async for message in call.frames():
        assert isinstance(message.payload, Sample)
        match part:
            case "wrong-ack":
                await call.answer(message, ack=message.sequence_number + 1000)
            case "wrong-time":
                await call.send(Sample(12_345, None, LIGHT), message.sequence_number)
            case "outside":
                await answering_with(call, message, 1.5)
            case "no-number":
                await answering_with(call, message, math.nan)
            case "babbling":
                await call.answer(message, LIGHT * 10_001)
            case "flooding":
                await call.context.write(bytes(17 << 20))
            case "dies":
                raise SystemError("the model is gone")
            case _:
                await call.answer(message)


PARTS = [
    *("good", "no-descriptor", "garbage", "wrong-first-ack", "wrong-ack", "wrong-time", "outside", "no-number"),
    *("babbling", "flooding", "dies"),
]
REPLIES: dict[str, Reply] = {
    "redirecting": lambda _: (302, {"Location": "http://elsewhere.local/"}, b""),
    "no-json": lambda _: (200, {}, b"<html>"),
    "no-result": lambda _: (200, {}, b"[1, 2]"),
    "huge": lambda _: (200, {}, b" " * (5 << 20)),
    "failing": lambda _: (500, {}, b"out of\nmemory\x1b[2J"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    image = {"scale": {"width": "64"}, "format": typed("ImageFormatJpeg")}

    async def serve() -> Finished:
        with ExitStack() as opened:
            at = {name: opened.enter_context(extension(reply))[0] for name, reply in REPLIES.items()}
            async with serving_crookedly(play) as address:
                nodes = [grpc(name, f"tcp://{address}") for name in PARTS]
                for name, url in at.items():
                    endpoint = typed("UnsecuredEndpoint", url=url)
                    nodes.append(node("HttpExtension", name, "camera", endpoint=endpoint, image=image))
                names = [one["name"] for one in nodes]
                scene = source(f"test:size=160x96,fps=10,frames={FRAMES}")
                path = written(tmp_path_factory.mktemp("crooked"), topology(scene, *nodes, hub(*names)))
                return await asyncio.to_thread(framewire, "run", path)

    return asyncio.run(serve())


def bodies(finished: Finished, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Event type and body of what a node has published, but for its drops: a busy machine has them anyhow."""
    return [
        (one["applicationProperties"]["eventType"].removeprefix("Microsoft.VideoAnalyzer."), one["body"])
        for one in documents(finished.stdout)
        if one["applicationProperties"]["subject"].endswith(f"/{name}")
        and not one["applicationProperties"]["eventType"].endswith(".DataDropped")
    ]


def said(finished: Finished, name: str) -> list[str]:
    return [line.partition(": ")[2] for line in finished.stderr.splitlines() if line.startswith(f"{name}: ")]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("good", None),
        ("wrong-first-ack", None),
        # A frame keeps its own time, whatever the answer says.
        ("wrong-time", None),
        ("outside", "in an answer: .*1.5 is outside the range; allowed: 0 to 1"),
        ("no-number", "in an answer: .*nan is outside the range; allowed: 0 to 1"),
    ],
)
def test_legal_inferences_are_published_with_the_time_of_their_frame(
    name: str, line: str | None, finished: Finished
) -> None:
    assert finished.returncode == 0
    told = bodies(finished, name)
    assert {kind for kind, _ in told} == {"Analytics.Inference"}
    assert all(body["inferences"] == [PUBLISHED] for _, body in told)
    # Ten frames a second, by the clock: how many a busy machine had time to send is open.
    first = bodies(finished, "good")[0][1]["timestamp"]
    assert {(body["timestamp"] - first) // 9_000 for _, body in told} <= set(range(-FRAMES, FRAMES))
    assert all((body["timestamp"] - first) % 9_000 == 0 for _, body in told)
    lines = said(finished, name)
    assert len(lines) == (line is not None)
    assert line is None or re.search(line, lines[0])


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        ("no-descriptor", "INTERNAL", "breaks the contract: the server's first message is not a descriptor"),
        ("garbage", "INTERNAL", "sent something else than the contract's messages"),
        ("babbling", "INTERNAL", "a sample has 10001 inferences; allowed: up to 10000"),
        ("flooding", "RESOURCE_EXHAUSTED", "it sent a message of 17825792 bytes; allowed: up to 16777216"),
        ("dies", "UNKNOWN", "ended the stream with UNKNOWN"),
    ],
)
def test_a_broken_session_is_one_event_and_one_line(name: str, code: str, line: str, finished: Finished) -> None:
    ((kind, body),) = bodies(finished, name)
    assert (kind, body["code"], body["protocol"]) == ("Diagnostics.ProtocolError", code, "grpc")
    assert line in body["details"][0]["message"]
    (told,) = said(finished, name)
    assert line in told
    assert re.search(rf"\b{name}: 0 \(dropped: [^)]*extension-away", finished.stderr)


def test_answers_to_frames_that_were_never_sent_are_left_out(finished: Finished) -> None:
    assert bodies(finished, "wrong-ack") == []
    (line,) = said(finished, "wrong-ack")
    assert line == "in an answer: it acknowledges frame 1002, which it was not sent"


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("redirecting", "302", "the extension sends us elsewhere, which is not followed"),
        ("no-json", "200", "the answer is not JSON"),
        ("no-result", "200", 'the document is a list; allowed: an object {"inferences":[..]}'),
        ("huge", "200", "the answer is larger than 4194304 bytes"),
        ("failing", "500", "out of memory [2J"),
    ],
)
def test_each_answer_that_is_no_result_is_an_event(name: str, code: str, message: str, finished: Finished) -> None:
    told = bodies(finished, name)
    assert {(kind, body["code"], body["details"][0]["message"]) for kind, body in told} == {
        ("Diagnostics.ProtocolError", code, message)
    }
    (line,) = said(finished, name)
    assert line.endswith(message)
