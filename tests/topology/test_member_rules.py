"""Members and types that are missing, unknown or doubled, and what is said of each."""

from __future__ import annotations

import pytest
from topology_texts import RECORDER, STREET, of_rules, swapped

CASES = [
    pytest.param(
        STREET,
        [('"transport": "tcp",\n        "endpoint"', '"transport": "tcp",\n        "endpiont"')],
        [
            "12:7: error: /properties/sources/0: endpoint is missing; allowed: UnsecuredEndpoint, TlsEndpoint",
            (
                "16:21: warning: /properties/sources/0/endpiont: unknown member, which is left out; allowed:"
                " name, transport, endpoint; did you mean endpoint?"
            ),
        ],
        id="a source without an endpoint",
    ),
    pytest.param(
        STREET,
        [('"url": "tcp://detector:5001"', '"uri": "tcp://detector:5001"')],
        [
            "40:21: error: /properties/processors/1/endpoint: url is missing",
            (
                "42:18: warning: /properties/processors/1/endpoint/uri: unknown member, which is left out;"
                " allowed: url, credentials, trustedCertificates, validationOptions; did you mean url?"
            ),
        ],
        id="an endpoint without an address",
    ),
    pytest.param(
        STREET,
        [('"image": {"format"', '"picture": {"format"')],
        [
            "56:7: error: /properties/processors/2: image is missing",
            (
                "63:20: warning: /properties/processors/2/picture: unknown member, which is left out; allowed:"
                " name, inputs, endpoint, image, samplingOptions"
            ),
        ],
        id="an extension without an image",
    ),
    pytest.param(
        STREET,
        [
            (
                (
                    '"dataTransfer": {\n          "mode": "sharedMemory",\n          "sharedMemorySizeMiB": "64"\n   '
                    "     },\n"
                ),
                "",
            )
        ],
        ["37:7: error: /properties/processors/1: dataTransfer is missing"],
        id="an extension without dataTransfer",
    ),
    pytest.param(
        STREET,
        [('"mode": "sharedMemory",', "")],
        ["44:25: error: /properties/processors/1/dataTransfer: mode is missing"],
        id="a transfer without a mode",
    ),
    pytest.param(
        STREET,
        [(', "pixelFormat": "Bgr24"', "")],
        ["63:29: error: /properties/processors/2/image/format: pixelFormat is missing"],
        id="a raw format without pixels",
    ),
    pytest.param(
        STREET,
        [('        "name": "hub",\n', "")],
        ["68:7: error: /properties/sinks/0: name is missing"],
        id="a node without a name",
    ),
    pytest.param(
        STREET,
        [(',\n        "inputs": [{"nodeName": "http"}]', "")],
        ["68:7: error: /properties/sinks/0: inputs is missing"],
        id="a node without inputs",
    ),
    pytest.param(
        STREET,
        [('{"nodeName": "http"}', "{}")],
        ["72:20: error: /properties/sinks/0/inputs/0: nodeName is missing"],
        id="an input without a node",
    ),
    pytest.param(
        STREET,
        [('"hubOutputName": "inferences"', '"hubOutputName": null')],
        ["68:7: error: /properties/sinks/0: hubOutputName is missing"],
        id="a sink without an output name",
    ),
    pytest.param(
        STREET,
        [('"username": "user",\n            "password": "${rtspPassword}"', '"username": "user"')],
        ["19:26: error: /properties/sources/0/endpoint/credentials: password is missing"],
        id="a user without a password",
    ),
    pytest.param(
        STREET,
        [('"properties": {\n    "description"', '"property": {\n    "description"')],
        [
            "1:1: error: properties is missing",
            (
                "4:15: warning: /property: unknown member, which is left out; allowed: @apiVersion, name,"
                " systemData, $schema, properties; did you mean properties?"
            ),
        ],
        id="a topology without properties",
    ),
    pytest.param(
        STREET, [('  "name": "Street",\n', "")], ["1:1: error: name is missing"], id="a topology without a name"
    ),
    pytest.param(
        STREET,
        [('"sources": [', '"source": [')],
        [
            "4:17: error: /properties: sources is missing",
            (
                "11:15: warning: /properties/source: unknown member, which is left out; allowed: description,"
                " parameters, sources, processors, sinks; did you mean sources?"
            ),
        ],
        id="a topology without sources",
    ),
    pytest.param(
        STREET,
        [('"@type": "#Microsoft.VideoAnalyzer.IotHubMessageSink",', "")],
        ["68:7: error: /properties/sinks/0: @type is missing; allowed: IotHubMessageSink, FileSink, VideoSink"],
        id="a node without a type",
    ),
    pytest.param(
        STREET,
        [("#Microsoft.VideoAnalyzer.IotHubMessageSink", "#Microsoft.VideoAnalyzer.IotHubMesageSink")],
        [
            (
                '69:18: error: /properties/sinks/0/@type is "#Microsoft.VideoAnalyzer.IotHubMesageSink": unknown'
                " type; allowed: IotHubMessageSink, FileSink, VideoSink; did you mean IotHubMessageSink?"
            )
        ],
        id="a type that is misspelled",
    ),
    pytest.param(
        STREET,
        [("#Microsoft.VideoAnalyzer.RtspSource", "#Microsoft.Media.MediaGraphRtspSource")],
        [
            (
                '13:18: error: /properties/sources/0/@type is "#Microsoft.Media.MediaGraphRtspSource": a type of'
                " Live Video Analytics, which came before Azure Video Analyzer and has other topologies; allowed:"
                " RtspSource, IotHubMessageSource; did you mean RtspSource?"
            )
        ],
        id="a type of Live Video Analytics",
    ),
    pytest.param(
        STREET,
        [("#Microsoft.VideoAnalyzer.TlsEndpoint", "#Microsoft.VideoAnalyzer.SecureEndpoint")],
        [
            (
                "41:20: error: /properties/processors/1/endpoint/@type is"
                ' "#Microsoft.VideoAnalyzer.SecureEndpoint": unknown type; allowed: UnsecuredEndpoint,'
                " TlsEndpoint; did you mean UnsecuredEndpoint?"
            )
        ],
        id="an endpoint of an unknown type",
    ),
    pytest.param(
        STREET,
        [("#Microsoft.VideoAnalyzer.HttpExtension", "#Microsoft.VideoAnalyzer.VideoSink")],
        [
            (
                '57:18: error: /properties/processors/2/@type is "#Microsoft.VideoAnalyzer.VideoSink": VideoSink'
                " cannot stand here; allowed: MotionDetectionProcessor, GrpcExtension, HttpExtension,"
                " CognitiveServicesVisionProcessor, ObjectTrackingProcessor, LineCrossingProcessor,"
                " SignalGateProcessor"
            )
        ],
        id="a sink among the processors",
    ),
    pytest.param(
        STREET,
        [('"transport": "tcp"', '"trnsport": "tcp"')],
        [
            (
                "15:21: warning: /properties/sources/0/trnsport: unknown member, which is left out; allowed:"
                " name, transport, endpoint; did you mean transport?"
            )
        ],
        id="a member that there is not",
    ),
    pytest.param(
        STREET,
        [('"transport": "tcp"', '"transport": "tcp", "Transport": "http"')],
        ["15:42: warning: /properties/sources/0/Transport: transport is there twice; the last one counts"],
        id="a member in two cases",
    ),
    pytest.param(
        STREET,
        [('"transport": "tcp"', '"transport": "tcp", "transport": "http"')],
        ["15:29: warning: /properties/sources/0/transport: this member is there twice; the last one counts"],
        id="a member twice",
    ),
    pytest.param(
        RECORDER,
        [
            (
                (
                    '        "baseDirectoryPath": "/var/media",\n        "fileNamePattern":'
                    ' "street-${System.TopologyName}-${System.Runtime.DateTime}",\n        "maximumSizeMiB": "512",\n'
                ),
                "",
            )
        ],
        [
            "49:7: error: /properties/sinks/0: baseDirectoryPath is missing",
            "49:7: error: /properties/sinks/0: fileNamePattern is missing",
            "49:7: error: /properties/sinks/0: maximumSizeMiB is missing",
        ],
        id="a file sink without what it needs",
    ),
    pytest.param(
        RECORDER,
        [
            (
                (
                    '        "videoName": "street",\n        "localMediaCachePath": "/var/cache",\n       '
                    ' "localMediaCacheMaximumSizeMiB": 2048,\n'
                ),
                "",
            )
        ],
        [
            "57:7: error: /properties/sinks/1: videoName is missing",
            "57:7: error: /properties/sinks/1: localMediaCachePath is missing",
            "57:7: error: /properties/sinks/1: localMediaCacheMaximumSizeMiB is missing",
        ],
        id="a video sink without what it needs",
    ),
    pytest.param(
        RECORDER,
        [('"name": "kerb", ', "")],
        ["34:11: error: /properties/processors/2/lines/0: name is missing"],
        id="a line without a name",
    ),
    pytest.param(
        RECORDER,
        [("#Microsoft.VideoAnalyzer.HttpExtension", "#Microsoft.VideoAnalyzer.CognitiveServicesVisionProcessor")],
        [
            (
                "17:7: error: /properties/processors/0: CognitiveServicesVisionProcessor is not supported: it"
                " needs a container that is closed and paid for; allowed: GrpcExtension or HttpExtension with a"
                " server of your own"
            ),
            (
                '28:33: warning: /properties/processors/1/inputs/0/nodeName is "http": Azure Video Analyzer did'
                " not take ObjectTrackingProcessor directly behind CognitiveServicesVisionProcessor; allowed:"
                " HttpExtension or GrpcExtension before it"
            ),
        ],
        id="cognitive services",
    ),
]


@pytest.mark.parametrize(("text", "swaps", "lines"), CASES)
def test_what_is_said_of(text: str, swaps: list[tuple[str, str]], lines: list[str]) -> None:
    assert of_rules(swapped(text, *swaps)) == lines
