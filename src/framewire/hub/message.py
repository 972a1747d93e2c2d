"""What a hub receives: a body and what is said about it (topologies, section 6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INFERENCE_EVENT = "Microsoft.VideoAnalyzer.Analytics.Inference"
"""The type of the events that carry what was found; all others tell of the pipeline."""


@dataclass(frozen=True, slots=True)
class HubMessage:
    """One message.

    Args:
        body: A JSON object; numbers in it are finite.
        application_properties: Strings to strings: `topic`, `subject`, `eventType`, `eventTime`, `dataVersion`.
        hub_output: Name of the output that it leaves by; empty for diagnostics and operational events.
    """

    body: Mapping[str, Any]
    application_properties: Mapping[str, str]
    hub_output: str = ""

    @property
    def is_inference(self) -> bool:
        """Whether it tells what was found in a frame."""
        return self.application_properties.get("eventType") == INFERENCE_EVENT

    def to_json(self) -> str:
        """The whole message as a single line: `{"body":..,"applicationProperties":{..}}`."""
        return _one_line({"body": self.body, "applicationProperties": dict(self.application_properties)})

    def body_json(self) -> str:
        """The body alone as a single line."""
        return _one_line(self.body)


def _one_line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def encoded(text: str) -> bytes:
    r"""JSON text as UTF-8; half a surrogate pair, which UTF-8 cannot write, as JSON's own escape ``\udXXX``."""
    return text.encode("utf-8", "backslashreplace")
