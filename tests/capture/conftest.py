import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from watched_captures import Watch, Watched

from framewire.capture import CaptureOptions

# The test camera serves other rooms, too.
sys.path.append(str(Path(__file__).resolve().parents[1] / "rtsp"))


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Opens a capture that is impatient enough for tests."""
    opened: list[Watched] = []

    def open_watched(address: str, **options: object) -> Watched:
        patience = {"connect_timeout_s": 2.0, "stall_s": 0.6, "picture_s": 3.0}
        pauses = {"backoff_least_s": 0.05, "backoff_most_s": 0.4, "refused_s": 0.3}
        watched = Watched(CaptureOptions(address, **(patience | pauses | options)))  # type: ignore[arg-type]
        opened.append(watched)
        return watched

    yield open_watched
    for watched in opened:
        watched.capture.close()
