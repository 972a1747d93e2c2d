"""``echo``: returns what came with the frame."""

from __future__ import annotations

from collections.abc import Sequence

from framewire.model.frame import Frame
from framewire.model.inference import Inference
from framewire.model.layout import Layout
from framewire.processors.api import Processor


class Echo(Processor):
    """Returns the inferences that came with the frame, for testing a pipeline's wiring."""

    layout = Layout.UNTOUCHED

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        """Answers each frame's upstream inferences."""
        return [frame.upstream for frame in frames]
