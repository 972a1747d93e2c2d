"""``framewire run`` with an RTSP server that we did not write: GStreamer's, with each codec and transport."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest
from command_line import documents, running
from pipeline_documents import hub, motion, source, topology, written

from framewire.sources import Scene

OTHER_CAMERA = Path(__file__).parents[1] / "rtsp_server.py"
SYSTEM_PYTHON = Path("/usr/bin/python3")
ENCODERS = {"h264": "libx264", "hevc": "libx265", "mjpeg": "mjpeg"}


def recorded(path: Path, codec: str) -> Path:
    scene = Scene(160, 96, frames=60, frames_per_second=20)
    quiet = {"x265-params": "log-level=none"} if codec == "hevc" else {}
    options = {"huffman": "default"} if codec == "mjpeg" else {"preset": "ultrafast", "bf": "0", "g": "10", **quiet}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(ENCODERS[codec], rate=20, options=options)
        if codec == "hevc":
            stream.codec_context.codec_tag = "hvc1"
        stream.width, stream.height = 160, 96
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for index in range(60):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(scene.render(index)[0], format="rgb24")))
        container.mux(stream.encode())
    return path


@contextmanager
def another_camera(clip: Path, codec: str) -> Iterator[str]:
    if not SYSTEM_PYTHON.exists():
        pytest.skip(f"no {SYSTEM_PYTHON} to run the other RTSP server with")
    with subprocess.Popen(
        [SYSTEM_PYTHON, OTHER_CAMERA, clip, "--codec", codec],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            port = process.stdout.readline().strip()
            if not port:
                text = process.stderr.read().strip()
                assert process.wait() == 77, text
                pytest.skip(f"the other RTSP server needs python3-gi and gir1.2-gst-rtsp-server-1.0: {text}")
            yield f"rtsp://127.0.0.1:{port}/clip"
        finally:
            process.kill()


@pytest.mark.parametrize(("codec", "transport"), [("h264", "tcp"), ("h264", "udp"), ("hevc", "tcp"), ("mjpeg", "tcp")])
def test_motion_before_another_camera_is_published(codec: str, transport: str, tmp_path: Path) -> None:
    clip = recorded(tmp_path / "clip.mov", codec)
    with another_camera(clip, codec) as url:
        camera = {**source(url), "transport": transport}
        path = written(tmp_path, topology(camera, motion(eventAggregationWindow="PT0S"), hub("motion")))
        with running("run", path) as pipeline:
            pipeline.until_printed(5)
            assert pipeline.stop(signal.SIGINT) == 0
    messages = documents(pipeline.stdout)
    kinds = [one["applicationProperties"]["eventType"].removeprefix("Microsoft.VideoAnalyzer.") for one in messages]
    assert kinds[2] == "Diagnostics.MediaSessionEstablished"
    assert {"h264": "H264", "hevc": "H265", "mjpeg": "JPEG"}[codec] in messages[2]["body"]["sdp"]
    assert "Analytics.Inference" in kinds
