"""Ray Serve with its bidirectional gRPC, speaking the extension contract.

The messages come from framewire's generated stubs; nothing else of framewire takes part.

    python benchmarks/peers/ray_serve.py PORT
"""

from __future__ import annotations

import asyncio
import mmap
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import cv2
import grpc
import numpy as np
import ray
from ray import serve
from ray.serve.config import gRPCOptions
from work import Model, is_light, is_light_jpeg

from framewire.wire import METHOD, SERVICE
from framewire.wire import extension_pb2 as pb

JPG = 1


def add_extension(servicer: Any, server: Any) -> None:
    """What a generated module would offer to register a servicer."""
    handler = grpc.stream_stream_rpc_method_handler(
        getattr(servicer, METHOD), pb.MediaStreamMessage.FromString, pb.MediaStreamMessage.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))


@serve.deployment(num_replicas=1, max_ongoing_requests=64, ray_actor_options={"num_cpus": 1})
class Extension:
    def __init__(self) -> None:
        cv2.setNumThreads(1)
        self._model = Model()

    @serve.batch(max_batch_size=8, batch_wait_timeout_s=0.002)
    async def _infer(self, frames: list[Any]) -> list[bool]:
        # In a thread, so that the loop goes on reading while the model works with the GIL released.
        return await asyncio.to_thread(self._model, frames)

    async def ProcessMediaStream(self, requests: Any) -> AsyncIterator[Any]:  # noqa: N802 - the contract's name
        messages = aiter(requests)
        first = await anext(messages)
        descriptor = first.media_stream_descriptor
        answer = pb.MediaStreamMessage(sequence_number=1, ack_sequence_number=first.sequence_number)
        answer.media_stream_descriptor.media_descriptor.timescale = descriptor.media_descriptor.timescale
        yield answer
        frames = Frames(descriptor)
        if descriptor.extension_configuration == "model":
            replies = self._batched(messages, frames)
        else:
            replies = self._one_by_one(messages, frames)
        sent = 1
        async for request, light in replies:
            sent += 1
            answer = pb.MediaStreamMessage(sequence_number=sent, ack_sequence_number=request.sequence_number)
            answer.media_sample.timestamp = request.media_sample.timestamp
            inference = answer.media_sample.inferences.add(type=1, subtype="colorIntensity")
            inference.classification.tag.value = "light" if light else "dark"
            inference.classification.tag.confidence = 1
            yield answer

    async def _one_by_one(self, messages: Any, frames: Frames) -> AsyncIterator[tuple[Any, bool]]:
        async for request in messages:
            yield request, frames.judge(request.media_sample)

    async def _batched(self, messages: Any, frames: Frames) -> AsyncIterator[tuple[Any, bool]]:
        done: asyncio.Queue[Any] = asyncio.Queue()

        async def infer(request: Any) -> None:
            await done.put((request, await self._infer(frames.pixels(request.media_sample))))

        async def read() -> None:
            async with asyncio.TaskGroup() as tasks:
                async for request in messages:
                    tasks.create_task(infer(request))
            await done.put(None)

        reading = asyncio.create_task(read())
        try:
            while (reply := await done.get()) is not None:
                yield reply
        finally:
            reading.cancel()


class Frames:
    """The frames of one stream, read in place where they lie in shared memory."""

    def __init__(self, descriptor: Any) -> None:
        self._memory = None
        properties = descriptor.shared_memory_buffer_transfer_properties
        if properties.handle_name:
            file = os.open(f"/dev/shm/{properties.handle_name}", os.O_RDONLY)
            self._memory = np.frombuffer(mmap.mmap(file, properties.length_bytes, prot=mmap.PROT_READ), np.uint8)
            os.close(file)
        form = descriptor.media_descriptor.video_frame_sample_format
        self._is_jpg = form.encoding == JPG
        self._shape = (form.dimensions.height, form.dimensions.width, 3)

    def pixels(self, sample: Any) -> Any:
        if self._memory is None:
            return np.frombuffer(sample.content_bytes.bytes, np.uint8)
        reference = sample.content_reference
        return self._memory[reference.address_offset : reference.address_offset + reference.length_bytes]

    def judge(self, sample: Any) -> bool:
        data = self.pixels(sample)
        return is_light_jpeg(data) if self._is_jpg else is_light(data.reshape(self._shape))


def main(port: int) -> None:
    # Inherited by the processes that start HAProxy; its own ports are fixed and may be taken.
    os.environ["RAY_SERVE_HAPROXY_METRICS_PORT"] = str(port + 2)
    os.environ["RAY_SERVE_HAPROXY_STATS_PORT"] = str(port + 3)
    ray.init(
        "local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=1 << 30,
        logging_level="error",
        log_to_driver=False,
    )
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": "127.0.0.1", "port": port + 1},
        grpc_options=gRPCOptions(port=port, grpc_servicer_functions=["ray_serve.add_extension"]),
    )
    serve.run(Extension.bind(), name="extension", route_prefix="/")
    print(f"listening on 127.0.0.1:{port}", file=sys.stderr, flush=True)
    while True:
        time.sleep(3600)  # Ray serves in processes of its own; a signal ends this one


if __name__ == "__main__":
    # The proxy imports this file by its name, and pickles refer to it by that name, too.
    import ray_serve

    ray_serve.main(int(sys.argv[1]))
