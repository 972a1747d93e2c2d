"""Live pipeline documents."""

from __future__ import annotations

import pytest

from framewire.topology import load_live_pipeline

NORTH = """{
  "@apiVersion": "1.1",
  "name": "north",
  "systemData": {},
  "properties": {
    "topologyName": "Street",
    "description": "At the north gate",
    "state": "inactive",
    "parameters": [{"name": "rtspUrl", "value": "rtsp://camera/x"}, {"name": "quality", "value": 5}]
  }
}"""


def lines_of(text: str) -> list[str]:
    return [str(problem) for problem in load_live_pipeline(text).problems]


def test_a_live_pipeline() -> None:
    loaded = load_live_pipeline(NORTH)
    assert loaded.problems == ()
    assert loaded.live_pipeline is not None
    assert loaded.live_pipeline.name == "north"
    assert loaded.live_pipeline.topology_name == "Street"
    assert loaded.live_pipeline.description == "At the north gate"
    assert loaded.live_pipeline.parameters == {"rtspUrl": "rtsp://camera/x", "quality": "5"}


def test_it_needs_no_parameters() -> None:
    loaded = load_live_pipeline('{"name": "north", "properties": {"TopologyName": "Street"}}')
    assert loaded.live_pipeline is not None
    assert loaded.live_pipeline.parameters == {}


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('"topologyName": "Street",', "", "5:17: error: /properties: topologyName is missing"),
        (
            '"name": "north"',
            '"name": "no rth"',
            '3:11: error: /name is "no rth": no name; allowed: '
            "1 to 32 letters, digits and dashes, no dash first or last",
        ),
        (
            '"name": "quality"',
            '"name": "rtspUrl"',
            '9:78: error: /properties/parameters/1/name is "rtspUrl": this parameter is set twice; '
            "allowed: each name once",
        ),
        (', "value": 5', "", "9:69: error: /properties/parameters/1: value is missing"),
        (
            '"value": 5',
            '"value": [5]',
            "9:98: error: /properties/parameters/1/value is ***: no text; allowed: a text, a number, true or false",
        ),
        (
            '"@apiVersion": "1.1"',
            '"@apiVersion": "3"',
            '2:18: warning: /@apiVersion is "3": unknown version; read as 1.1; allowed: 1.0, 1.1',
        ),
        (
            '"description"',
            '"descripton"',
            "7:19: warning: /properties/descripton: unknown member, which is left out; "
            "allowed: topologyName, description, parameters, state; did you mean description?",
        ),
        ('"properties": {', '"properties": 5, "x": {', "5:17: error: /properties is 5: no object; allowed: {..}"),
        (
            "}\n}",
            "}",
            "10:4: error: no JSON: the text ends too early: '{' of 1:1 is never closed; there: the end of the text",
        ),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, line: str) -> None:
    assert NORTH.count(old) == 1
    assert line in lines_of(NORTH.replace(old, new))
