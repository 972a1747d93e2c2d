"""Inferences as consumers read them: golden lines for all six kinds, and the long form of the seed document."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.model.geometry import Rectangle
from framewire.model.inference import Attribute, Classification, Entity, Event, Inference, Motion, Other, Tag, Text
from framewire.model.publish import to_document, to_json, to_long_json


def one(inference: Inference) -> str:
    """The only inference of a published line."""
    line = to_json(0, [inference])
    assert line.startswith('{"timestamp":0,"inferences":[')
    assert line.endswith("]}")
    return line[len('{"timestamp":0,"inferences":[') : -2]


BOX = Rectangle(0.25, 0.0, 0.5, 1.0)


@pytest.mark.parametrize(
    ("inference", "text"),
    [
        (
            Classification(Tag("dark")),
            '{"type":"classification","classification":{"tag":{"value":"dark","confidence":1}}}',
        ),
        (
            Classification(Tag("car", 0.0), [Attribute("colour", "red", 0.0), Attribute("make", "x", 0.5)]),
            '{"type":"classification","classification":{"tag":{"value":"car","confidence":0},"attributes":['
            '{"name":"colour","value":"red","confidence":0},{"name":"make","value":"x","confidence":0.5}]}}',
        ),
        (Motion(BOX), '{"type":"motion","motion":{"box":{"l":0.25,"t":0,"w":0.5,"h":1}}}'),
        (Motion(), '{"type":"motion","motion":{}}'),
        (Motion(Rectangle(0, 0, 0, 0)), '{"type":"motion","motion":{"box":{"l":0,"t":0,"w":0,"h":0}}}'),
        (
            Entity(Tag("person", 0.97052866), BOX, [Attribute("age", "old")], "17"),
            '{"type":"entity","entity":{"id":"17","tag":{"value":"person","confidence":0.97052866},"attributes":['
            '{"name":"age","value":"old","confidence":1}],"box":{"l":0.25,"t":0,"w":0.5,"h":1}}}',
        ),
        (Entity(Tag("person")), '{"type":"entity","entity":{"tag":{"value":"person","confidence":1}}}'),
        (Text("hello"), '{"type":"text","text":{"value":"hello"}}'),
        (Text("", "en-GB"), '{"type":"text","text":{"language":"en-GB"}}'),
        (
            Text("hello", "en", 0, 18446744073709551615),
            '{"type":"text","text":{"value":"hello","language":"en","startTimestamp":0,'
            '"endTimestamp":18446744073709551615}}',
        ),
        (Text("x", "", 9, 0), '{"type":"text","text":{"value":"x","startTimestamp":9,"endTimestamp":0}}'),
        (Event("opened"), '{"type":"event","event":{"name":"opened","properties":{}}}'),
        (
            Event("opened", {"by": "", "total": "2"}),
            '{"type":"event","event":{"name":"opened","properties":{"by":"","total":"2"}}}',
        ),
        (
            Other("application/json", b"{}?\xff"),
            '{"type":"other","other":{"contentType":"application/json","contentBytes":"e30//w=="}}',
        ),
        (Other(""), '{"type":"other","other":{}}'),
        (
            Motion(
                subtype="moving",
                inference_id="i1",
                sequence_id="s1",
                related_inferences=["a", "b"],
                extensions={"z": "1", "a": ""},
            ),
            '{"type":"motion","subtype":"moving","inferenceId":"i1","sequenceId":"s1","relatedInferences":["a","b"],'
            '"motion":{},"extensions":{"z":"1","a":""}}',
        ),
        (Text('grün "日本" \n\x00'), '{"type":"text","text":{"value":"grün \\"日本\\" \\n\\u0000"}}'),
    ],
)
def test_an_inference_is_printed_without_its_empty_members(inference: Inference, text: str) -> None:
    assert one(inference) == text


def test_a_sample_is_one_line_of_its_timestamp_and_inferences() -> None:
    inferences = [Event("a"), Event("b")]
    assert to_json(145_819_820_073_974, inferences) == (
        '{"timestamp":145819820073974,"inferences":[{"type":"event","event":{"name":"a","properties":{}}},'
        '{"type":"event","event":{"name":"b","properties":{}}}]}'
    )
    assert to_json(0, []) == '{"timestamp":0,"inferences":[]}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.97052866, "0.97052866"),
        (0.9705286622047424, "0.97052866"),  # the same float32, as it comes from the wire
        (1.0, "1"),
        (0.0, "0"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (0.10000000149011612, "0.1"),
        (1 / 3, "0.33333334"),
        (0.99999994, "0.99999994"),
        (0.99999999, "1"),
        (1e-10, "1e-10"),
        (1.401298464324817e-45, "1e-45"),
    ],
)
def test_a_float_is_the_shortest_decimal_of_its_float32(value: float, text: str) -> None:
    assert one(Classification(Tag("x", value))) == (
        f'{{"type":"classification","classification":{{"tag":{{"value":"x","confidence":{text}}}}}}}'
    )


@given(st.floats(0, 1, width=32))
def test_a_printed_float_gives_the_same_float32_back(value: float) -> None:
    line = json.loads(to_json(0, [Classification(Tag("x", value))]))
    assert np.float32(line["inferences"][0]["classification"]["tag"]["confidence"]) == np.float32(value)


SEED = """{
  "timestamp": 0,
  "inferences": [
    {
      "type": "classification",
      "subtype": "colorIntensity",
      "inferenceId": "",
      "relatedInferences": [],
      "classification": {
        "tag": {
          "value": "light",
          "confidence": 1
        },
        "attributes": []
      },
      "extensions": {},
      "valueCase": "classification"
    }
  ]
}"""


def test_the_long_form_is_that_of_the_older_samples_to_the_letter() -> None:
    assert to_long_json(0, [Classification(Tag("light"), subtype="colorIntensity")]) == SEED


def test_the_long_form_prints_empty_members_and_a_sequence_only_when_there_is_one() -> None:
    inferences = [
        Entity(Tag("é", 0.5), sequence_id="s", extensions={"k": "v"}),
        Text("", start_timestamp=0),
        Other(""),
        Event("x"),
        Motion(Rectangle(0, 0, 0.1, 1)),
    ]
    document = json.loads(to_long_json(7, inferences))
    assert document["timestamp"] == 7
    assert [list(item) for item in document["inferences"]] == [
        ["type", "subtype", "inferenceId", "sequenceId", "relatedInferences", "entity", "extensions", "valueCase"],
        ["type", "subtype", "inferenceId", "relatedInferences", "text", "extensions", "valueCase"],
        ["type", "subtype", "inferenceId", "relatedInferences", "other", "extensions", "valueCase"],
        ["type", "subtype", "inferenceId", "relatedInferences", "event", "extensions", "valueCase"],
        ["type", "subtype", "inferenceId", "relatedInferences", "motion", "extensions", "valueCase"],
    ]
    entity, text, other, event, motion = document["inferences"]
    assert entity["entity"] == {"id": "", "tag": {"value": "é", "confidence": 0.5}, "attributes": []}
    assert (entity["sequenceId"], entity["extensions"], entity["valueCase"]) == ("s", {"k": "v"}, "entity")
    assert text["text"] == {"value": "", "language": "", "startTimestamp": 0, "endTimestamp": 0}
    assert other["other"] == {"contentType": "", "contentBytes": ""}
    assert event["event"] == {"name": "x", "properties": {}}
    assert motion["motion"] == {"box": {"l": 0, "t": 0, "w": 0.1, "h": 1}}


def test_the_long_form_keeps_letters_beyond_ascii() -> None:
    assert '"value": "grün 日本"' in to_long_json(0, [Text("grün 日本")])


def test_a_document_holds_what_the_line_says() -> None:
    inferences = [Motion(BOX, subtype="moving")]
    assert to_document(3, inferences) == json.loads(to_json(3, inferences))
