"""How to test a processor: make a frame by hand, and call it. No server, no camera.

python -m pytest examples/testing_a_processor.py
"""

import numpy as np
from own_processor import BrightestSpot

from framewire import Entity, Frame, SessionInfo
from framewire.model.format import Encoding, PixelFormat, VideoFormat


# region: test
def frame(grey: np.ndarray) -> Frame:
    height, width = grey.shape
    session = SessionInfo(VideoFormat(Encoding.RAW, width, height, PixelFormat.RGB24), timescale=90_000)
    # The processor asks for Layout.GREY, so that is what the test gives it.
    return Frame(grey, session, sequence_number=1, timestamp=0, upstream=(), state=None)


def test_the_brightest_spot_is_found() -> None:
    grey = np.zeros((100, 200), np.uint8)
    grey[40:60, 150:170] = 255
    processor = BrightestSpot()

    [[spot]] = processor.process([frame(grey)])

    assert isinstance(spot, Entity)
    assert spot.tag.confidence == 1
    assert 0.75 <= spot.box.l + spot.box.w / 2 <= 0.85
    assert 0.4 <= spot.box.t + spot.box.h / 2 <= 0.6


# endregion: test
