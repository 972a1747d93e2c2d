"""A model in ONNX Runtime: its session is told how many threads fit beside the other workers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime

from framewire import Classification, Frame, Inference, Layout, Processor, Tag, option


# region: processor
class Brightness(Processor):
    """Classifies frames by a model that takes (frames, height, width) float32 and answers a number for each."""

    layout = Layout.GREY

    @dataclass(frozen=True)
    class Options:
        model: str = option("brightness.onnx", "the model's file")

    def open(self) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = self.library_threads
        # Threads that spin while they wait would take the cores from the other workers.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._model = onnxruntime.InferenceSession(self.options.model, settings)

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [[self._classify(frame)] for frame in frames]

    # endregion: processor
    def _classify(self, frame: Frame) -> Inference:
        (level,) = self._model.run(None, {"pixels": frame.pixels[np.newaxis].astype(np.float32)})[0]
        return Classification(Tag("light" if level >= 127 else "dark"), subtype="brightness")
