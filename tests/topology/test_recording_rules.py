"""Values of gates, lines and recordings that are wrong, and what is said of each (topologies, sections 2 and 5)."""

from __future__ import annotations

import pytest
from topology_texts import RECORDER, of_rules, swapped

CASES = [
    pytest.param(
        RECORDER,
        [('"activationEvaluationWindow": "PT1S"', '"activationEvaluationWindow": "PT11S"')],
        [
            (
                '41:39: error: /properties/processors/3/activationEvaluationWindow is "PT11S": too large;'
                " allowed: PT0S to PT10S"
            )
        ],
        id="a window that is too long",
    ),
    pytest.param(
        RECORDER,
        [('"activationSignalOffset": "-PT5S"', '"activationSignalOffset": "-PT61S"')],
        [
            (
                '42:35: error: /properties/processors/3/activationSignalOffset is "-PT61S": too small; allowed:'
                " -PT1M to PT1M"
            )
        ],
        id="an offset that is too long",
    ),
    pytest.param(
        RECORDER,
        [('"minimumActivationTime": "PT20S"', '"minimumActivationTime": "PT9S"')],
        [('43:34: error: /properties/processors/3/minimumActivationTime is "PT9S": too small; allowed: PT10S to PT1H')],
        id="a minimum that is too short",
    ),
    pytest.param(
        RECORDER,
        [('"maximumActivationTime": "PT40S"', '"maximumActivationTime": "PT61M"')],
        [
            (
                '44:34: error: /properties/processors/3/maximumActivationTime is "PT61M": too large; allowed:'
                " PT10S to PT1H"
            )
        ],
        id="a maximum that is too long",
    ),
    pytest.param(
        RECORDER,
        [('"minimumActivationTime": "PT20S"', '"minimumActivationTime": "PT41S"')],
        [
            (
                '43:34: error: /properties/processors/3/minimumActivationTime is "PT41S": longer than'
                " maximumActivationTime; allowed: up to PT40S"
            )
        ],
        id="a minimum above the maximum",
    ),
    pytest.param(
        RECORDER,
        [("street-${System.TopologyName}-${System.Runtime.DateTime}", "street")],
        [
            (
                '53:28: error: /properties/sinks/0/fileNamePattern is "street": no system variable: all files'
                " would have one name; allowed: ${System.Runtime.DateTime} in it"
            )
        ],
        id="a file name without a system variable",
    ),
    pytest.param(
        RECORDER,
        [("street-${System.TopologyName}", "../street-${System.TopologyName}")],
        [
            (
                "53:28: error: /properties/sinks/0/fileNamePattern is"
                " \"../street-Recorder-${System.Runtime.DateTime}\": a file name with '/'; allowed: a name; the"
                " folder belongs into baseDirectoryPath"
            )
        ],
        id="a file name with a folder",
    ),
    pytest.param(
        RECORDER,
        [('"maximumSizeMiB": "512"', '"maximumSizeMiB": "0"')],
        ['54:27: error: /properties/sinks/0/maximumSizeMiB is "0": too small; allowed: 1 to 2147483648'],
        id="no room for files",
    ),
    pytest.param(
        RECORDER,
        [('"segmentLength": "PT30S"', '"segmentLength": "PT45S"')],
        [
            (
                '63:73: error: /properties/sinks/1/videoCreationProperties/segmentLength is "PT45S": between two'
                " steps; allowed: PT30S to PT5M in steps of PT30S"
            )
        ],
        id="segments between two steps",
    ),
    pytest.param(
        RECORDER,
        [('"segmentLength": "PT30S"', '"segmentLength": "PT6M"')],
        [
            (
                '63:73: error: /properties/sinks/1/videoCreationProperties/segmentLength is "PT6M": too large;'
                " allowed: PT30S to PT5M in steps of PT30S"
            )
        ],
        id="segments that are too long",
    ),
    pytest.param(
        RECORDER,
        [('"retentionPeriod": "P7D"', '"retentionPeriod": "PT36H"')],
        [
            (
                '63:101: error: /properties/sinks/1/videoCreationProperties/retentionPeriod is "PT36H": between'
                " two steps; allowed: P1D to P3650D in steps of P1D"
            )
        ],
        id="a retention of hours",
    ),
    pytest.param(
        RECORDER,
        [('"[[0.5,0.1],[0.5,0.9]]"', '"[[0.5,0.1]]"')],
        [
            (
                '34:89: error: /properties/processors/2/lines/0/line is "[[0.5,0.1]]": a line with 1 of its 2'
                " points; allowed: [[x,y],[x,y]], each from 0 to 1, origin top left"
            )
        ],
        id="a line of one point",
    ),
    pytest.param(
        RECORDER,
        [('"[[0.5,0.1],[0.5,0.9]]"', '[[0.5,0.1],["0.5","0.1"]]')],
        [
            (
                "34:89: error: /properties/processors/2/lines/0/line is a list: a line that ends where it begins;"
                " allowed: [[x,y],[x,y]], each from 0 to 1, origin top left"
            )
        ],
        id="a line that goes nowhere",
    ),
    pytest.param(
        RECORDER,
        [('"[[0.5,0.1],[0.5,0.9]]"', '"[[0.5,0.1],[0.5,90]]"')],
        [
            (
                '34:89: error: /properties/processors/2/lines/0/line is "[[0.5,0.1],[0.5,90]]": a point outside'
                " the picture; allowed: [[x,y],[x,y]], each from 0 to 1, origin top left"
            )
        ],
        id="a line outside the picture",
    ),
    pytest.param(
        RECORDER,
        [
            (
                '"line": "[[0.5,0.1],[0.5,0.9]]"}',
                '"line": "[[0.5,0.1],[0.5,0.9]]"}, {"name": "kerb", "line": "[[0,0],[1,1]]"}',
            )
        ],
        [
            (
                '34:124: warning: /properties/processors/2/lines/1/name is "kerb": two lines of this name: their'
                " events cannot be told apart"
            )
        ],
        id="two lines of one name",
    ),
    pytest.param(
        RECORDER,
        [
            (
                (
                    '"lines": [\n          {"@type": "#Microsoft.VideoAnalyzer.NamedLineString", "name": "kerb",'
                    ' "line": "[[0.5,0.1],[0.5,0.9]]"}\n        ]'
                ),
                '"lines": []',
            )
        ],
        ["33:18: error: /properties/processors/2/lines: empty; allowed: at least one"],
        id="no lines",
    ),
    pytest.param(
        RECORDER,
        [('"accuracy": "low"', '"accuracy": "lower"')],
        [
            (
                '27:21: error: /properties/processors/1/accuracy is "lower": unknown; allowed: low, medium, high;'
                " did you mean low?"
            )
        ],
        id="an accuracy that there is not",
    ),
]


@pytest.mark.parametrize(("text", "swaps", "lines"), CASES)
def test_what_is_said_of(text: str, swaps: list[tuple[str, str]], lines: list[str]) -> None:
    assert of_rules(swapped(text, *swaps)) == lines
