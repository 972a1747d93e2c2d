"""Published inferences back to values, from whoever wrote them (contract, section 7)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from framewire.errors import InferenceError
from framewire.model.geometry import Rectangle
from framewire.model.inference import (
    Attribute,
    Classification,
    Entity,
    Event,
    Inference,
    Motion,
    Other,
    Tag,
    Text,
)

_KINDS = ("classification", "motion", "entity", "text", "event", "other")

_MOST_INFERENCES = 10_000
"""More in one frame is no finding."""

_MOST_PROBLEMS = 20
"""So many are told one by one."""

_MOST_SHOWN = 200
"""Characters of a problem: the values in it are somebody else's."""


def read_document(document: object) -> tuple[Sequence[Inference], Sequence[str]]:
    """Reads `{"inferences":[..]}`, in the short form as in the long one.

    It is lenient where the meaning is plain: numbers and booleans stand for strings and strings of digits for numbers,
    `null` and a missing member are the same, the type may be written in any case or follow from the value that is
    there, a confidence that is missing is 1, unknown members are ignored.

    Args:
        document: JSON as Python values.

    Returns:
        The legal inferences in their order, and what is wrong with each other one.

    Raises:
        InferenceError: It is not an object with a list of inferences.
    """
    if not isinstance(document, Mapping):
        raise InferenceError(f"the document is {_named(document)}", allowed='an object {"inferences":[..]}')
    items = document.get("inferences")
    if items is None:
        items = []
    if not isinstance(items, list):
        raise InferenceError(f"inferences is {_named(items)}", allowed="a list")
    inferences: list[Inference] = []
    problems: list[str] = []
    for index, item in enumerate(items[:_MOST_INFERENCES]):
        try:
            inferences.append(read_inference(item))
        except InferenceError as error:
            problems.append(f"inference {index}: {_shortened(str(error))}")
    if len(items) > _MOST_INFERENCES:
        problems.insert(0, f"{len(items)} inferences came, those after the first {_MOST_INFERENCES} are left out")
    if len(problems) > _MOST_PROBLEMS:
        problems[_MOST_PROBLEMS:] = [f"and {len(problems) - _MOST_PROBLEMS} more are not legal"]
    return tuple(inferences), tuple(problems)


def read_inference(item: object) -> Inference:
    """Reads one published inference.

    Raises:
        InferenceError: It is not legal.
    """
    members = _object(item, "an inference")
    kind = _kind(members)
    value = _object(members.get(kind), kind)
    common: dict[str, Any] = {
        "subtype": _text(members.get("subtype"), "subtype").strip(),
        "inference_id": _text(members.get("inferenceId"), "inferenceId"),
        "sequence_id": _text(members.get("sequenceId"), "sequenceId"),
        "related_inferences": [
            _text(related, "a related inference") for related in _list(members, "relatedInferences")
        ],
        "extensions": _texts(members, "extensions"),
    }
    match kind:
        case "classification":
            return Classification(_tag(value), _attributes(value), **common)
        case "motion":
            return Motion(_box(value), **common)
        case "entity":
            return Entity(_tag(value), _box(value), _attributes(value), _text(value.get("id"), "id"), **common)
        case "text":
            times = (_whole(value, "startTimestamp"), _whole(value, "endTimestamp"))
            return Text(_text(value.get("value"), "value"), _text(value.get("language"), "language"), *times, **common)
        case "event":
            return Event(_text(value.get("name"), "name"), _texts(value, "properties"), **common)
        case _:
            return Other(_text(value.get("contentType"), "contentType"), _content(value), **common)


def _kind(members: Mapping[str, Any]) -> str:
    given = members.get("type")
    if given is not None and not isinstance(given, str):
        raise InferenceError(f"type is {_named(given)}", allowed=", ".join(_KINDS))
    kind = (given or "").strip().lower()
    if kind in _KINDS:
        return kind
    if kind not in ("", "auto"):
        raise InferenceError(f"type {given!r} is unknown", allowed=", ".join(_KINDS))
    present = [name for name in _KINDS if members.get(name) is not None]
    if len(present) != 1:
        raise InferenceError("an inference has no type", allowed=", ".join(_KINDS))
    return present[0]


def _tag(value: Mapping[str, Any]) -> Tag:
    tag = _object(value.get("tag"), "tag")
    return Tag(_text(tag.get("value"), "tag value"), _confidence(tag, "tag confidence"))


def _attributes(value: Mapping[str, Any]) -> list[Attribute]:
    return [
        Attribute(
            _text(attribute.get("name"), "attribute name"),
            _text(attribute.get("value"), "attribute value"),
            _confidence(attribute, "attribute confidence"),
        )
        for attribute in (_object(item, "an attribute") for item in _list(value, "attributes"))
    ]


def _box(value: Mapping[str, Any]) -> Rectangle | None:
    if value.get("box") is None:
        return None
    box = _object(value["box"], "box")
    return Rectangle(*(_number(box.get(name), f"rectangle member {name}") for name in ("l", "t", "w", "h")))


def _confidence(owner: Mapping[str, Any], name: str) -> float:
    value = owner.get("confidence")
    return 1.0 if value is None else _number(value, name)


def _content(value: Mapping[str, Any]) -> bytes:
    text = _text(value.get("contentBytes"), "contentBytes")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InferenceError("contentBytes is not legal", allowed="base64") from None


def _number(value: object, name: str) -> float:
    if isinstance(value, str):
        try:
            # float alone would take underscores and digits of other scripts.
            return float(value) if value.isascii() and "_" not in value else float("")
        except ValueError:
            raise InferenceError(f"{name} is {_named(value)}", allowed="a number") from None
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise InferenceError(f"{name} is {_named(value)}", allowed="a number")
    return value


def _whole(owner: Mapping[str, Any], name: str) -> int:
    value = owner.get(name)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise InferenceError(f"{name} is {_named(value)}", allowed="a whole number from 0 to 2**64 - 1")
    return value or 0


def _text(value: object, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise InferenceError(f"{name} is {_named(value)}", allowed="a string")


def _texts(owner: Mapping[str, Any], name: str) -> dict[str, str]:
    items = _object(owner.get(name), name)
    return {key: _text(value, f"{name}[{key!r}]") for key, value in items.items()}


def _list(owner: Mapping[str, Any], name: str) -> list[Any]:
    value = owner.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InferenceError(f"{name} is {_named(value)}", allowed="a list")
    return value


def _object(value: object, name: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InferenceError(f"{name} is {_named(value)}", allowed="an object")
    return value


def _named(value: object) -> str:
    """A foreign value, short enough to be shown."""
    if value is None:
        return "missing"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return _shortened(repr(value))


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
