"""echo answers what came with a frame, null nothing."""

from __future__ import annotations

import numpy as np
import pytest

from framewire.model.format import Encoding, VideoFormat
from framewire.model.frame import Frame, SessionInfo
from framewire.model.inference import Event, Inference, Motion
from framewire.model.layout import Layout
from framewire.processors.api import Processor
from framewire.processors.builtin.echo import Echo
from framewire.processors.builtin.null import Null

INFO = SessionInfo(VideoFormat(Encoding.JPG, 8, 8), 90_000)


def frame(*upstream: Inference) -> Frame:
    return Frame(np.zeros(4, np.uint8), INFO, 2, 180_000, upstream, None)


def test_echo_answers_the_upstream_inferences_of_each_frame() -> None:
    first, second = Motion(inference_id="m"), Event("x", {"a": "b"})
    assert Echo().process([frame(first, second), frame(), frame(second)]) == [(first, second), (), (second,)]


def test_null_answers_nothing_for_each_frame() -> None:
    assert Null().process([frame(Motion()), frame()]) == [(), ()]


@pytest.mark.parametrize("processor", [Echo, Null])
def test_neither_has_frames_decoded(processor: type[Processor]) -> None:
    assert processor.layout_for(INFO.video_format) is Layout.UNTOUCHED


def test_a_frame_knows_its_size_and_its_time() -> None:
    assert (frame().width, frame().height, frame().time_s) == (8, 8, 2.0)


def test_a_timescale_of_nought_does_not_break_the_time_of_a_frame() -> None:
    info = SessionInfo(INFO.video_format, 0)
    assert Frame(np.zeros(4, np.uint8), info, 2, 5, (), None).time_s == 5.0


def test_a_processor_without_a_method_says_so() -> None:
    class Unfinished(Processor):
        pass

    with pytest.raises(NotImplementedError, match="Unfinished has no process method"):
        Unfinished().process([frame()])
