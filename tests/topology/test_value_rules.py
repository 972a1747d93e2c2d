"""Values that are wrong, and what is said of each (topologies, sections 2, 3 and 5)."""

from __future__ import annotations

import pytest
from topology_texts import STREET, of_rules, swapped

CASES = [
    pytest.param(
        STREET,
        [('"transport": "tcp"', '"transport": "tpc"')],
        [
            (
                '15:22: error: /properties/sources/0/transport is "tpc": unknown; allowed: tcp, http, udp; did'
                " you mean tcp?"
            )
        ],
        id="an unknown word",
    ),
    pytest.param(
        STREET,
        [('"transport": "tcp"', '"transport": ""')],
        ['15:22: error: /properties/sources/0/transport is "": empty; allowed: tcp, http, udp'],
        id="an empty word",
    ),
    pytest.param(
        STREET,
        [('"transport": "tcp"', '"transport": "UDP"')],
        [
            (
                '15:22: warning: /properties/sources/0/transport is "UDP": Azure Video Analyzer did not take udp;'
                " framewire does"
            )
        ],
        id="udp, which the service did not take",
    ),
    pytest.param(
        STREET,
        [('"sensitivity": "medium"', '"sensitivity": "hihg"')],
        [
            (
                '31:24: error: /properties/processors/0/sensitivity is "hihg": unknown; allowed: low, medium,'
                " high; did you mean high?"
            )
        ],
        id="a sensitivity that there is not",
    ),
    pytest.param(
        STREET,
        [('"outputMotionRegion": "true"', '"outputMotionRegion": "yes"')],
        [
            (
                '32:31: error: /properties/processors/0/outputMotionRegion is "yes": neither true nor false;'
                " allowed: true, false"
            )
        ],
        id="no switch",
    ),
    pytest.param(
        STREET,
        [('"eventAggregationWindow": "PT1S"', '"eventAggregationWindow": "1s"')],
        [
            (
                '33:35: error: /properties/processors/0/eventAggregationWindow is "1s": no duration; allowed: an'
                " ISO 8601 duration, PT0S to P1D; did you mean PT1S?"
            )
        ],
        id="no duration",
    ),
    pytest.param(
        STREET,
        [('"eventAggregationWindow": "PT1S"', '"eventAggregationWindow": "00:00:05"')],
        [
            (
                '33:35: error: /properties/processors/0/eventAggregationWindow is "00:00:05": no duration;'
                " allowed: an ISO 8601 duration, PT0S to P1D; did you mean PT5S?"
            )
        ],
        id="a duration as on a clock",
    ),
    pytest.param(
        STREET,
        [('"eventAggregationWindow": "PT1S"', '"eventAggregationWindow": "-PT1S"')],
        [('33:35: error: /properties/processors/0/eventAggregationWindow is "-PT1S": too small; allowed: PT0S to P1D')],
        id="a duration below zero",
    ),
    pytest.param(
        STREET,
        [('"eventAggregationWindow": "PT1S"', '"eventAggregationWindow": "P1M"')],
        [
            (
                '33:35: error: /properties/processors/0/eventAggregationWindow is "P1M": no duration; allowed: an'
                " ISO 8601 duration, PT0S to P1D"
            )
        ],
        id="a duration in months",
    ),
    pytest.param(
        STREET,
        [('"default": "90"', '"default": "101"')],
        ['50:86: error: /properties/processors/1/image/format/quality is "101": too large; allowed: 0 to 100'],
        id="a quality beyond the range",
    ),
    pytest.param(
        STREET,
        [('"quality": "${quality}"', '"quality": "9.5"')],
        [('50:86: error: /properties/processors/1/image/format/quality is "9.5": no whole number; allowed: 0 to 100')],
        id="a quality that is no whole number",
    ),
    pytest.param(
        STREET,
        [('"width": "416"', '"width": "0"')],
        ['49:45: error: /properties/processors/1/image/scale/width is "0": too small; allowed: 1 to 65535'],
        id="a width of nothing",
    ),
    pytest.param(
        STREET,
        [('"width": "416"', '"width": "416px"')],
        [('49:45: error: /properties/processors/1/image/scale/width is "416px": no whole number; allowed: 1 to 65535')],
        id="a width in words",
    ),
    pytest.param(
        STREET,
        [('"sharedMemorySizeMiB": "64"', '"sharedMemorySizeMiB": "101"')],
        [
            (
                '46:34: error: /properties/processors/1/dataTransfer/sharedMemorySizeMiB is "101": too large;'
                " allowed: 0 to 100"
            )
        ],
        id="too much shared memory",
    ),
    pytest.param(
        STREET,
        [('"sharedMemorySizeMiB": "64"', '"sharedMemorySizeMiB": 0')],
        [
            (
                "46:34: error: /properties/processors/1/dataTransfer/sharedMemorySizeMiB is 0: no room for a"
                " frame; allowed: 1 to 100"
            )
        ],
        id="no shared memory",
    ),
    pytest.param(
        STREET,
        [('"mode": "sharedMemory"', '"mode": "embedded"')],
        [
            (
                '46:34: warning: /properties/processors/1/dataTransfer/sharedMemorySizeMiB is "64": means nothing'
                " with mode embedded; allowed: mode sharedMemory"
            )
        ],
        id="shared memory with embedded",
    ),
    pytest.param(
        STREET,
        [('"mode": "sharedMemory"', '"mode": "shared"')],
        [
            (
                '45:19: error: /properties/processors/1/dataTransfer/mode is "shared": unknown; allowed:'
                " embedded, sharedMemory; did you mean sharedMemory?"
            )
        ],
        id="a transfer mode that there is not",
    ),
    pytest.param(
        STREET,
        [('"mode": "pad"', '"mode": "fit"')],
        [
            (
                '49:29: error: /properties/processors/1/image/scale/mode is "fit": unknown; allowed: pad,'
                " preserveAspectRatio, stretch"
            )
        ],
        id="a scale mode that there is not",
    ),
    pytest.param(
        STREET,
        [('{"mode": "pad", "width": "416", "height": "416"}', '{"mode": "stretch"}')],
        [
            (
                "49:20: warning: /properties/processors/1/image/scale: neither width nor height: images keep the"
                " camera's size; allowed: width, height or both"
            )
        ],
        id="a scale without dimensions",
    ),
    pytest.param(
        STREET,
        [('"pixelFormat": "Bgr24"', '"pixelFormat": "bgr25"')],
        [
            (
                '63:97: error: /properties/processors/2/image/format/pixelFormat is "bgr25": unknown; allowed:'
                " yuv420p, rgb565be, rgb565le, rgb555be, rgb555le, rgb24, bgr24, argb, rgba, abgr, bgra; did you"
                " mean bgr24?"
            )
        ],
        id="a pixel format that there is not",
    ),
    pytest.param(
        STREET,
        [
            ('"sharedMemorySizeMiB": "64"', '"sharedMemorySizeMiB": "1"'),
            (
                '{"@type": "#Microsoft.VideoAnalyzer.ImageFormatJpeg", "quality": "${quality}"}',
                '{"@type": "ImageFormatRaw", "pixelFormat": "rgba"}',
            ),
            ('"width": "416", "height": "416"', '"width": "640", "height": "480"'),
        ],
        [
            (
                '46:34: error: /properties/processors/1/dataTransfer/sharedMemorySizeMiB is "1": one raw frame'
                " has 1228800 bytes; allowed: 2 to 100, or another format"
            )
        ],
        id="a raw frame that is larger than the memory",
    ),
    pytest.param(
        STREET,
        [('"maximumSamplesPerSecond": "5"', '"maximumSamplesPerSecond": "0"')],
        [
            (
                '52:56: error: /properties/processors/1/samplingOptions/maximumSamplesPerSecond is "0": not above'
                " 0; allowed: a decimal such as 0.2 or 30; leave it out for no limit"
            )
        ],
        id="a rate of nothing",
    ),
    pytest.param(
        STREET,
        [('"maximumSamplesPerSecond": "5"', '"maximumSamplesPerSecond": "NaN"')],
        [
            (
                '52:56: error: /properties/processors/1/samplingOptions/maximumSamplesPerSecond is "NaN": no'
                " number; allowed: a decimal such as 0.2 or 30"
            )
        ],
        id="a rate that is no number",
    ),
    pytest.param(
        STREET,
        [('"maximumSamplesPerSecond": "5"', '"maximumSamplesPerSecond": "0.1"')],
        [
            (
                '52:56: warning: /properties/processors/1/samplingOptions/maximumSamplesPerSecond is "0.1":'
                " outside 0.2 to 30, which Azure Video Analyzer documented; framewire takes it"
            )
        ],
        id="a rate beyond what is documented",
    ),
    pytest.param(
        STREET,
        [('"name": "motion"', '"name": "motion 1"'), ('"nodeName": "motion"', '"nodeName": "motion 1"')],
        [
            (
                '30:17: error: /properties/processors/0/name is "motion 1": no name; allowed: 1 to 32 letters,'
                " digits and dashes, no dash first or last"
            ),
            (
                '54:33: error: /properties/processors/1/inputs/0/nodeName is "motion 1": no name; allowed: 1 to'
                " 32 letters, digits and dashes, no dash first or last"
            ),
        ],
        id="a name with a blank",
    ),
    pytest.param(
        STREET,
        [('"name": "hub"', '"name": "-hub"')],
        [
            (
                '70:17: error: /properties/sinks/0/name is "-hub": no name; allowed: 1 to 32 letters, digits and'
                " dashes, no dash first or last"
            )
        ],
        id="a name that begins with a dash",
    ),
    pytest.param(
        STREET,
        [('"name": "hub"', '"name": "abcdefghijklmnopqrstuvwxyz1234567"')],
        [
            (
                '70:17: error: /properties/sinks/0/name is "abcdefghijklmnopqrstuvwxyz1234567": a name of 33'
                " characters; allowed: 1 to 32 letters, digits and dashes, no dash first or last"
            )
        ],
        id="a name of 33 characters",
    ),
    pytest.param(
        STREET,
        [('"name": "Street"', '"name": ""')],
        ['3:11: error: /name is "": empty; allowed: 1 to 32 letters, digits and dashes, no dash first or last'],
        id="an empty name",
    ),
    pytest.param(
        STREET,
        [('"hubOutputName": "inferences"', '"hubOutputName": "ooooooooooooooooooooooooooooooooooooooooooooooooooo"')],
        [
            (
                "71:26: error: /properties/sinks/0/hubOutputName is"
                ' "ooooooooooooooooooooooooooooooooooooooooooooooooooo": 51 characters; allowed: up to 50'
            )
        ],
        id="an output name of 51 characters",
    ),
    pytest.param(
        STREET,
        [('"hubOutputName": "inferences"', '"hubOutputName": " "')],
        ['71:26: error: /properties/sinks/0/hubOutputName is " ": empty; allowed: a text'],
        id="an empty output name",
    ),
    pytest.param(
        STREET,
        [('"extensionConfiguration": "{}"', '"extensionConfiguration": {}')],
        [
            (
                "53:35: error: /properties/processors/1/extensionConfiguration is an object: no text; allowed: a"
                " text, a number, true or false"
            )
        ],
        id="an object in place of a text",
    ),
    pytest.param(
        STREET,
        [('"inputs": [{"nodeName": "camera"}]', '"inputs": "camera"')],
        ['35:19: error: /properties/processors/0/inputs is "camera": no list; allowed: [..]'],
        id="a text in place of a list",
    ),
    pytest.param(
        STREET,
        [('"inputs": [{"nodeName": "motion"}]', '"inputs": ["motion"]')],
        ['54:20: error: /properties/processors/1/inputs/0 is "motion": no object; allowed: {..}'],
        id="a text in place of an object",
    ),
    pytest.param(
        STREET,
        [('"inputs": [{"nodeName": "camera"}]', '"inputs": []')],
        ["35:19: error: /properties/processors/0/inputs: empty; allowed: at least one"],
        id="an empty list of inputs",
    ),
    pytest.param(
        STREET,
        [('"extensionConfiguration": "{}"', '"extensionConfiguration": "\\ud800"')],
        [
            (
                '53:35: error: /properties/processors/1/extensionConfiguration is "\\ud800": holds U+D800, which'
                " is no text"
            )
        ],
        id="half a surrogate pair",
    ),
    pytest.param(
        STREET,
        [('"url": "http://detector/score"', '"url": "http://detector/score\\nHost: other"')],
        [
            (
                '61:18: error: /properties/processors/2/endpoint/url is "http://detector/score\\nHost: other":'
                " holds the control character U+000A; allowed: text on one line"
            )
        ],
        id="a line end in an address",
    ),
    pytest.param(
        STREET,
        [('"@apiVersion": "1.1"', '"@apiVersion": "2.0"')],
        ['2:18: warning: /@apiVersion is "2.0": unknown version; read as 1.1; allowed: 1.0, 1.1'],
        id="a version that is not known",
    ),
    pytest.param(
        STREET,
        [('"[[[0,0],[1,0],[1,0.2]]]"', '"[[0,0]"')],
        [
            (
                '34:27: error: /properties/processors/0/framewire:mask is "[[0,0]": no JSON in the text; allowed:'
                " a list of polygons [[x,y],[x,y],[x,y],..], each from 0 to 1, origin top left"
            )
        ],
        id="a mask that is no JSON",
    ),
    pytest.param(
        STREET,
        [('"[[[0,0],[1,0],[1,0.2]]]"', "[[[0,0],[1,0],[1,2]]]")],
        [
            (
                "34:27: error: /properties/processors/0/framewire:mask is a list: a point outside the picture;"
                " allowed: a list of polygons [[x,y],[x,y],[x,y],..], each from 0 to 1, origin top left"
            )
        ],
        id="a mask outside the picture",
    ),
    pytest.param(
        STREET,
        [('"[[[0,0],[1,0],[1,0.2]]]"', "[[[0,0],[1,0]]]")],
        [
            (
                "34:27: error: /properties/processors/0/framewire:mask is a list: a polygon with 2 of 3 points or"
                " more; allowed: 3 to 1000 points"
            )
        ],
        id="a mask of two points",
    ),
]


@pytest.mark.parametrize(("text", "swaps", "lines"), CASES)
def test_what_is_said_of(text: str, swaps: list[tuple[str, str]], lines: list[str]) -> None:
    assert of_rules(swapped(text, *swaps)) == lines
