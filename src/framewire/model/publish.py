"""Inferences as the JSON that consumers of Azure Video Analyzer read (contract, section 7)."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import TypeAlias, assert_never

import numpy as np

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

Json: TypeAlias = dict[str, object]


def to_json(timestamp: int, inferences: Sequence[Inference]) -> str:
    """One sample as a single line: empty strings, lists and maps are left out."""
    return json.dumps(to_document(timestamp, inferences), ensure_ascii=False, separators=(",", ":"))


def to_long_json(timestamp: int, inferences: Sequence[Inference]) -> str:
    """One sample in the older form: indented, with empty members and ``valueCase``."""
    return json.dumps(
        {"timestamp": timestamp, "inferences": [_long(inference) for inference in inferences]},
        ensure_ascii=False,
        indent=2,
    )


def to_document(timestamp: int, inferences: Sequence[Inference]) -> Json:
    """One sample as a JSON object, members in the order in which they are published."""
    return {"timestamp": timestamp, "inferences": [_short(inference) for inference in inferences]}


def _short(inference: Inference) -> Json:
    kind = kind_of(inference)
    document: Json = {"type": kind}
    _set(document, "subtype", inference.subtype)
    _set(document, "inferenceId", inference.inference_id)
    _set(document, "sequenceId", inference.sequence_id)
    _set(document, "relatedInferences", list(inference.related_inferences))
    document[kind] = _value(inference, with_empty=False)
    _set(document, "extensions", dict(inference.extensions))
    return document


def _long(inference: Inference) -> Json:
    kind = kind_of(inference)
    document: Json = {"type": kind, "subtype": inference.subtype, "inferenceId": inference.inference_id}
    _set(document, "sequenceId", inference.sequence_id)
    document["relatedInferences"] = list(inference.related_inferences)
    document[kind] = _value(inference, with_empty=True)
    document["extensions"] = dict(inference.extensions)
    document["valueCase"] = kind
    return document


def kind_of(inference: Inference) -> str:
    """The published name of an inference's kind, for example ``entity``."""
    return type(inference).__name__.lower()


def _set(document: Json, name: str, value: object, *, with_empty: bool = False) -> None:
    if value or with_empty:
        document[name] = value


def _value(inference: Inference, *, with_empty: bool) -> Json:
    document: Json = {}
    match inference:
        case Classification():
            document["tag"] = _tag(inference.tag)
            _set(document, "attributes", [_attribute(item) for item in inference.attributes], with_empty=with_empty)
        case Entity():
            _set(document, "id", inference.id, with_empty=with_empty)
            document["tag"] = _tag(inference.tag)
            _set(document, "attributes", [_attribute(item) for item in inference.attributes], with_empty=with_empty)
            if inference.box is not None:
                document["box"] = _box(inference.box)
        case Motion():
            if inference.box is not None:
                document["box"] = _box(inference.box)
        case Event():
            document["name"] = inference.name
            document["properties"] = dict(inference.properties)
        case Text():
            _set(document, "value", inference.value, with_empty=with_empty)
            _set(document, "language", inference.language, with_empty=with_empty)
            if with_empty or inference.start_timestamp or inference.end_timestamp:
                document["startTimestamp"] = inference.start_timestamp
                document["endTimestamp"] = inference.end_timestamp
        case Other():
            _set(document, "contentType", inference.content_type, with_empty=with_empty)
            content = base64.b64encode(inference.content).decode("ascii")
            _set(document, "contentBytes", content, with_empty=with_empty)
        case _:
            assert_never(inference)
    return document


def _tag(tag: Tag) -> Json:
    return {"value": tag.value, "confidence": _number(tag.confidence)}


def _attribute(attribute: Attribute) -> Json:
    return {"name": attribute.name, "value": attribute.value, "confidence": _number(attribute.confidence)}


def _box(box: Rectangle) -> Json:
    return {"l": _number(box.l), "t": _number(box.t), "w": _number(box.w), "h": _number(box.h)}


def _number(value: float) -> float | int:
    """The shortest decimal that gives the same float32, as that is what the wire carries."""
    shortest = float(str(np.float32(value)))
    return int(shortest) if shortest.is_integer() else shortest
