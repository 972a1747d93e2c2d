"""Inferences are legal once they exist: every rule of the contract's section 7, each wrong value named."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.errors import InferenceError
from framewire.model.geometry import Rectangle, Scaling
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
    unscale_inferences,
)

CAR = Tag("car", 0.5)
BOX = Rectangle(0.1, 0.2, 0.3, 0.4)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Tag(""), "tag value is empty; allowed: a string of at least one character"),
        (lambda: Tag(7), "tag value is 7; allowed: a string"),
        (lambda: Tag("car", 1.5), "tag confidence 1.5 is outside the range; allowed: 0 to 1"),
        (lambda: Tag("car", -0.25), "tag confidence -0.25 is outside the range; allowed: 0 to 1"),
        (lambda: Tag("car", math.nan), "tag confidence nan is outside the range; allowed: 0 to 1"),
        (lambda: Tag("car", math.inf), "tag confidence inf is outside the range; allowed: 0 to 1"),
        (lambda: Tag("car", "0.5"), "tag confidence is '0.5'; allowed: a number from 0 to 1"),
        (lambda: Tag("car", None), "tag confidence is None; allowed: a number from 0 to 1"),
        (lambda: Tag("car", 10**400), f"tag confidence 1{'0' * 400} is outside the range; allowed: 0 to 1"),
        (lambda: Attribute("", "red"), "attribute name is empty; allowed: a string of at least one character"),
        (lambda: Attribute("colour", ""), "attribute value is empty; allowed: a string of at least one character"),
        (lambda: Attribute("colour", "red", 2), "attribute confidence 2 is outside the range; allowed: 0 to 1"),
        (lambda: Rectangle(-0.1, 0, 1, 1), "rectangle member l -0.1 is outside the range; allowed: 0 to 1"),
        (lambda: Rectangle(0, 1.1, 1, 1), "rectangle member t 1.1 is outside the range; allowed: 0 to 1"),
        (lambda: Rectangle(0, 0, math.nan, 1), "rectangle member w nan is outside the range; allowed: 0 to 1"),
        (lambda: Rectangle(0, 0, 1, -math.inf), "rectangle member h -inf is outside the range; allowed: 0 to 1"),
        (lambda: Rectangle(0, 0, 1, None), "rectangle member h is None; allowed: a number from 0 to 1"),
        (lambda: Motion(subtype=" "), "subtype ' ' has white space around it; allowed: none around it"),
        (lambda: Motion(subtype="moving\n"), "subtype 'moving\\n' has white space around it; allowed: none around it"),
        (lambda: Motion(subtype=None), "subtype is None; allowed: a string"),
        (lambda: Motion(inference_id=4), "inference_id is 4; allowed: a string"),
        (lambda: Motion(sequence_id=b"4"), "sequence_id is b'4'; allowed: a string"),
        (lambda: Motion(sequence_id="a\ud800"), "sequence_id is 'a\\ud800'; allowed: text that UTF-8 can write"),
        (lambda: Motion(related_inferences="a"), "related_inferences is 'a'; allowed: a list of identifiers"),
        (lambda: Motion(related_inferences=None), "related_inferences is None; allowed: a list of identifiers"),
        (lambda: Motion(related_inferences=[1]), "a related inference is 1; allowed: a string"),
        (lambda: Motion(extensions=None), "extensions is None; allowed: a map of strings to strings"),
        (lambda: Motion(extensions={"a": 1}), "extensions['a'] is 1; allowed: a string"),
        (lambda: Motion(extensions={1: "a"}), "a name in extensions is 1; allowed: a string"),
        (lambda: Motion((0, 0, 1, 1)), "motion box is (0, 0, 1, 1); allowed: a Rectangle"),
        (lambda: Classification("car"), "classification tag is 'car'; allowed: a Tag"),
        (lambda: Classification(CAR, ["red"]), "classification attribute is 'red'; allowed: a Attribute"),
        (lambda: Classification(CAR, None), "classification attributes is None; allowed: a list of attributes"),
        (lambda: Entity(None), "entity tag is None; allowed: a Tag"),
        (lambda: Entity(CAR, (0, 0, 1, 1)), "entity box is (0, 0, 1, 1); allowed: a Rectangle"),
        (lambda: Entity(CAR, BOX, [CAR]), f"entity attribute is {CAR!r}; allowed: a Attribute"),
        (lambda: Entity(CAR, BOX, (), 3), "entity id is 3; allowed: a string"),
        (lambda: Text(None), "text value is None; allowed: a string"),
        (lambda: Text("hello", 1), "text language is 1; allowed: a string"),
        (lambda: Text("hello", "", -1), "text start_timestamp is -1; allowed: a whole number from 0 to 2**64 - 1"),
        (
            lambda: Text("hello", "", 0, 2**64),
            "text end_timestamp is 18446744073709551616; allowed: a whole number from 0 to 2**64 - 1",
        ),
        (lambda: Text("hello", "", 0.5), "text start_timestamp is 0.5; allowed: a whole number from 0 to 2**64 - 1"),
        (lambda: Event(""), "event name is empty; allowed: a string of at least one character"),
        (lambda: Event("opened", None), "event properties is None; allowed: a map of strings to strings"),
        (lambda: Event("opened", {"by": None}), "event properties['by'] is None; allowed: a string"),
        (lambda: Other(None), "other content_type is None; allowed: a string"),
        (lambda: Other("text/plain", "words"), "other content is 'words'; allowed: a bytes"),
    ],
)
def test_a_wrong_value_is_refused_by_name(make: Callable[[], object], text: str) -> None:
    with pytest.raises(InferenceError) as caught:
        make()
    assert str(caught.value) == text


def test_an_inference_error_is_also_a_value_error() -> None:
    with pytest.raises(ValueError, match="tag value is empty"):
        Tag("")


@pytest.mark.parametrize(
    ("value", "taken"), [(-1e-7, 0.0), (1.0000001, 1.0), (1.0 + 1e-6, 1.0), (0, 0.0), (1, 1.0), (0.25, 0.25)]
)
def test_float32_rounding_at_the_ends_is_taken_off(value: float, taken: float) -> None:
    assert Tag("car", value).confidence == taken
    assert Rectangle(value, 0, 0, 0).l == taken


@pytest.mark.parametrize("value", [-2e-6, 1.000003])
def test_more_than_rounding_is_refused(value: float) -> None:
    with pytest.raises(InferenceError):
        Tag("car", value)


def test_numbers_of_numpy_become_plain_floats() -> None:
    confidence = Tag("car", np.float32(0.5)).confidence
    assert (type(confidence), confidence) == (float, 0.5)
    assert Attribute("wheels", "4", np.int64(1)).confidence == 1.0


@given(st.floats() | st.integers())
def test_a_confidence_is_taken_exactly_when_it_is_a_fraction(value: float) -> None:
    if -1e-6 <= value <= 1 + 1e-6:
        assert 0 <= Tag("car", value).confidence <= 1
    else:
        with pytest.raises(InferenceError):
            Tag("car", value)


def test_everything_optional_may_be_left_out() -> None:
    for inference in (Motion(), Classification(Tag("dark")), Entity(CAR), Text(""), Event("x"), Other("")):
        assert (inference.subtype, inference.inference_id, inference.sequence_id) == ("", "", "")
        assert inference.related_inferences == ()
        assert inference.extensions == {}


def test_lists_and_maps_stay_as_they_were_checked() -> None:
    attributes, related, extensions = [Attribute("colour", "red")], ["a"], {"k": "v"}
    entity = Entity(CAR, attributes=attributes, related_inferences=related, extensions=extensions)
    attributes.append(CAR)  # type: ignore[arg-type]
    related.append("b")
    extensions["k"] = "w"
    assert entity.attributes == (Attribute("colour", "red"),)
    assert entity.related_inferences == ("a",)
    assert entity.extensions == {"k": "v"}


def test_a_generator_of_attributes_is_read_once() -> None:
    made = Classification(CAR, (Attribute("colour", name) for name in ("red", "blue")))  # type: ignore[arg-type]
    assert made.attributes == (Attribute("colour", "red"), Attribute("colour", "blue"))


def test_boxes_are_moved_to_the_source_and_all_else_stays() -> None:
    scaling = Scaling.plan((200, 100), (100, 100), "pad")  # bars of a quarter above and below
    inferences: list[Inference] = [
        Motion(Rectangle(0.5, 0.5, 0.25, 0.25), inference_id="m"),
        Entity(CAR, Rectangle(0.0, 0.25, 1.0, 0.5), id="e"),
        Motion(),
        Text("hello"),
    ]
    assert unscale_inferences(inferences, scaling) == [
        Motion(Rectangle(0.5, 0.5, 0.25, 0.5), inference_id="m"),
        Entity(CAR, Rectangle(0.0, 0.0, 1.0, 1.0), id="e"),
        Motion(),
        Text("hello"),
    ]


def test_without_padding_inferences_are_handed_back_as_they_are() -> None:
    inferences = (Motion(Rectangle(0.5, 0.5, 0.25, 0.25)),)
    assert unscale_inferences(inferences, Scaling.plan((200, 100), (100, 100), "stretch")) is inferences
