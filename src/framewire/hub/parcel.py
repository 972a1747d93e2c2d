"""Messages as they lie in an outbox: the properties as JSON on one line, and the body as it will be sent."""

from __future__ import annotations

import json
from dataclasses import dataclass

from framewire.hub.message import HubMessage, encoded

MOST_PAYLOAD_BYTES = 256 << 20
"""A little less than MQTT can say the length of (MQTT 5.0, section 1.5.5)."""

_MOST_TEXT_BYTES = 0xFFFF
"""Strings have a length of 16 bits (MQTT 5.0, section 1.5.4)."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message on its way to a broker.

    Args:
        hub_output: Name of its output; empty for events.
        properties: Its application properties, as MQTT can carry them.
        payload: Its body, JSON in UTF-8.
    """

    hub_output: str
    properties: dict[str, str]
    payload: bytes


def pack(message: HubMessage) -> bytes | None:
    """A message as the content of a record; None when MQTT cannot carry it."""
    properties: dict[str, str] = {}
    for name, value in message.application_properties.items():
        properties[_fit(name)] = _fit(value)
    texts = [*properties, *properties.values(), message.hub_output]
    payload = encoded(message.body_json())
    if len(payload) > MOST_PAYLOAD_BYTES - (1 << 20) or any(len(text.encode()) > _MOST_TEXT_BYTES for text in texts):
        return None
    head = json.dumps([_fit(message.hub_output), properties], ensure_ascii=False, separators=(",", ":"))
    return head.encode() + b"\n" + payload


def unpack(content: bytes) -> Parcel:
    """The opposite of :func:`pack`.

    Raises:
        ValueError: It was written by something else.
    """
    head, _, payload = content.partition(b"\n")
    document = json.loads(head)
    match document:
        case [str(hub_output), {**properties}]:
            return Parcel(hub_output, {str(name): str(value) for name, value in properties.items()}, payload)
    raise ValueError("not a message")


def _fit(text: str) -> str:
    # Neither half a surrogate pair nor NUL may be in a string of MQTT.
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
