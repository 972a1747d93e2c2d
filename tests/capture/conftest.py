import sys
import threading
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
    guards: list[threading.Timer] = []

    def open_watched(address: str, **options: object) -> Watched:
        # No machine is held up for so long by anything but a fault.
        patience = {"connect_timeout_s": 8.0, "stall_s": 10.0, "picture_s": 20.0}
        pauses = {"backoff_least_s": 0.05, "backoff_most_s": 0.4, "refused_s": 0.3}
        watched = Watched(CaptureOptions(address, **(patience | pauses | options)))  # type: ignore[arg-type]
        opened.append(watched)
        # A test whose frames never come shall fail, not hang.
        guard = threading.Timer(60.0, watched.capture.close)
        guard.daemon = True
        guard.start()
        guards.append(guard)
        return watched

    yield open_watched
    for guard in guards:
        guard.cancel()
    for watched in opened:
        watched.capture.close()
