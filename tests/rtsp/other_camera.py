"""An RTSP server that we did not write, as a process: GStreamer's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PROGRAM = Path(__file__).parents[1] / "rtsp_server.py"
_SYSTEM_PYTHON = Path("/usr/bin/python3")
_NOT_INSTALLED = 77


@contextmanager
def other_camera(clip: Path, codec: str = "h264") -> Iterator[str]:
    """Serves a clip as long as the block runs; gives the address. Skips the test where GStreamer is missing."""
    if not _SYSTEM_PYTHON.exists():
        pytest.skip(f"no {_SYSTEM_PYTHON} to run the other RTSP server with")
    with subprocess.Popen(
        [_SYSTEM_PYTHON, _PROGRAM, clip, "--codec", codec], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            port = process.stdout.readline().strip()
            if not port:
                text = process.stderr.read().strip()
                assert process.wait() == _NOT_INSTALLED, text
                pytest.skip(f"the other RTSP server needs python3-gi and gir1.2-gst-rtsp-server-1.0: {text}")
            yield f"rtsp://127.0.0.1:{port}/clip"
        finally:
            process.kill()
