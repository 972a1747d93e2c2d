"""Servers of the contract in a few lines each, some with a fault that a load must show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc

from framewire.load import LoadOptions
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.inference import Classification, Inference, Tag
from framewire.model.message import Descriptor, Message, Sample
from framewire.wire import METHOD, SERVICE, decode, encode

FRAMES = [bytes([shade]) * (8 * 4 * 3) for shade in (10, 20, 30)]
FORMAT = VideoFormat(Encoding.RAW, 8, 4, PixelFormat.RGB24)


def a_load(address: str, **changes: Any) -> LoadOptions:
    """A load that is over soon."""
    chosen = {"warm_up_s": 0.05, "duration_s": 0.3, "timeout_s": 20.0, **changes}
    return LoadOptions(address, FORMAT, FRAMES, **chosen)


class Call:
    """One stream, message by message."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self._sent = 0

    async def receive(self) -> Message | None:
        """The next message; None when the client has half-closed."""
        data = await self.context.read()
        return None if data is grpc.aio.EOF else decode(data)

    async def send(self, payload: Descriptor | Sample | None, ack: int) -> None:
        self._sent += 1
        await self.context.write(encode(Message(self._sent, ack, payload)))

    async def accept(self) -> Descriptor:
        message = await self.receive()
        assert message is not None
        assert isinstance(message.payload, Descriptor)
        await self.send(Descriptor(), message.sequence_number)
        return message.payload

    async def answer(self, frame: Message, ack: int | None = None, inferences: Sequence[Inference] = ()) -> None:
        assert isinstance(frame.payload, Sample)
        sample = Sample(frame.payload.timestamp, None, inferences)
        await self.send(sample, frame.sequence_number if ack is None else ack)

    async def frames(self) -> AsyncIterator[Message]:
        while (message := await self.receive()) is not None:
            yield message


Behaviour = Callable[[Call], Awaitable[None]]


@asynccontextmanager
async def serving(
    behaviour: Behaviour, *, address: str = "127.0.0.1:0", statistics: bytes | Callable[[], bytes] | None = None
) -> AsyncIterator[str]:
    """A server of one behaviour; gives its address."""

    async def process(_: Any, context: Any) -> None:
        await behaviour(Call(context))

    async def read(request: bytes, _: Any) -> bytes:
        assert request == b""
        return statistics() if callable(statistics) else statistics or b""

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handlers = {METHOD: grpc.stream_stream_rpc_method_handler(process)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    if statistics is not None:
        handlers = {"Read": grpc.unary_unary_rpc_method_handler(read)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("framewire.v1.Statistics", handlers),))
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield address if address.startswith("unix:") else f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=None)


async def honest(call: Call) -> None:
    await call.accept()
    async for frame in call.frames():
        await call.answer(frame)


async def judging_every_third(call: Call) -> None:
    """Answers the others without a word on them, as a server does that drops what it has no time for."""
    await call.accept()
    async for frame in call.frames():
        is_judged = frame.sequence_number % 3 == 0
        await call.answer(frame, inferences=(Classification(Tag("light")),) if is_judged else ())


async def losing_one(call: Call) -> None:
    """Never answers its fifth frame."""
    await call.accept()
    async for frame in call.frames():
        if frame.sequence_number != 6:
            await call.answer(frame)


async def doubling_one(call: Call) -> None:
    await call.accept()
    async for frame in call.frames():
        await call.answer(frame)
        if frame.sequence_number == 6:
            await call.answer(frame)


async def inventing_one(call: Call) -> None:
    await call.accept()
    async for frame in call.frames():
        await call.answer(frame)
        if frame.sequence_number == 6:
            await call.answer(frame, ack=1_000_000)


async def adding_results(call: Call) -> None:
    """As servers with aggregated batches do: results that acknowledge nothing."""
    await call.accept()
    async for frame in call.frames():
        await call.answer(frame, ack=0)
        await call.answer(frame)


def stalling(after: int, seconds: float) -> Behaviour:
    """Stops once, for so long, when it has answered so many frames."""

    async def behave(call: Call) -> None:
        await call.accept()
        async for frame in call.frames():
            if frame.sequence_number == after + 2:
                await asyncio.sleep(seconds)
            await call.answer(frame)

    return behave


def answering(most: int) -> Behaviour:
    """Answers so many frames and takes the others without a word."""

    async def behave(call: Call) -> None:
        await call.accept()
        async for frame in call.frames():
            if frame.sequence_number <= most + 1:
                await call.answer(frame)
        await asyncio.Event().wait()

    return behave


def failing(after: int) -> Behaviour:
    async def behave(call: Call) -> None:
        await call.accept()
        async for frame in call.frames():
            if frame.sequence_number > after + 1:
                await call.context.abort(grpc.StatusCode.INTERNAL, "the model fell over")
            await call.answer(frame)

    return behave


def ending(after: int) -> Behaviour:
    """Says OK in the middle of the stream."""

    async def behave(call: Call) -> None:
        await call.accept()
        async for frame in call.frames():
            if frame.sequence_number > after + 1:
                return
            await call.answer(frame)

    return behave


async def refusing(call: Call) -> None:
    await call.context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the configuration is not valid:\n  objectLabel")


async def mute(call: Call) -> None:
    await asyncio.Event().wait()


async def impolite(call: Call) -> None:
    """Answers without a descriptor."""
    await call.receive()
    await call.send(Sample(0), 1)
    await asyncio.Event().wait()


async def babbling(call: Call) -> None:
    await call.accept()
    await call.context.write(b"\x0f")
    await asyncio.Event().wait()
