"""What the pipeline benchmark runs: clips of cameras, and topologies on them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from motion_clips import encoded
from motion_stage import Stage

_PREFIX = "#Microsoft.VideoAnalyzer."

SECONDS = 10
"""Of what is drawn and encoded; a clip is that, several times."""

IMAGE = {
    "scale": {"mode": "pad", "width": "416", "height": "416"},
    "format": {"@type": f"{_PREFIX}ImageFormatJpeg", "quality": "90"},
}


@dataclass(frozen=True)
class Recording:
    """A file.

    Attributes:
        path: Where it is.
        frames: How many it holds.
        rate: Of them in a second.
        kbit_s: What a second of it takes.
    """

    path: Path
    frames: int
    rate: int
    kbit_s: float

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


def record(folder: Path, name: str, size: tuple[int, int], *, rate: int, kbit_s: int, times: int) -> Recording:
    """A street by day with its traffic, H.264 as cameras make it: no B-frames, a key frame every 30 frames."""
    stage = Stage(name, size, SECONDS, "street day", kbit_s, 3.0, rate=rate, seed=9)
    once = folder / f"{name} once.mp4"
    once.write_bytes(encoded(stage).video)
    path = folder / f"{name}.mp4"
    frames = _repeat(once, path, times)
    return Recording(path, frames, rate, path.stat().st_size * 8 / 1000 / (frames / rate))


def _repeat(once: Path, path: Path, times: int) -> int:
    """Writes the packets of a file several times after one another: that costs no encoding."""
    with av.open(str(once)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        out = target.add_stream_from_template(stream)
        packets = [(bytes(p), p.pts or 0, p.dts or 0, p.is_keyframe) for p in source.demux(stream) if p.size]
        step = packets[1][1] - packets[0][1]
        for turn in range(times):
            for data, pts, dts, is_key in packets:
                packet = av.Packet(data)
                later = turn * len(packets) * step
                packet.pts, packet.dts, packet.duration = pts + later, dts + later, step
                packet.time_base, packet.stream, packet.is_keyframe = stream.time_base, out, is_key
                target.mux(packet)
    return len(packets) * times


def topology(folder: Path, name: str, *, motion: bool, extension: dict[str, Any] | None = None) -> Path:
    """Writes a topology: a camera `${rtspUrl}`, then what is asked for, then a sink."""
    processors: list[dict[str, Any]] = []
    last = "camera"
    if motion:
        processors.append({"@type": f"{_PREFIX}MotionDetectionProcessor", "name": "motion", "inputs": _from(last)})
        last = "motion"
    if extension is not None:
        endpoint = {"@type": f"{_PREFIX}UnsecuredEndpoint", "url": extension.pop("address")}
        processors.append(
            {
                "@type": f"{_PREFIX}GrpcExtension",
                "name": "extension",
                "endpoint": endpoint,
                "image": IMAGE,
                "dataTransfer": {"mode": "embedded"},
                "inputs": _from(last),
                **extension,
            }
        )
        last = "extension"
    sink = {"@type": f"{_PREFIX}IotHubMessageSink", "name": "hub", "hubOutputName": "out", "inputs": _from(last)}
    endpoint = {"@type": f"{_PREFIX}UnsecuredEndpoint", "url": "${rtspUrl}"}
    document = {
        "@apiVersion": "1.1",
        "name": name,
        "properties": {
            "parameters": [{"name": "rtspUrl", "type": "String"}],
            "sources": [{"@type": f"{_PREFIX}RtspSource", "name": "camera", "endpoint": endpoint}],
            "processors": processors,
            "sinks": [sink],
        },
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document))
    return path


def _from(node: str) -> list[dict[str, str]]:
    return [{"nodeName": node}]
