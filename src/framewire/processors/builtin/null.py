"""``null``: answers nothing."""

from __future__ import annotations

from collections.abc import Sequence

from framewire.model.frame import Frame
from framewire.model.inference import Inference
from framewire.model.layout import Layout
from framewire.processors.api import Processor


class Null(Processor):
    """Acknowledges every frame and says nothing; frames are not even decoded."""

    layout = Layout.UNTOUCHED

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        """Answers an empty list for each frame."""
        return [() for _ in frames]
