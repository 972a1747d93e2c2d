"""What a runner and the process of one pipeline say to each other: lines of JSON over its standard streams."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from framewire.hub import HubMessage, InputMessage

MOST_LINE_BYTES = 64 << 20
"""Longest line that either of them reads."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the process is to run: its first line of input. Messages from outside follow; the end of input ends it.

    Args:
        name: The live pipeline's name.
        module: The module's name in the subjects of messages.
        topology: The topology document.
        settings: Values of its parameters; they may be secrets, so they are on no command line.
    """

    name: str
    module: str
    topology: str
    settings: Mapping[str, str]

    def to_line(self) -> bytes:
        """As it is sent."""
        document = {
            "name": self.name,
            "module": self.module,
            "topology": self.topology,
            "settings": dict(self.settings),
        }
        return json.dumps(document).encode() + b"\n"

    @classmethod
    def of_line(cls, line: bytes) -> Job:
        """As it is read."""
        document = json.loads(line)
        return cls(document["name"], document["module"], document["topology"], document["settings"])


def line_of_message(message: HubMessage) -> bytes:
    """A message on its way to the runner."""
    document = [dict(message.body), dict(message.application_properties), message.hub_output]
    return json.dumps({"message": document}).encode() + b"\n"


def line_of_input(message: InputMessage) -> bytes:
    """A message from outside on its way to the pipeline."""
    document = [message.hub_input, message.body, dict(message.application_properties)]
    return json.dumps(document).encode() + b"\n"


def input_of_line(line: bytes) -> InputMessage:
    """As it is read."""
    return InputMessage(*json.loads(line))


def line_of(**what: Any) -> bytes:
    """Anything else: `status=..`, `note=..`, `error=..`."""
    return json.dumps(what).encode() + b"\n"
