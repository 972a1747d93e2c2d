"""When the frames of a stream are due in an open loop."""

from __future__ import annotations

import itertools
from collections.abc import Iterator


def due_times_s(begin_s: float, frames_per_second: float, stream: int, streams: int) -> Iterator[float]:
    """The moments at which the frames of one stream are to be sent, whatever became of the frames before.

    Streams are spread over the time between two frames: cameras do not click together either.

    Args:
        begin_s: When the load begins.
        frames_per_second: Of each stream.
        stream: Number of the stream, from 0.
        streams: How many there are.
    """
    for number in itertools.count():
        yield begin_s + (number + stream / streams) / frames_per_second
