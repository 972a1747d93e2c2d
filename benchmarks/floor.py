"""The floor: a bare grpc.aio handler of the contract that checks nothing.

It parses with stock protobuf, does the work of the comparison on each frame by itself and acknowledges. Whatever a
real server does beyond that costs something; this is what it is measured against. Of a JPEG it decodes the luma alone,
as framewire and the peers do: otherwise its figures would say more of colours than of servers.

    python benchmarks/floor.py PORT
"""

from __future__ import annotations

import asyncio
import mmap
import os
import sys
from typing import Any

import cv2
import grpc
import numpy as np
from peers.work import Model, is_light, is_light_jpeg

from framewire.wire import METHOD, SERVICE
from framewire.wire import extension_pb2 as pb

JPG = 1


async def process(requests: Any, context: Any) -> None:
    first = await context.read()
    descriptor = first.media_stream_descriptor
    memory = None
    properties = descriptor.shared_memory_buffer_transfer_properties
    if properties.handle_name:
        file = os.open(f"/dev/shm/{properties.handle_name}", os.O_RDONLY)
        memory = np.frombuffer(mmap.mmap(file, properties.length_bytes, prot=mmap.PROT_READ), np.uint8)
        os.close(file)
    frame_format = descriptor.media_descriptor.video_frame_sample_format
    is_jpg = frame_format.encoding == JPG
    shape = (frame_format.dimensions.height, frame_format.dimensions.width, 3)
    answer = pb.MediaStreamMessage(sequence_number=1, ack_sequence_number=first.sequence_number)
    answer.media_stream_descriptor.media_descriptor.timescale = descriptor.media_descriptor.timescale
    await context.write(answer)
    model = Model() if descriptor.extension_configuration == "model" else None
    sent = 1
    while (request := await context.read()) is not grpc.aio.EOF:
        sample = request.media_sample
        if memory is not None:
            reference = sample.content_reference
            data = memory[reference.address_offset : reference.address_offset + reference.length_bytes]
        else:
            data = np.frombuffer(sample.content_bytes.bytes, np.uint8)
        if model is not None:
            light = model([data])[0]
        else:
            light = is_light_jpeg(data) if is_jpg else is_light(data.reshape(shape))
        sent += 1
        answer = pb.MediaStreamMessage(sequence_number=sent, ack_sequence_number=request.sequence_number)
        answer.media_sample.timestamp = sample.timestamp
        inference = answer.media_sample.inferences.add(type=1, subtype="colorIntensity")
        inference.classification.tag.value = "light" if light else "dark"
        inference.classification.tag.confidence = 1
        await context.write(answer)


async def main(port: int) -> None:
    cv2.setNumThreads(1)
    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", 64 << 20), ("grpc.so_reuseport", 0)],
    )
    handler = grpc.stream_stream_rpc_method_handler(
        process, pb.MediaStreamMessage.FromString, pb.MediaStreamMessage.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print(f"listening on 127.0.0.1:{bound}", file=sys.stderr, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
