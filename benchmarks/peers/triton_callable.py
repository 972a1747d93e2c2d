"""Triton with a Python callable bound to it, as PyTriton's own documentation has it.

LD_LIBRARY_PATH=<the interpreter's lib folder> python benchmarks/peers/triton_callable.py PORT
"""

from __future__ import annotations

import sys
from typing import Any

import cv2
import numpy as np
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig, TritonSecurityConfig
from work import Model, is_light, is_light_jpeg


def answers(lights: list[bool]) -> list[dict[str, Any]]:
    return [{"light": np.full((1, 1), light, np.uint8)} for light in lights]


def raw(requests: list[Any]) -> list[dict[str, Any]]:
    # A request brings its batch dimension, of 1: the load sends each frame by itself, as cameras do.
    return answers([is_light(request["frame"][0]) for request in requests])


def jpeg(requests: list[Any]) -> list[dict[str, Any]]:
    return answers([is_light_jpeg(request["frame"][0]) for request in requests])


def main(port: int) -> None:
    cv2.setNumThreads(1)
    model = Model()

    def batched(requests: list[Any]) -> list[dict[str, Any]]:
        return answers(model([request["frame"] for request in requests]))

    light = [Tensor(name="light", dtype=np.uint8, shape=(1,))]
    picture = [Tensor(name="frame", dtype=np.uint8, shape=(-1, -1, 3))]
    config = TritonConfig(
        grpc_address="127.0.0.1",
        grpc_port=port,
        http_address="127.0.0.1",
        http_port=port + 1,
        allow_metrics=False,
    )
    # Without it the shared memory calls ask for a token.
    security = TritonSecurityConfig(restricted_endpoints=[])
    with Triton(config=config, security_config=security) as triton:
        # Batches of requests share the way to the callable and back; without them it does a third less.
        batches = ModelConfig(batching=True, max_batch_size=8, batcher=DynamicBatcher())
        encoded = [Tensor(name="frame", dtype=np.uint8, shape=(-1,))]
        triton.bind("raw", raw, inputs=picture, outputs=light, config=batches)
        triton.bind("jpeg", jpeg, inputs=encoded, outputs=light, config=batches)
        triton.bind("model", batched, inputs=picture, outputs=light, config=batches)
        triton.run()
        print(f"listening on 127.0.0.1:{port}", file=sys.stderr, flush=True)
        triton.serve()


if __name__ == "__main__":
    main(int(sys.argv[1]))
