"""Published inferences back to values: what we print ourselves, and what others write."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.errors import InferenceError
from framewire.model.geometry import Rectangle
from framewire.model.inference import Attribute, Classification, Entity, Event, Inference, Motion, Other, Tag, Text
from framewire.model.publish import to_document, to_json, to_long_json
from framewire.model.publish_reader import read_document, read_inference

uint64 = st.integers(0, 2**64 - 1)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
some_words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
fractions = st.floats(0, 1, width=32)
boxes = st.none() | st.builds(Rectangle, fractions, fractions, fractions, fractions)
tags = st.builds(Tag, some_words, fractions)
attributes = st.lists(st.builds(Attribute, some_words, some_words, fractions), max_size=2)
maps = st.dictionaries(words, words, max_size=2)
common: dict[str, Any] = {
    "subtype": words.map(str.strip),
    "inference_id": words,
    "sequence_id": words,
    "related_inferences": st.lists(words, max_size=2),
    "extensions": maps,
}
inferences: st.SearchStrategy[Inference] = st.one_of(
    st.builds(Classification, tags, attributes, **common),
    st.builds(Motion, boxes, **common),
    st.builds(Entity, tags, boxes, attributes, words, **common),
    st.builds(Text, words, words, uint64, uint64, **common),
    st.builds(Event, some_words, maps, **common),
    st.builds(Other, words, st.binary(max_size=8), **common),
)


@given(st.lists(inferences, max_size=4), st.sampled_from([to_json, to_long_json]))
def test_what_is_published_reads_as_what_it_was(published: list[Inference], write: Any) -> None:
    read, problems = read_document(json.loads(write(7, published)))
    assert problems == ()
    # Published again, as numbers are printed as the shortest decimal of their float32.
    assert to_document(7, read) == to_document(7, published)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["inferences", "type", "entity", "tag", "value", "confidence", "box", "l", "attributes", "event"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=25,
    )
)
def test_anything_at_all_is_read_or_refused(document: object) -> None:
    try:
        read, problems = read_document({"inferences": document})
    except InferenceError as error:
        assert len(str(error)) < 1000  # noqa: PT017 - either way is right
        return
    assert all(len(problem) < 1000 for problem in problems)
    json.loads(to_json(0, read), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("item", "inference"),
    [
        (
            {"type": "ENTITY", "entity": {"tag": {"value": "car", "confidence": "0.5"}, "box": None, "id": 17}},
            Entity(Tag("car", 0.5), id="17"),
        ),
        ({"type": "Motion"}, Motion()),
        ({"motion": {"box": {"l": 0, "t": "0.5", "w": 1, "h": 1e-1}}}, Motion(Rectangle(0, 0.5, 1, 0.1))),
        ({"type": "auto", "event": {"name": "x"}, "text": None}, Event("x")),
        (
            {"type": None, "event": {"name": "x", "properties": {"a": 1, "b": True, "c": None}}},
            Event("x", {"a": "1", "b": "true", "c": ""}),
        ),
        (
            {"type": "classification", "classification": {"tag": {"value": 5}}, "subtype": " a ", "unknown": [1]},
            Classification(Tag("5", 1.0), subtype="a"),
        ),
        ({"type": "text", "text": {"value": "x", "startTimestamp": "5", "endTimestamp": 6.0}}, Text("x", "", 5, 6)),
        ({"type": "other", "other": {"contentType": "a/b", "contentBytes": "e30="}}, Other("a/b", b"{}")),
        (
            {"type": "motion", "motion": {}, "relatedInferences": ["a", 1], "extensions": {"k": 1.5}},
            Motion(related_inferences=["a", "1"], extensions={"k": "1.5"}),
        ),
        ({"type": "entity", "entity": {"tag": {"value": "x", "confidence": 1.0000005}}}, Entity(Tag("x", 1.0))),
    ],
)
def test_what_plainly_means_something_is_taken(item: object, inference: Inference) -> None:
    assert read_inference(item) == inference


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        (None, "an inference has no type; allowed: classification, motion, entity, text, event, other"),
        (5, "an inference is 5; allowed: an object"),
        ("car", "an inference is 'car'; allowed: an object"),
        ({}, "an inference has no type; allowed: classification, motion, entity, text, event, other"),
        ({"type": "person"}, "type 'person' is unknown; allowed: classification, motion, entity, text, event, other"),
        ({"type": 3}, "type is 3; allowed: classification, motion, entity, text, event, other"),
        (
            {"event": {}, "text": {}},
            "an inference has no type; allowed: classification, motion, entity, text, event, other",
        ),
        ({"type": "entity"}, "tag value is empty; allowed: a string of at least one character"),
        ({"type": "entity", "entity": []}, "entity is a list; allowed: an object"),
        ({"type": "entity", "entity": {"tag": "car"}}, "tag is 'car'; allowed: an object"),
        ({"type": "entity", "entity": {"tag": {"value": ["car"]}}}, "tag value is a list; allowed: a string"),
        (
            {"type": "entity", "entity": {"tag": {"value": "x", "confidence": 97}}},
            "tag confidence 97 is outside the range; allowed: 0 to 1",
        ),
        (
            {"type": "entity", "entity": {"tag": {"value": "x", "confidence": math.nan}}},
            "tag confidence nan is outside the range; allowed: 0 to 1",
        ),
        (
            {"type": "entity", "entity": {"tag": {"value": "x", "confidence": True}}},
            "tag confidence is True; allowed: a number",
        ),
        (
            {"type": "entity", "entity": {"tag": {"value": "x", "confidence": "0_5"}}},
            "tag confidence is '0_5'; allowed: a number",
        ),
        (
            {"type": "entity", "entity": {"tag": {"value": "x", "confidence": "hoch"}}},
            "tag confidence is 'hoch'; allowed: a number",
        ),
        (
            {"type": "motion", "motion": {"box": {"l": 0, "t": 0, "w": 1}}},
            "rectangle member h is missing; allowed: a number",
        ),
        (
            {"type": "motion", "motion": {"box": {"l": 100, "t": 0, "w": 1, "h": 1}}},
            "rectangle member l 100 is outside the range; allowed: 0 to 1",
        ),
        ({"type": "motion", "motion": {"box": [0, 0, 1, 1]}}, "box is a list; allowed: an object"),
        (
            {"type": "text", "text": {"startTimestamp": -1}},
            "text start_timestamp is -1; allowed: a whole number from 0 to 2**64 - 1",
        ),
        (
            {"type": "text", "text": {"startTimestamp": 1.5}},
            "startTimestamp is 1.5; allowed: a whole number from 0 to 2**64 - 1",
        ),
        ({"type": "other", "other": {"contentBytes": "a"}}, "contentBytes is not legal; allowed: base64"),
        ({"type": "other", "other": {"contentBytes": "€"}}, "contentBytes is not legal; allowed: base64"),
        (
            {"type": "event", "event": {"name": "x", "properties": {"a": {}}}},
            "properties['a'] is an object; allowed: a string",
        ),
        (
            {"type": "event", "event": {"name": "x"}, "relatedInferences": "a"},
            "relatedInferences is 'a'; allowed: a list",
        ),
        ({"type": "event", "event": {"name": "\ud800"}}, "event name is '\\ud800'; allowed: text that UTF-8 can write"),
    ],
)
def test_what_is_not_legal_is_told(item: object, complaint: str) -> None:
    with pytest.raises(InferenceError) as refused:
        read_inference(item)
    assert str(refused.value) == complaint


def test_one_that_is_not_legal_costs_only_itself() -> None:
    read, problems = read_document({"inferences": [{"type": "motion"}, {"type": "x"}, {"event": {"name": "e"}}]})
    assert read == (Motion(), Event("e"))
    assert problems == (
        "inference 1: type 'x' is unknown; allowed: classification, motion, entity, text, event, other",
    )


@pytest.mark.parametrize("document", [{}, {"inferences": None}, {"inferences": []}, {"timestamp": 5}])
def test_nothing_found(document: object) -> None:
    assert read_document(document) == ((), ())


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], 'the document is a list; allowed: an object {"inferences":[..]}'),
        ("x", "the document is 'x'; allowed: an object {\"inferences\":[..]}"),
        (None, 'the document is missing; allowed: an object {"inferences":[..]}'),
        ({"inferences": {}}, "inferences is an object; allowed: a list"),
    ],
)
def test_what_is_no_document(document: object, complaint: str) -> None:
    with pytest.raises(InferenceError) as refused:
        read_document(document)
    assert str(refused.value) == complaint


def test_thousands_of_faults_are_told_in_a_few_lines() -> None:
    read, problems = read_document({"inferences": [{}] * 30_000})
    assert read == ()
    assert len(problems) == 21
    assert problems[0] == "30000 inferences came, those after the first 10000 are left out"
    assert problems[-1] == "and 9981 more are not legal"


def test_a_huge_value_is_not_told_in_full() -> None:
    _, (problem,) = read_document({"inferences": [{"type": "x" * 100_000}]})
    assert len(problem) < 300
