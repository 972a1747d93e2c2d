"""Documents whose outer parts are wrong, and how much of a thing a document may have."""

from __future__ import annotations

import json

import pytest
from topology_texts import RECORDER, STREET, lines_of, of_rules, swapped

CASES = [
    ("[]", ["1:1: error: no object; there: a list; allowed: {..}"]),
    ('"x"', ['1:1: error: no object; there: "x"; allowed: {..}']),
    (
        '{"name": "x", "properties": []}',
        ["1:29: error: /properties is a list: no object; allowed: {..}"],
    ),
    (
        '{"name": "x", "properties": {"sources": {}, "processors": 5, "sinks": "hub", "parameters": {}}}',
        [
            "1:41: error: /properties/sources is an object: no list; allowed: [..]",
            "1:59: error: /properties/processors is 5: no list; allowed: [..]",
            '1:71: error: /properties/sinks is "hub": no list; allowed: [..]',
            "1:92: error: /properties/parameters is an object: no list; allowed: [..]",
        ],
    ),
    (
        '{"name": "x", "properties": {"sources": [5], "parameters": [5]}}',
        [
            "1:42: error: /properties/sources/0 is 5: no object; allowed: {..}",
            "1:61: error: /properties/parameters/0 is 5: no object; allowed: {..}",
        ],
    ),
    (
        '{"name": "x", "properties": {"sources": []}}',
        ["1:41: error: /properties/sources: no RtspSource; allowed: exactly one"],
    ),
]


@pytest.mark.parametrize(("text", "lines"), CASES)
def test_what_is_said_of(text: str, lines: list[str]) -> None:
    assert lines_of(text) == lines


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (
            "[]",
            "13:18: error: /properties/sources/0/@type is a list: no text; allowed: a text, a number, true or false",
        ),
        (
            "5",
            "13:18: error: /properties/sources/0/@type is 5: unknown type; allowed: RtspSource, IotHubMessageSource",
        ),
        (
            "null",
            "12:7: error: /properties/sources/0: @type is missing; allowed: RtspSource, IotHubMessageSource",
        ),
    ],
)
def test_what_is_said_of_a_type_that_is_none(kind: str, line: str) -> None:
    assert lines_of(swapped(STREET, ('"#Microsoft.VideoAnalyzer.RtspSource"', kind))) == [line]


def test_a_type_may_be_a_parameter() -> None:
    text = swapped(
        STREET,
        ('"name": "quality", "type": "Int", "default": "90"', '"name": "kind", "type": "string"'),
        ('"quality": "${quality}"', '"quality": "5"'),
        ('"#Microsoft.VideoAnalyzer.RtspSource"', '"${kind}"'),
    )
    assert lines_of(text, {"kind": "RtspSource"}) == []
    assert lines_of(text, may_be_unset=True) == [
        "9:7: note: /properties/parameters/2: the parameter kind has no value, so what depends on it is not checked"
    ]


def motions(count: int) -> str:
    """STREET with so many nodes more, each fed by the camera and feeding nobody."""
    extra = [
        {"@type": "MotionDetectionProcessor", "name": f"m{i}", "inputs": [{"nodeName": "camera"}]} for i in range(count)
    ]
    return swapped(STREET, ('"processors": [', f'"processors": [{", ".join(map(json.dumps, extra))},'))


def test_two_hundred_nodes_are_taken_and_no_more() -> None:
    assert not any("error" in line for line in lines_of(motions(195)))
    (line,) = [line for line in lines_of(motions(196)) if "error" in line]
    assert line == "68:7: error: /properties/sinks/0: too many nodes; allowed: up to 200"


def test_a_thousand_parameters_are_taken_and_no_more() -> None:
    def text(count: int) -> str:
        extra = ", ".join(f'{{"name": "p{i}", "type": "int", "default": "1"}}' for i in range(count))
        return swapped(STREET, ('"parameters": [', f'"parameters": [{extra},'))

    assert lines_of(text(997)) == []
    assert "6:19: error: /properties/parameters: 1001 parameters; allowed: up to 1000" in lines_of(text(998))


def test_two_hundred_inputs_are_taken_and_no_more() -> None:
    def text(count: int) -> str:
        inputs = ", ".join(['{"nodeName": "http"}'] * count)
        return swapped(STREET, ('"inputs": [{"nodeName": "http"}]', f'"inputs": [{inputs}]'))

    assert not any("error" in line for line in lines_of(text(200)))
    assert "72:19: error: /properties/sinks/0/inputs: 201 inputs; allowed: up to 200" in lines_of(text(201))


def test_allowed_names_are_listed_up_to_twenty() -> None:
    def said(count: int) -> str:
        extra = ", ".join(f'{{"name": "p{i}", "type": "int", "default": "1"}}' for i in range(count))
        text = swapped(RECORDER, ('"properties": {', f'"properties": {{"parameters": [{extra}],'))
        (line,) = [line for line in lines_of(text, {"x": "1"}) if "error" in line]
        return line

    assert said(20).endswith("p18, p19")
    assert said(21).endswith("p18, p19, ..")


def test_long_values_are_cut() -> None:
    (line,) = of_rules(swapped(STREET, ('"transport": "tcp"', f'"transport": "{"x" * 100}"')))
    assert line == (
        f'15:22: error: /properties/sources/0/transport is "{"x" * 80}..": unknown; allowed: tcp, http, udp'
    )
