"""Inferences that came over the wire: the value decides the kind, illegal ones are left out and named."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_strategies import inferences

from framewire.model.inference import Event, Inference, Motion, Tag, Text
from framewire.model.message import Message, Sample
from framewire.wire import decode, encode
from framewire.wire import extension_pb2 as pb
from framewire.wire import inferencing_pb2 as inferencing

AUTO = inferencing.Inference.AUTO


def received(*items: inferencing.Inference) -> tuple[Sequence[Inference], Sequence[str]]:
    sample = pb.MediaSample(timestamp=1, inferences=items)
    payload = decode(pb.MediaStreamMessage(sequence_number=1, media_sample=sample).SerializeToString()).payload
    assert isinstance(payload, Sample)
    return payload.inferences, payload.problems


def event(name: str = "x", **members: object) -> inferencing.Inference:
    return inferencing.Inference(event=inferencing.Event(name=name), **members)  # type: ignore[arg-type]


def classification(value: str, confidence: float) -> inferencing.Inference:
    tag = inferencing.Tag(value=value, confidence=confidence)
    return inferencing.Inference(classification=inferencing.Classification(tag=tag))


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (
            inferencing.Inference(type=inferencing.Inference.MOTION, subtype="m"),
            "an inference has no value; allowed: one of classification, motion, entity, text, event, other",
        ),
        (classification("x", 2.0), "tag confidence 2.0 is outside the range; allowed: 0 to 1"),
        (classification("x", math.nan), "tag confidence nan is outside the range; allowed: 0 to 1"),
        (classification("", 0.5), "tag value is empty; allowed: a string of at least one character"),
        (event("", subtype="s"), "event name is empty; allowed: a string of at least one character"),
        (event(subtype=" "), "subtype ' ' has white space around it; allowed: none around it"),
        (event(subtype="s\t"), "subtype 's\\t' has white space around it; allowed: none around it"),
        (
            inferencing.Inference(motion=inferencing.Motion(box=inferencing.Rectangle(l=0.5, t=0.5, w=-0.25, h=0.5))),
            "rectangle member w -0.25 is outside the range; allowed: 0 to 1",
        ),
        (
            inferencing.Inference(entity=inferencing.Entity(id="7")),
            "tag value is empty; allowed: a string of at least one character",
        ),
        (
            inferencing.Inference(
                entity=inferencing.Entity(
                    tag=inferencing.Tag(value="car", confidence=1), attributes=[inferencing.Attribute(name="colour")]
                )
            ),
            "attribute value is empty; allowed: a string of at least one character",
        ),
    ],
)
def test_an_illegal_inference_is_left_out_and_named_and_the_others_are_kept(
    item: inferencing.Inference, problem: str
) -> None:
    kept, problems = received(event("before"), item, event("after"))
    assert kept == (Event("before"), Event("after"))
    assert problems == (problem,)


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 15, 14, 99, -1])
def test_the_value_that_is_set_decides_the_kind_whatever_the_type_says(number: int) -> None:
    kept, problems = received(event("opened", type=number))
    assert (kept, problems) == ((Event("opened"),), ())


@settings(max_examples=40)
@given(st.lists(inferences, max_size=3))
def test_type_auto_gives_the_same_inferences(sent: list[Inference]) -> None:
    message = pb.MediaStreamMessage.FromString(encode(Message(1, 0, Sample(0, None, sent))))
    assert AUTO not in [item.type for item in message.media_sample.inferences]
    for item in message.media_sample.inferences:
        item.type = AUTO
    payload = decode(message.SerializeToString()).payload
    assert isinstance(payload, Sample)
    assert payload.inferences == tuple(sent)


@pytest.mark.parametrize(("value", "kept"), [(-1e-7, 0.0), (1 + 1e-6, 1.0)])
def test_rounding_of_float32_at_the_ends_of_a_confidence_is_taken_off(value: float, kept: float) -> None:
    (item,), problems = received(classification("x", value))
    assert problems == ()
    assert item.tag == Tag("x", kept)  # type: ignore[union-attr]


def test_motion_without_a_box_and_text_without_words_are_legal() -> None:
    items = inferencing.Inference(motion=inferencing.Motion()), inferencing.Inference(text=inferencing.Text())
    assert received(*items) == ((Motion(), Text("")), ())
