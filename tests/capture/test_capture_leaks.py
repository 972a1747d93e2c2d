"""Nothing is left behind, however often a camera goes and comes."""

import gc
import os
import threading
import time
from itertools import islice
from pathlib import Path

import pytest
from camera_behaviour import Behaviour
from camera_clips import street_clip
from camera_server import RtspServer
from watched_captures import Watch

from framewire.capture import CapturedFrame
from framewire.capture.connections import Connections


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def capture_threads() -> int:
    return sum(thread.name.startswith("framewire capture") for thread in threading.enumerate())


def settled(count: int) -> bool:
    """Whether no more than so many threads of captures are left within a while; each ends with its connection."""
    until = time.monotonic() + 10
    while capture_threads() > count and time.monotonic() < until:
        threading.Event().wait(0.01)
    return capture_threads() <= count


def read_through(watch: Watch, server: RtspServer, reconnects: int) -> None:
    watched = watch(server.url, backoff_least_s=0.01, backoff_most_s=0.01)
    last: CapturedFrame | None = None
    for frame in watched.capture.frames():
        frame.rgb_scaled(64, 48)
        last = frame
        if watched.capture.statistics().reconnects >= reconnects:
            break
    assert last is not None
    watched.capture.close()
    assert settled(0)


@pytest.mark.parametrize("reconnects", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_memory_and_descriptors_stay_over_reconnects(watch: Watch, reconnects: int) -> None:
    clip = street_clip(160, 96, frames=10)
    with RtspServer(clip, Behaviour(speed=float("inf"), frames=6, then="drop")) as server:
        read_through(watch, server, 10)
        gc.collect()
        memory, files = resident_bytes(), descriptors()
        read_through(watch, server, reconnects)
        gc.collect()
        assert descriptors() <= files
        assert resident_bytes() - memory < 8 * 2**20


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
def test_a_read_that_hangs_for_ever_is_ended(watch: Watch, transport: str) -> None:
    clip = street_clip(160, 96, frames=10)
    # Reports keep coming: no timeout of FFmpeg's ever ends this read.
    with RtspServer(clip, Behaviour(speed=8, frames=20, then="chatter")) as server:
        watched = watch(server.url, transport=transport, stall_s=0.3, backoff_least_s=0.01, backoff_most_s=0.05)
        assert len(list(islice(watched.capture.frames(), 70))) == 70
        assert watched.capture.statistics().reconnects >= 3
        assert capture_threads() <= 2
        watched.capture.close()
        assert settled(0)


def test_connections_that_hang_are_no_more_than_three(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = street_clip(160, 96, frames=10)
    monkeypatch.setattr(Connections, "sever", lambda self: None)
    with RtspServer(clip, Behaviour(speed=8, frames=20, then="chatter")) as server:
        watched = watch(server.url, stall_s=0.4, backoff_least_s=0.01, backoff_most_s=0.05)
        reader = threading.Thread(target=lambda: list(islice(watched.capture.frames(), 10**6)), daemon=True)
        reader.start()
        assert watched.wait_for(lambda: len(watched.events) > 12)
        assert capture_threads() <= 4
        assert (watched.capture.statistics().hung, watched.capture.statistics().is_stuck) == (3, True)
        assert watched.capture.statistics().last_error == (
            "3 connections to the camera hang; a new one is made when one of them ends"
        )
        watched.capture.close()
        reader.join(5)
        assert not reader.is_alive()
    assert settled(0)
