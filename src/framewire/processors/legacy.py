"""Existing classes with ``process_images``, unchanged (contract, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framewire.errors import ProcessorError
from framewire.model.frame import Frame
from framewire.model.inference import Inference
from framewire.model.layout import Layout
from framewire.processors.api import Processor
from framewire.wire.legacy import answered_inferences, empty_answer, install_bare_names

_METHODS = ("process_images", "ProcessImages")


def is_legacy(found: type) -> bool:
    """Whether a class has ``process_images`` (or ``ProcessImages``) and is no processor of ours."""
    return not issubclass(found, Processor) and any(callable(getattr(found, name, None)) for name in _METHODS)


def use_our_stubs() -> None:
    """Makes ``extension_pb2``, ``media_pb2`` and ``inferencing_pb2`` importable, before a user's file is loaded."""
    install_bare_names()


def adapted(found: type) -> type[Processor]:
    """A processor class around a ``process_images`` class."""
    method = next(name for name in _METHODS if callable(getattr(found, name, None)))

    class Adapter(Processor):
        """Hands frames over one by one, as tight RGB24, and reads the answers."""

        layout = Layout.RGB
        # Such classes were written for one camera at a time, one frame after the other.
        needs_order = True

        def __init__(self, options: Any = None) -> None:  # it has none
            super().__init__(options)
            self._process_images = getattr(found(), method)

        def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
            return [self._one(frame) for frame in frames]

        def _one(self, frame: Frame) -> Sequence[Inference]:
            answer = empty_answer(frame.timestamp)
            tight = np.ascontiguousarray(frame.pixels)
            returned = self._process_images(answer, tight.data.cast("B"), (frame.width, frame.height))
            inferences, problems = answered_inferences(answer if returned is None else returned)
            if problems:
                raise ProcessorError(f"{found.__name__}.{method} answered an illegal inference: {problems[0]}")
            return inferences

    Adapter.__name__ = Adapter.__qualname__ = found.__name__
    Adapter.__doc__ = found.__doc__
    return Adapter
