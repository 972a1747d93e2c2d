"""Requests of the direct methods, and a place for pipelines that runs none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREFIX = "#Microsoft.VideoAnalyzer."


def topology(name: str = "Motion", sensitivity: str = "high") -> dict[str, Any]:
    endpoint = {
        "@type": PREFIX + "UnsecuredEndpoint",
        "url": "${rtspUrl}",
        "credentials": {
            "@type": PREFIX + "UsernamePasswordCredentials",
            "username": "me",
            "password": "${rtspPassword}",
        },
    }
    return {
        "@apiVersion": "1.1",
        "name": name,
        "properties": {
            "parameters": [
                {"name": "rtspUrl", "type": "string"},
                {"name": "rtspPassword", "type": "secretString", "default": "s3cret"},
            ],
            "sources": [{"@type": PREFIX + "RtspSource", "name": "camera", "endpoint": endpoint}],
            "processors": [
                {
                    "@type": PREFIX + "MotionDetectionProcessor",
                    "name": "motion",
                    "sensitivity": sensitivity,
                    "inputs": [{"nodeName": "camera"}],
                }
            ],
            "sinks": [
                {
                    "@type": PREFIX + "IotHubMessageSink",
                    "name": "hub",
                    "hubOutputName": "out",
                    "inputs": [{"nodeName": "motion"}],
                }
            ],
        },
    }


def gated(name: str = "Gated", hub_input: str = "open") -> dict[str, Any]:
    """A gate that messages from outside open."""
    document = topology(name)
    properties = document["properties"]
    properties["parameters"].append({"name": "hubInput", "type": "string", "default": hub_input})
    properties["sources"].append(
        {"@type": PREFIX + "IotHubMessageSource", "name": "trigger", "hubInputName": "${hubInput}"}
    )
    inputs = [{"nodeName": "camera"}, {"nodeName": "trigger"}]
    properties["processors"].append({"@type": PREFIX + "SignalGateProcessor", "name": "gate", "inputs": inputs})
    return document


def pipeline(name: str = "gate-1", url: str = "rtsp://camera/1", **parameters: str) -> dict[str, Any]:
    values = {"rtspUrl": url, **parameters}
    return {
        "@apiVersion": "1.1",
        "name": name,
        "properties": {
            "topologyName": "Motion",
            "parameters": [{"name": key, "value": value} for key, value in values.items()],
        },
    }


def named(name: str) -> dict[str, Any]:
    return {"@apiVersion": "1.1", "name": name}


class Shelf:
    """Notes which pipelines are active."""

    def __init__(self) -> None:
        self.active: dict[str, Mapping[str, str]] = {}
        self.calls: list[str] = []

    def state(self, name: str) -> str:
        return "active" if name in self.active else "inactive"

    async def activate(
        self, name: str, topology: str, settings: Mapping[str, str], *, keeps_trying: bool = False
    ) -> None:
        del topology, keeps_trying
        self.calls.append(f"activate {name}")
        self.active[name] = settings

    async def deactivate(self, name: str) -> None:
        self.calls.append(f"deactivate {name}")
        self.active.pop(name, None)
