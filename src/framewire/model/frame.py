"""What a processor sees of one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from framewire.model.format import VideoFormat
from framewire.model.inference import Inference
from framewire.model.message import GraphIdentifier


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """The session that a frame belongs to.

    Args:
        video_format: Form of its frames as the camera sends them.
        timescale: Ticks per second of its timestamps.
        identifier: The camera's name for itself; None when it gave none.
        configuration: The text that the topology has for the extension.
    """

    video_format: VideoFormat
    timescale: int
    identifier: GraphIdentifier | str | None = None
    configuration: str = ""


@dataclass(slots=True, eq=False)
class Frame:
    """One frame of one session.

    Args:
        pixels: The frame in the layout that the processor declared: `(height, width, 3) uint8` for RGB and BGR,
            `(height, width) uint8` for GREY, `(length,) uint8` for UNTOUCHED. Read-only, possibly with gaps between
            the rows, and valid until ``process`` returns: it may lie in the camera's memory. Copy what you keep.
        session: The session that it belongs to.
        sequence_number: The camera's number of the message that carried it.
        timestamp: Presentation time in ticks of ``session.timescale``.
        upstream: Inferences that came with the frame, from a motion detector or an earlier extension.
        state: What ``open_session`` made for this session; shared with no other.
    """

    pixels: npt.NDArray[np.uint8]
    session: SessionInfo
    sequence_number: int
    timestamp: int
    upstream: Sequence[Inference]
    state: Any  # the processor's own object: only its author knows the type

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.session.video_format.width

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.session.video_format.height

    @property
    def time_s(self) -> float:
        """Presentation time in seconds; Unix time when the camera follows Azure Video Analyzer."""
        return self.timestamp / (self.session.timescale or 1)
