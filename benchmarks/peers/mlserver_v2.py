"""MLServer with a model of its own, over the V2 protocol's gRPC.

python benchmarks/peers/mlserver_v2.py PORT
"""

from __future__ import annotations

import asyncio
import sys

import cv2
import mlserver_v2
import numpy as np
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput
from work import is_light

SHAPE = (1080, 1920, 3)
"""Of all frames: the comparison sends MLServer, which has no shared memory, raw 1080p frames alone."""


class ColorIntensity(MLModel):
    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        picture = np.frombuffer(payload.inputs[0].data.root[0], np.uint8).reshape(SHAPE)
        light = ResponseOutput(name="light", shape=[1], datatype="UINT8", data=[int(is_light(picture))])
        return InferenceResponse(model_name=self.name, outputs=[light])


async def main(port: int) -> None:
    cv2.setNumThreads(1)
    settings = Settings(
        host="127.0.0.1",
        grpc_port=port,
        http_port=port + 1,
        metrics_port=port + 2,
        # Inference in the server's own process: with workers every frame would be pickled to them.
        parallel_workers=0,
        grpc_max_message_length=64 << 20,
        debug=False,
    )
    server = MLServer(settings)
    await asyncio.gather(
        server.start([ModelSettings(name="raw", implementation=mlserver_v2.ColorIntensity)]), announce(server, port)
    )


async def announce(server: MLServer, port: int) -> None:
    import grpc

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        ready = channel.unary_unary("/inference.GRPCInferenceService/ModelReady")
        while True:
            try:
                if await ready(b"\x0a\x03raw", wait_for_ready=True) == b"\x08\x01":
                    break
            except grpc.aio.AioRpcError:
                pass
            await asyncio.sleep(0.1)
    print(f"listening on 127.0.0.1:{port}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
