"""Inferences to protobuf and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, assert_never

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
from framewire.wire import inferencing_pb2 as pb

_Repeated = Any
"""A repeated field of protobuf: its type differs between the runtimes."""


def read_inferences(items: Iterable[pb.Inference]) -> tuple[Sequence[Inference], Sequence[str]]:
    """Reads inferences that came over the wire.

    Returns:
        The legal ones in their order, and for each other one what is wrong with it.
    """
    inferences: list[Inference] = []
    problems: list[str] = []
    for item in items:
        try:
            inferences.append(_read(item))
        except InferenceError as error:
            problems.append(str(error))
    return tuple(inferences), tuple(problems)


def add_inferences(out: _Repeated, inferences: Sequence[Inference]) -> None:
    """Appends `inferences` to a repeated field."""
    for inference in inferences:
        item = out.add()
        if inference.subtype:
            item.subtype = inference.subtype
        if inference.inference_id:
            item.inference_id = inference.inference_id
        if inference.sequence_id:
            item.sequence_id = inference.sequence_id
        if inference.related_inferences:
            item.related_inferences.extend(inference.related_inferences)
        if inference.extensions:
            item.extensions.update(inference.extensions)
        _write(item, inference)


def _read(item: pb.Inference) -> Inference:
    # The value that is set decides the kind, whatever the type field says (AUTO among others).
    common: dict[str, Any] = {
        "subtype": item.subtype,
        "inference_id": item.inference_id,
        "sequence_id": item.sequence_id,
        "related_inferences": tuple(item.related_inferences),
        "extensions": dict(item.extensions),
    }
    match item.WhichOneof("value"):
        case "classification":
            value = item.classification
            return Classification(_tag(value.tag), _attributes(value.attributes), **common)
        case "motion":
            return Motion(_box(item.motion), **common)
        case "entity":
            entity = item.entity
            return Entity(_tag(entity.tag), _box(entity), _attributes(entity.attributes), entity.id, **common)
        case "text":
            text = item.text
            return Text(text.value, text.language, text.start_timestamp, text.end_timestamp, **common)
        case "event":
            return Event(item.event.name, dict(item.event.properties), **common)
        case "other":
            return Other(item.other.content_type, item.other.content_bytes, **common)
        case _:
            raise InferenceError(
                "an inference has no value", allowed="one of classification, motion, entity, text, event, other"
            )


def _tag(tag: pb.Tag) -> Tag:
    return Tag(tag.value, tag.confidence)


def _attributes(attributes: Iterable[pb.Attribute]) -> Sequence[Attribute]:
    return tuple(Attribute(item.name, item.value, item.confidence) for item in attributes)


def _box(owner: pb.Motion | pb.Entity) -> Rectangle | None:
    if not owner.HasField("box"):
        return None
    box = owner.box
    return Rectangle(box.l, box.t, box.w, box.h)


def _write(item: pb.Inference, inference: Inference) -> None:
    match inference:
        case Classification():
            item.type = pb.Inference.CLASSIFICATION
            classification = item.classification
            _write_tag(classification.tag, inference.tag)
            if inference.attributes:
                _write_attributes(classification.attributes, inference.attributes)
        case Entity():
            item.type = pb.Inference.ENTITY
            entity = item.entity
            entity.id = inference.id
            _write_tag(entity.tag, inference.tag)
            if inference.attributes:
                _write_attributes(entity.attributes, inference.attributes)
            _write_box(entity, inference.box)
        case Motion():
            item.type = pb.Inference.MOTION
            item.motion.SetInParent()
            _write_box(item.motion, inference.box)
        case Text():
            item.type = pb.Inference.TEXT
            item.text.SetInParent()
            item.text.value = inference.value
            item.text.language = inference.language
            item.text.start_timestamp = inference.start_timestamp
            item.text.end_timestamp = inference.end_timestamp
        case Event():
            item.type = pb.Inference.EVENT
            item.event.name = inference.name
            if inference.properties:
                item.event.properties.update(inference.properties)
        case Other():
            item.type = pb.Inference.OTHER
            item.other.SetInParent()
            item.other.content_type = inference.content_type
            item.other.content_bytes = inference.content
        case _:
            assert_never(inference)


def _write_tag(out: pb.Tag, tag: Tag) -> None:
    out.value = tag.value
    out.confidence = tag.confidence


def _write_attributes(out: _Repeated, attributes: Sequence[Attribute]) -> None:
    for attribute in attributes:
        out.add(name=attribute.name, value=attribute.value, confidence=attribute.confidence)


def _write_box(owner: pb.Motion | pb.Entity, box: Rectangle | None) -> None:
    if box is not None:
        # Boxes at the very corner are all zeros, so presence is said aloud.
        out = owner.box
        out.SetInParent()
        out.l, out.t, out.w, out.h = box.l, box.t, box.w, box.h
