"""``framewire run`` with an RTSP server that we did not write: GStreamer's, with each codec and transport."""

from __future__ import annotations

import signal
from pathlib import Path

import av
import pytest
from command_line import documents, running
from other_camera import other_camera
from pipeline_documents import hub, motion, source, topology, written

from framewire.sources import Scene

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


@pytest.mark.parametrize(("codec", "transport"), [("h264", "tcp"), ("h264", "udp"), ("hevc", "tcp"), ("mjpeg", "tcp")])
def test_motion_before_another_camera_is_published(codec: str, transport: str, tmp_path: Path) -> None:
    clip = recorded(tmp_path / "clip.mov", codec)
    with other_camera(clip, codec) as url:
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
