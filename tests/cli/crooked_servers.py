"""Extension servers in a few lines each, most of them with a fault that a client must notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc

from framewire.model.inference import Classification, Inference, Tag
from framewire.model.message import Descriptor, GraphIdentifier, Message, Sample
from framewire.wire import METHOD, SERVICE, decode, encode, extension_pb2

LIGHT = (Classification(Tag("light")),)


class Call:
    """One stream, message by message."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self._sent = 0

    async def receive(self) -> Message | None:
        """The next message; None when the client has half-closed."""
        data = await self.context.read()
        return None if data is grpc.aio.EOF else decode(data)

    async def send(self, payload: Descriptor | Sample | None, ack: int = 0) -> None:
        self._sent += 1
        await self.context.write(encode(Message(self._sent, ack, payload)))

    async def accept(self) -> None:
        """Reads the descriptor and answers it."""
        message = await self.receive()
        assert message is not None
        assert isinstance(message.payload, Descriptor)
        await self.send(Descriptor(GraphIdentifier("", "crooked", "server")), message.sequence_number)

    async def answer(self, message: Message, inferences: Sequence[Inference] = LIGHT, ack: int | None = None) -> None:
        assert isinstance(message.payload, Sample)
        number = message.sequence_number if ack is None else ack
        await self.send(Sample(message.payload.timestamp, None, inferences), number)

    async def frames(self) -> AsyncIterator[Message]:
        while (message := await self.receive()) is not None:
            yield message

    async def wait_for_ever(self) -> None:
        await asyncio.Event().wait()


Behaviour = Callable[[Call], Awaitable[None]]


@asynccontextmanager
async def serving_crookedly(behaviour: Behaviour) -> AsyncIterator[str]:
    """A server of one behaviour on a free port; gives its address."""

    async def process(_: Any, context: Any) -> None:
        await behaviour(Call(context))

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler = grpc.stream_stream_rpc_method_handler(process)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=None)


async def honest(call: Call) -> None:
    await call.accept()
    async for frame in call.frames():
        await call.answer(frame)


async def doubling(call: Call) -> None:
    await call.accept()
    async for frame in call.frames():
        await call.answer(frame)
        await call.answer(frame)


async def inventing(call: Call) -> None:
    await call.accept()
    async for frame in call.frames():
        await call.answer(frame)
        await call.answer(frame, ack=frame.sequence_number + 1000)


async def forgetting(call: Call) -> None:
    """Never answers the third frame."""
    await call.accept()
    async for frame in call.frames():
        if frame.sequence_number != 4:
            await call.answer(frame)


async def judging_illegally(call: Call) -> None:
    """Adds an inference without a value to each answer."""
    await call.accept()
    async for frame in call.frames():
        answer = extension_pb2.MediaStreamMessage()
        answer.ParseFromString(encode(Message(frame.sequence_number, frame.sequence_number, Sample(0, None, LIGHT))))
        answer.media_sample.inferences.add(subtype="nothing")
        await call.context.write(answer.SerializeToString())


async def adding_a_last_word(call: Call) -> None:
    """As servers with aggregated batches do: a result that acknowledges nothing."""
    await call.accept()
    last = None
    async for frame in call.frames():
        await call.answer(frame, ())
        last = frame
    assert last is not None
    await call.answer(last, ack=0)


async def silent(call: Call) -> None:
    await call.wait_for_ever()


async def deaf_to_frames(call: Call) -> None:
    await call.accept()
    await call.wait_for_ever()


async def never_ending(call: Call) -> None:
    await honest(call)
    await call.wait_for_ever()


async def ending_early(call: Call) -> None:
    """Says OK in the middle of the stream."""
    await call.accept()
    async for frame in call.frames():
        if frame.sequence_number == 4:
            return
        await call.answer(frame)


async def failing(call: Call) -> None:
    await call.accept()
    async for frame in call.frames():
        if frame.sequence_number == 4:
            await call.context.abort(grpc.StatusCode.INTERNAL, "the model fell over")
        await call.answer(frame)


async def refusing(call: Call) -> None:
    await call.context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no more cameras")


async def hanging_up(call: Call) -> None:
    """Ends before it has said a word."""


async def impolite(call: Call) -> None:
    """Answers without a descriptor."""
    await call.receive()
    await call.send(Sample(0), 1)
    await call.wait_for_ever()


async def repeating_itself(call: Call) -> None:
    await call.accept()
    await call.send(Descriptor(GraphIdentifier("", "crooked", "server")))
    await call.wait_for_ever()


async def babbling(call: Call) -> None:
    await call.context.write(b"\xff\xff\xff")
    await call.wait_for_ever()


def holding(in_flight: list[int], allowed: int) -> Behaviour:
    """Answers a frame when as many wait as may, or the stream is over; notes how many waited."""

    async def behave(call: Call) -> None:
        await call.accept()
        waiting: list[Message] = []
        changed = asyncio.Event()
        is_over = False

        async def take() -> None:
            nonlocal is_over
            async for frame in call.frames():
                waiting.append(frame)
                in_flight.append(len(waiting))
                changed.set()
            is_over = True
            changed.set()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(take())
            while not is_over or waiting:
                if not is_over and len(waiting) < allowed:
                    changed.clear()
                    await changed.wait()
                    continue
                if not is_over:
                    # A client that sends more than it may has sent it by then.
                    await asyncio.sleep(0.05)
                await call.answer(waiting.pop(0))

    return behave
