"""Topologies that the tests make themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PREFIX = "#Microsoft.VideoAnalyzer."


def typed(kind: str, /, **members: Any) -> dict[str, Any]:
    return {"@type": PREFIX + kind, **members}


def node(kind: str, name: str, *inputs: str, **members: Any) -> dict[str, Any]:
    fed = {"inputs": [{"nodeName": one} for one in inputs]} if inputs else {}
    return typed(kind, name=name, **fed, **members)


def source(address: str, user: str | None = None, password: str = "") -> dict[str, Any]:
    endpoint = typed("UnsecuredEndpoint", url=address)
    if user is not None:
        endpoint["credentials"] = typed("UsernamePasswordCredentials", username=user, password=password)
    return typed("RtspSource", name="camera", transport="tcp", endpoint=endpoint)


def motion(name: str = "motion", after: str = "camera", **members: Any) -> dict[str, Any]:
    return node("MotionDetectionProcessor", name, after, **members)


def grpc(name: str, address: str, after: str = "camera", **members: Any) -> dict[str, Any]:
    return node(
        "GrpcExtension",
        name,
        after,
        **{
            "endpoint": typed("UnsecuredEndpoint", url=address),
            "image": {
                "scale": {"mode": "pad", "width": "64", "height": "64"},
                "format": typed("ImageFormatRaw", pixelFormat="rgb24"),
            },
            "dataTransfer": {"mode": "sharedMemory", "sharedMemorySizeMiB": "2"},
            **members,
        },
    )


def hub(*after: str, output: str = "out") -> dict[str, Any]:
    return node("IotHubMessageSink", "hub", *after, hubOutputName=output)


def topology(source_node: dict[str, Any], *others: dict[str, Any], name: str = "Tested") -> dict[str, Any]:
    sinks = [one for one in others if one["@type"].endswith("Sink")]
    processors = [one for one in others if one not in sinks]
    return {
        "@apiVersion": "1.1",
        "name": name,
        "properties": {"sources": [source_node], "processors": processors, "sinks": sinks},
    }


def written(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "topology.json"
    path.write_text(json.dumps(document))
    return path
