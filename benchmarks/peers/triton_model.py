"""A model of Triton's Python backend: runs inside the backend's own process, one instance."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import triton_python_backend_utils as pb_utils

# The backend's interpreter looks neither beside this file nor at PYTHONPATH.
sys.path.insert(0, str(Path(__file__).resolve().parent))
from work import Model, is_light, is_light_jpeg


class TritonPythonModel:
    """The name and the methods are the backend's."""

    def initialize(self, arguments: dict[str, str]) -> None:
        cv2.setNumThreads(1)
        self._kind = arguments["model_name"]
        self._model = Model()

    def execute(self, requests: list[Any]) -> list[Any]:
        # A request brings its batch dimension, of 1: the load sends each frame by itself, as cameras do.
        frames = [pb_utils.get_input_tensor_by_name(request, "frame").as_numpy()[0] for request in requests]
        if self._kind == "model":
            lights = self._model(frames)
        elif self._kind == "jpeg":
            lights = [is_light_jpeg(frame) for frame in frames]
        else:
            lights = [is_light(frame) for frame in frames]
        tensors = (pb_utils.Tensor("light", np.full((1, 1), light, np.uint8)) for light in lights)
        return [pb_utils.InferenceResponse(output_tensors=[tensor]) for tensor in tensors]
