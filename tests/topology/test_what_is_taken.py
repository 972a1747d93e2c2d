"""What is just right, and what nodes do not do yet."""

from __future__ import annotations

import pytest
from topology_texts import NOT_YET, RECORDER, STREET, lines_of, of_rules, swapped

LIMITS = [
    ('"default": "90"', '"default": "0"'),
    ('"default": "90"', '"default": "100"'),
    ('"sharedMemorySizeMiB": "64"', '"sharedMemorySizeMiB": "1"'),
    ('"sharedMemorySizeMiB": "64"', '"sharedMemorySizeMiB": "100"'),
    ('"width": "416", "height": "416"', '"width": "1"'),
    ('"width": "416", "height": "416"', '"height": "65535"'),
    ('"maximumSamplesPerSecond": "5"', '"maximumSamplesPerSecond": "0.2"'),
    ('"maximumSamplesPerSecond": "5"', '"maximumSamplesPerSecond": " 3e1 "'),
    ('"eventAggregationWindow": "PT1S"', '"eventAggregationWindow": "PT0S"'),
    ('"eventAggregationWindow": "PT1S"', '"eventAggregationWindow": "P1D"'),
    ('"name": "Street"', '"name": "a"'),
    ('"name": "Street"', '"name": "abcdefghijklmnopqrstuvwxyz-12345"'),
    ('"hubOutputName": "inferences"', f'"hubOutputName": "{"o" * 50}"'),
    ('"[[[0,0],[1,0],[1,0.2]]]"', "[]"),
    ('"[[[0,0],[1,0],[1,0.2]]]"', f'"[[{"[0,0]," * 999}[1,1]]]"'),
    ('"[[[0,0],[1,0],[1,0.2]]]"', f'"[{"[[0,0],[1,1],[0,1]]," * 99}[[0,0],[1,1],[0,1]]]"'),
    ('"outputMotionRegion": "true"', '"outputMotionRegion": " FALSE "'),
    ('"@apiVersion": "1.1"', '"@apiVersion": "1.0"'),
    ('"@apiVersion": "1.1",', ""),
    ('"type": "Int", "default": "90"', '"type": "Int", "default": "+90"'),
    ('"url": "tcp://detector:5001"', '"url": "tcp://detector:1"'),
    (',\n          "format": {"@type": "#Microsoft.VideoAnalyzer.ImageFormatJpeg", "quality": "${quality}"}', ""),
    ('"url": "tcp://detector:5001"', '"url": "tcp://detector:65535"'),
]

RECORDING_LIMITS = [
    ('"activationEvaluationWindow": "PT1S"', '"activationEvaluationWindow": "PT0S"'),
    ('"activationEvaluationWindow": "PT1S"', '"activationEvaluationWindow": "PT10S"'),
    ('"activationSignalOffset": "-PT5S"', '"activationSignalOffset": "-PT1M"'),
    ('"activationSignalOffset": "-PT5S"', '"activationSignalOffset": "PT60S"'),
    ('"minimumActivationTime": "PT20S"', '"minimumActivationTime": "PT10S"'),
    ('"minimumActivationTime": "PT20S"', '"minimumActivationTime": "PT40S"'),
    ('"maximumActivationTime": "PT40S"', '"maximumActivationTime": "PT1H"'),
    ('"maximumSizeMiB": "512"', '"maximumSizeMiB": "1"'),
    ('"segmentLength": "PT30S"', '"segmentLength": "PT5M"'),
    ('"segmentLength": "PT30S"', '"segmentLength": "PT2M30S"'),
    ('"retentionPeriod": "P7D"', '"retentionPeriod": "P1D"'),
    ("street-${System.TopologyName}-${System.Runtime.DateTime}", "street-${System.PipelineName}"),
    ("street-${System.TopologyName}-${System.Runtime.DateTime}", "${System.Runtime.DateTime}"),
    (
        '{"@type": "#Microsoft.VideoAnalyzer.UnsecuredEndpoint", "url": "http://detector/score"}',
        '{"@type": "TlsEndpoint", "url": "https://detector/score", "validationOptions": {"ignoreHostname": "true"}}',
    ),
    (
        '{"@type": "#Microsoft.VideoAnalyzer.UnsecuredEndpoint", "url": "http://detector/score"}',
        '{"@type": "UnsecuredEndpoint", "url": "https://[2001:db8::1]:8443/score?key=1", "credentials":'
        ' {"@type": "HttpHeaderCredentials", "headerName": "x-api-key", "headerValue": "s3cret"}}',
    ),
    ('"[[0.5,0.1],[0.5,0.9]]"', "[[0, 0], [1, 1]]"),
]


def test_what_nodes_do_not_do_yet_is_said_of_each() -> None:
    assert lines_of(RECORDER) == NOT_YET
    assert lines_of(STREET) == []


def test_a_message_source_without_an_input_is_told() -> None:
    (line,) = of_rules(swapped(RECORDER, ('"hubInputName": "open"', '"hubInputName": null')))
    assert line.endswith("no hubInputName: no message reaches it; allowed: a name, which messages are sent to")
    assert "warning" in line


@pytest.mark.parametrize(("old", "new"), LIMITS)
def test_a_value_at_its_limit_is_taken(old: str, new: str) -> None:
    assert of_rules(swapped(STREET, (old, new))) == []


@pytest.mark.parametrize(("old", "new"), RECORDING_LIMITS)
def test_a_value_of_a_recording_at_its_limit_is_taken(old: str, new: str) -> None:
    assert of_rules(swapped(RECORDER, (old, new))) == []


@pytest.mark.parametrize(
    ("scale", "size_mib", "count"),
    [
        ('{"width": "1024", "height": "1024"}', "3", 0),
        ('{"width": "1024", "height": "1025"}', "3", 1),
        ('{"mode": "stretch", "width": "1024", "height": "1025"}', "3", 1),
        ('{"mode": "preserveAspectRatio", "width": "1024", "height": "1025"}', "3", 0),
        ('{"width": "1024"}', "1", 0),
    ],
)
def test_a_raw_frame_must_fit_into_shared_memory_where_its_size_is_certain(
    scale: str, size_mib: str, count: int
) -> None:
    text = swapped(
        STREET,
        ('{"mode": "pad", "width": "416", "height": "416"}', scale),
        (
            '{"@type": "#Microsoft.VideoAnalyzer.ImageFormatJpeg", "quality": "${quality}"}',
            '{"@type": "ImageFormatRaw", "pixelFormat": "rgb24"}',
        ),
        ('"sharedMemorySizeMiB": "64"', f'"sharedMemorySizeMiB": "{size_mib}"'),
    )
    assert len(lines_of(text)) == count


def test_planes_of_colour_count_too() -> None:
    text = swapped(
        STREET,
        ('{"mode": "pad", "width": "416", "height": "416"}', '{"width": "1023", "height": "1023"}'),
        (
            '{"@type": "#Microsoft.VideoAnalyzer.ImageFormatJpeg", "quality": "${quality}"}',
            '{"@type": "ImageFormatRaw", "pixelFormat": "yuv420p"}',
        ),
        ('"sharedMemorySizeMiB": "64"', '"sharedMemorySizeMiB": "1"'),
    )
    assert lines_of(text) == [
        '46:34: error: /properties/processors/1/dataTransfer/sharedMemorySizeMiB is "1": '
        "one raw frame has 1570817 bytes; allowed: 2 to 100, or another format"
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        '[[[0,0],[1,0],[1,"x"]]]',
        "[[[0,0],[1,0],[1,true]]]",
        "[[[0,0],[1,0],[1]]]",
        '[[[0,0],[1,0],"ab"]]',
        "[[5]]",
        "{}",
    ],
)
def test_a_mask_holds_points_alone(wrong: str) -> None:
    (line,) = lines_of(swapped(STREET, ('"[[[0,0],[1,0],[1,0.2]]]"', wrong)))
    assert line.startswith("34:27: error: /properties/processors/0/framewire:mask is ")
