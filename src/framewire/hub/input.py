"""Messages from outside, for the hub message sources of a topology (topologies, section 2)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from framewire.errors import FramewireError

MOST_INPUT_BYTES = 256 << 10
"""The largest message that a hub ever sent to a device."""

_MOST_DEPTH = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InputError(FramewireError):
    """A message from outside cannot be read."""


@dataclass(frozen=True, slots=True)
class InputMessage:
    """A message from outside.

    Args:
        hub_input: Name of the input that it came by.
        body: Any JSON.
        application_properties: Strings to strings.
    """

    hub_input: str
    body: Any
    application_properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def timestamp(self) -> int | None:
        """The media time of its property `eventTime` in ticks, 90,000 a second since 1970; None without a legal one.

        A time without a zone is UTC.
        """
        text = self.application_properties.get("eventTime", "").strip()
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        microseconds = (moment - _EPOCH) // timedelta(microseconds=1)
        return None if microseconds < 0 else microseconds * 9 // 100


def read_json(payload: bytes, what: str) -> Any:
    """The JSON that somebody has sent.

    Args:
        payload: UTF-8, with or without a mark of its order of bytes.
        what: What it is called in an error: `a message`.

    Raises:
        InputError: It is too large, no JSON, or nested too deeply to be handed on.
    """
    if len(payload) > MOST_INPUT_BYTES:
        raise InputError(f"{what} of {len(payload)} bytes came", allowed=f"{MOST_INPUT_BYTES} bytes")
    try:
        document = json.loads(payload.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InputError(f"{what} came that is not UTF-8", allowed="JSON in UTF-8") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{what} came that is not JSON ({error.msg} at {place})", allowed="JSON in UTF-8") from None
    except (ValueError, RecursionError):
        raise InputError(f"{what} came that is nested too deeply or has an endless number") from None
    level, depth = [document], 0
    while level := [inner for one in level for inner in _inside(one)]:
        depth += 1
        if depth > _MOST_DEPTH:
            raise InputError(f"{what} came that is nested too deeply", allowed=f"{_MOST_DEPTH} levels")
    return document


def read_input(hub_input: str, payload: bytes, properties: Mapping[str, str] | None = None) -> InputMessage:
    """Reads a message from outside.

    Args:
        hub_input: Name of the input.
        payload: JSON in UTF-8. An object with `applicationProperties` is the whole message, as it is published:
            `{"body":..,"applicationProperties":{..}}`; anything else is the body.
        properties: What came beside it; properties of the payload go before those.

    Raises:
        InputError: It is too large, or no JSON, or its properties are none, or its `eventTime` is no time.
    """
    document = read_json(payload, "a message")
    all_properties = dict(properties or {})
    if not isinstance(document, dict) or "applicationProperties" not in document:
        return _checked(InputMessage(hub_input, document, all_properties))
    given = document["applicationProperties"]
    if not isinstance(given, dict | None):
        raise InputError("applicationProperties are not an object", allowed='{"name":"value"}')
    for name, value in (given or {}).items():
        if isinstance(value, dict | list):
            raise InputError(
                f"application property {name[:64]!r} is not a string", allowed="strings, numbers, true, false"
            )
        if value is not None:
            all_properties[name] = value if isinstance(value, str) else json.dumps(value)
    return _checked(InputMessage(hub_input, document.get("body"), all_properties))


def _checked(message: InputMessage) -> InputMessage:
    text = message.application_properties.get("eventTime")
    if text is not None and message.timestamp is None:
        raise InputError(
            f"eventTime {text[:64]!r} is no time", allowed="ISO 8601 since 1970, for example 2026-11-22T18:55:02.311Z"
        )
    return message


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
