"""Parameters that are wrong, and what is said of each."""

from __future__ import annotations

import pytest
from topology_texts import STREET, of_rules, swapped

CASES = [
    pytest.param(
        STREET,
        [('"quality": "${quality}"', '"quality": "${qualty}"')],
        [
            (
                '50:86: error: /properties/processors/1/image/format/quality is "${qualty}": ${qualty} is not'
                " declared; allowed: rtspUrl, rtspPassword, quality, System.TopologyName, System.PipelineName,"
                " System.Runtime.DateTime, System.Runtime.PreciseDateTime; did you mean quality?"
            )
        ],
        id="a parameter that is not declared",
    ),
    pytest.param(
        STREET,
        [('"quality": "${quality}"', '"quality": "${Quality}"')],
        [
            (
                '50:86: warning: /properties/processors/1/image/format/quality is "${Quality}": ${Quality} is'
                " taken for the parameter quality"
            )
        ],
        id="a parameter in another case",
    ),
    pytest.param(
        STREET,
        [('"name": "quality", ', "")],
        [
            "9:7: error: /properties/parameters/2: name is missing",
            (
                '50:86: error: /properties/processors/1/image/format/quality is "${quality}": ${quality} is not'
                " declared; allowed: rtspUrl, rtspPassword, System.TopologyName, System.PipelineName,"
                " System.Runtime.DateTime, System.Runtime.PreciseDateTime"
            ),
        ],
        id="a parameter without a name",
    ),
    pytest.param(
        STREET,
        [('"name": "quality", "type": "Int", ', '"name": "quality", ')],
        ["9:7: error: /properties/parameters/2: type is missing"],
        id="a parameter without a type",
    ),
    pytest.param(
        STREET,
        [('"type": "Int"', '"type": "integer"')],
        [
            (
                '9:35: error: /properties/parameters/2/type is "integer": unknown; allowed: string, secretString,'
                " int, double, bool; did you mean int?"
            )
        ],
        id="a parameter of an unknown type",
    ),
    pytest.param(
        STREET,
        [('"name": "quality"', '"name": "rtspUrl"'), ('"quality": "${quality}"', '"quality": "5"')],
        [
            (
                '9:16: error: /properties/parameters/2/name is "rtspUrl": this parameter is declared twice;'
                " allowed: each name once"
            )
        ],
        id="a parameter twice",
    ),
    pytest.param(
        STREET,
        [('"name": "quality"', '"name": "System.Quality"'), ('"quality": "${quality}"', '"quality": "5"')],
        [
            (
                '9:16: error: /properties/parameters/2/name is "System.Quality": a name of system variables;'
                " allowed: a name without 'System.'"
            )
        ],
        id="a parameter of the system",
    ),
    pytest.param(
        STREET,
        [('"name": "quality"', '"name": "a}b"'), ('"quality": "${quality}"', '"quality": "5"')],
        [
            (
                '9:16: error: /properties/parameters/2/name is "a}b": no name of a parameter; allowed: letters,'
                " digits and dashes"
            )
        ],
        id="a parameter with braces",
    ),
    pytest.param(
        STREET,
        [('"default": "90"', '"default": "ninety"')],
        [
            (
                '9:53: error: /properties/parameters/2/default is "ninety": no int: no whole number; allowed:'
                " -2147483648 to 2147483647"
            )
        ],
        id="a default that is no whole number",
    ),
    pytest.param(
        STREET,
        [('"default": "90"', '"default": 2147483648')],
        [
            (
                "9:53: error: /properties/parameters/2/default is 2147483648: no int: too large; allowed:"
                " -2147483648 to 2147483647"
            )
        ],
        id="a default beyond 32 bits",
    ),
    pytest.param(
        STREET,
        [('"type": "Int", "default": "90"', '"type": "Bool", "default": "1"'), ('"${quality}"', "5")],
        [
            (
                '9:54: error: /properties/parameters/2/default is "1": no bool: neither true nor false; allowed:'
                " true, false"
            )
        ],
        id="a default that is no boolean",
    ),
    pytest.param(
        STREET,
        [('"type": "Int", "default": "90"', '"type": "double", "default": "1e999"'), ('"${quality}"', "5")],
        [
            (
                '9:56: error: /properties/parameters/2/default is "1e999": no double: no number; allowed: a'
                " decimal such as 0.2 or 30"
            )
        ],
        id="a default that is no double",
    ),
    pytest.param(
        STREET,
        [('"sensitivity": "medium"', '"sensitivity": "${rtspUrl}"')],
        [
            (
                '31:24: error: /properties/processors/0/sensitivity is "rtsp://camera.local/stream": unknown;'
                " allowed: low, medium, high"
            )
        ],
        id="a value that does not fit where it stands",
    ),
    pytest.param(
        STREET,
        [('"sensitivity": "medium"', '"sensitivity": "x${rtspPassword}"')],
        ["31:24: error: /properties/processors/0/sensitivity is ***: unknown; allowed: low, medium, high"],
        id="a secret that does not fit where it stands",
    ),
    pytest.param(
        STREET,
        [('"extensionConfiguration": "{}"', '"extensionConfiguration": "${quality"')],
        [
            (
                "53:35: warning: /properties/processors/1/extensionConfiguration is \"${quality\": '${' without a"
                " '}' behind it stays as it is"
            )
        ],
        id="a variable that is not closed",
    ),
    pytest.param(
        STREET,
        [('"hubOutputName": "inferences"', '"hubOutputName": "${System.Runtime.DateTime}"')],
        [
            (
                '71:26: error: /properties/sinks/0/hubOutputName is "${System.Runtime.DateTime}":'
                " ${System.Runtime.DateTime} has a value only in a fileNamePattern"
            )
        ],
        id="the time where there is none",
    ),
    pytest.param(
        STREET,
        [('"hubOutputName": "inferences"', '"hubOutputName": "${System.TopologyNme}"')],
        [
            (
                '71:26: error: /properties/sinks/0/hubOutputName is "${System.TopologyNme}":'
                " ${System.TopologyNme} is not declared; allowed: rtspUrl, rtspPassword, quality,"
                " System.TopologyName, System.PipelineName, System.Runtime.DateTime,"
                " System.Runtime.PreciseDateTime; did you mean System.TopologyName?"
            )
        ],
        id="a system variable that there is not",
    ),
    pytest.param(
        STREET,
        [(', "default": "90"', "")],
        [
            (
                "9:7: error: /properties/parameters/2: the parameter quality has no value; allowed: --set"
                " quality=VALUE, or a default"
            )
        ],
        id="a parameter without a value",
    ),
]


@pytest.mark.parametrize(("text", "swaps", "lines"), CASES)
def test_what_is_said_of(text: str, swaps: list[tuple[str, str]], lines: list[str]) -> None:
    assert of_rules(swapped(text, *swaps)) == lines
