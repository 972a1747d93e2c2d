"""Inputs that cannot be, and nodes in the wrong place, and what is said of each."""

from __future__ import annotations

import pytest
from topology_texts import RECORDER, STREET, of_rules, swapped

CASES = [
    pytest.param(
        STREET,
        [('"inputs": [{"nodeName": "motion"}]', '"inputs": [{"nodeName": "moton"}]')],
        [
            (
                '54:33: error: /properties/processors/1/inputs/0/nodeName is "moton": there is no such node;'
                " allowed: camera, motion, http; did you mean motion?"
            )
        ],
        id="an input that there is not",
    ),
    pytest.param(
        STREET,
        [('"inputs": [{"nodeName": "motion"}]', '"inputs": [{"nodeName": "Motion"}]')],
        ['54:33: warning: /properties/processors/1/inputs/0/nodeName is "Motion": taken for "motion"'],
        id="an input in another case",
    ),
    pytest.param(
        STREET,
        [('"inputs": [{"nodeName": "grpc"}]', '"inputs": [{"nodeName": "hub"}]')],
        [
            (
                '64:33: error: /properties/processors/2/inputs/0/nodeName is "hub": "hub" (IotHubMessageSink) is'
                ' a sink, which gives nothing to "http" (HttpExtension); allowed: a source or a processor'
            )
        ],
        id="a sink as an input",
    ),
    pytest.param(
        STREET,
        [('"inputs": [{"nodeName": "motion"}]', '"inputs": [{"nodeName": "motion"}, {"nodeName": "motion"}]')],
        [
            (
                '54:57: warning: /properties/processors/1/inputs/1/nodeName is "motion": "grpc" (GrpcExtension)'
                " names this input twice"
            )
        ],
        id="an input twice",
    ),
    pytest.param(
        STREET,
        [('"name": "http"', '"name": "grpc"'), ('[{"nodeName": "http"}]', '[{"nodeName": "grpc"}]')],
        [
            (
                '58:17: error: /properties/processors/2/name is "grpc": a node of this name is already there, in'
                " line 39; allowed: each name once"
            )
        ],
        id="two nodes of one name",
    ),
    pytest.param(
        STREET,
        [('"inputs": [{"nodeName": "camera"}]', '"inputs": [{"nodeName": "http"}]')],
        [
            '12:7: warning: /properties/sources/0: "camera" (RtspSource) reaches no sink',
            '35:19: error: /properties/processors/0/inputs: a cycle: "grpc" -> "http" -> "motion" -> "grpc"',
            (
                '35:33: warning: /properties/processors/0/inputs/0/nodeName is "http": Azure Video Analyzer did'
                " not take MotionDetectionProcessor directly behind HttpExtension; allowed: RtspSource before it"
            ),
            '72:19: error: /properties/sinks/0/inputs: no source reaches "hub" (IotHubMessageSink)',
        ],
        id="a cycle",
    ),
    pytest.param(
        STREET,
        [
            ('"inputs": [{"nodeName": "motion"}]', '"inputs": [{"nodeName": "grpc"}]'),
            ('[{"nodeName": "http"}]', '[{"nodeName": "motion"}]'),
        ],
        [
            '54:19: error: /properties/processors/1/inputs: a cycle: "grpc" -> "grpc"',
            '56:7: warning: /properties/processors/2: "http" (HttpExtension) reaches no sink',
            '64:19: error: /properties/processors/2/inputs: no source reaches "http" (HttpExtension)',
        ],
        id="a node that feeds itself",
    ),
    pytest.param(
        STREET,
        [('[{"nodeName": "http"}]', '[{"nodeName": "grpc"}]')],
        ['56:7: warning: /properties/processors/2: "http" (HttpExtension) reaches no sink'],
        id="a processor that reaches no sink",
    ),
    pytest.param(
        STREET,
        [('"sinks": [', '"sinks": [], "systemData": [')],
        [
            (
                "67:14: warning: /properties/sinks: nothing will be published: no IotHubMessageSink gets"
                " inferences from a node that works yet"
            ),
            (
                "67:32: warning: /properties/systemData: unknown member, which is left out; allowed: description,"
                " parameters, sources, processors, sinks"
            ),
        ],
        id="no sinks",
    ),
    pytest.param(
        STREET,
        [
            (
                '    "sources": [\n',
                (
                    '    "sources": [\n      {"@type": "RtspSource", "name": "second", "endpoint": {"@type":'
                    ' "UnsecuredEndpoint", "url": "test:"}},\n'
                ),
            )
        ],
        [
            '12:7: warning: /properties/sources/0: "second" (RtspSource) reaches no sink',
            ("13:7: error: /properties/sources/1: a second RtspSource; the first is in line 12; allowed: exactly one"),
        ],
        id="two cameras",
    ),
    pytest.param(
        RECORDER,
        [
            (
                (
                    '"@type": "#Microsoft.VideoAnalyzer.RtspSource",\n        "name": "camera",\n        "endpoint":'
                    ' {"@type": "#Microsoft.VideoAnalyzer.UnsecuredEndpoint", "url": "rtsp://camera.local"}'
                ),
                '"@type": "IotHubMessageSource", "name": "camera"',
            )
        ],
        [
            "4:16: error: /properties/sources: no RtspSource; allowed: exactly one",
            (
                "5:7: warning: /properties/sources/0: no hubInputName: no message reaches it;"
                " allowed: a name, which messages are sent to"
            ),
            (
                '20:19: error: /properties/processors/0/inputs: "http" (HttpExtension) gets no pictures from'
                ' "camera" (IotHubMessageSource); allowed: an input with video'
            ),
            (
                '43:19: error: /properties/processors/3/inputs: "gate" (SignalGateProcessor) gets no encoded'
                ' media to let through from "camera" (IotHubMessageSource) and "trigger" (IotHubMessageSource)'
                ' and "lines" (LineCrossingProcessor); allowed: the RtspSource as an input'
            ),
        ],
        id="no camera",
    ),
    pytest.param(
        STREET,
        [
            (
                '"inputs": [{"nodeName": "motion"}]',
                (
                    '"inputs": [{"nodeName": "motion", "outputSelectors": [{"operator": "is", "value": "video"},'
                    ' {"operator": "isNot", "value": "video"}]}]'
                ),
            )
        ],
        [
            (
                '54:19: error: /properties/processors/1/inputs: "grpc" (GrpcExtension) gets no pictures from'
                ' "motion" (MotionDetectionProcessor); allowed: an input with video'
            ),
            (
                "54:62: error: /properties/processors/1/inputs/0/outputSelectors: these selectors let nothing"
                " through; allowed: video, audio or application"
            ),
        ],
        id="selectors that let nothing through",
    ),
    pytest.param(
        STREET,
        [
            (
                '"inputs": [{"nodeName": "motion"}]',
                (
                    '"inputs": [{"nodeName": "motion", "outputSelectors": [{"property": "mediatyp", "operator":'
                    ' "are", "value": "vidio"}]}]'
                ),
            )
        ],
        [
            (
                '54:76: error: /properties/processors/1/inputs/0/outputSelectors/0/property is "mediatyp":'
                " unknown; allowed: mediaType; did you mean mediaType?"
            ),
            (
                '54:100: error: /properties/processors/1/inputs/0/outputSelectors/0/operator is "are": unknown;'
                " allowed: is, isNot"
            ),
            (
                '54:116: error: /properties/processors/1/inputs/0/outputSelectors/0/value is "vidio": unknown;'
                " allowed: video, audio, application; did you mean video?"
            ),
        ],
        id="a selector that there is not",
    ),
    pytest.param(
        STREET,
        [
            (
                '"inputs": [{"nodeName": "motion"}]',
                '"inputs": [{"nodeName": "motion", "outputSelectors": [{"property": "mediaType"}]}]',
            )
        ],
        ["54:63: error: /properties/processors/1/inputs/0/outputSelectors/0: value is missing"],
        id="a selector without a value",
    ),
    pytest.param(
        STREET,
        [
            (
                '"inputs": [{"nodeName": "motion"}]',
                '"inputs": [{"nodeName": "motion", "outputSelectors": [{"value": "application"}]}]',
            )
        ],
        [
            (
                '54:19: error: /properties/processors/1/inputs: "grpc" (GrpcExtension) gets no pictures from'
                ' "motion" (MotionDetectionProcessor); allowed: an input with video'
            )
        ],
        id="an extension that gets no video",
    ),
    pytest.param(
        STREET,
        [('"inputs": [{"nodeName": "grpc"}]', '"inputs": [{"nodeName": "grpc"}, {"nodeName": "motion"}]')],
        [
            (
                '64:55: error: /properties/processors/2/inputs/1/nodeName is "motion": "http" (HttpExtension)'
                ' gets its pictures from "grpc" (GrpcExtension) already; allowed: one input with pictures'
            )
        ],
        id="an extension with two inputs of video",
    ),
    pytest.param(
        STREET,
        [
            (
                '"inputs": [{"nodeName": "http"}]',
                '"inputs": [{"nodeName": "http", "outputSelectors": [{"value": "video"}]}]',
            )
        ],
        [
            (
                '72:19: error: /properties/sinks/0/inputs: "hub" (IotHubMessageSink) gets no inferences to'
                ' publish from "http" (HttpExtension); allowed: a processor that infers as an input'
            )
        ],
        id="a message sink that gets video only",
    ),
    pytest.param(
        STREET,
        [('"inputs": [{"nodeName": "http"}]', '"inputs": [{"nodeName": "camera"}]')],
        [
            '28:7: warning: /properties/processors/0: "motion" (MotionDetectionProcessor) reaches no sink',
            '37:7: warning: /properties/processors/1: "grpc" (GrpcExtension) reaches no sink',
            '56:7: warning: /properties/processors/2: "http" (HttpExtension) reaches no sink',
            (
                '72:19: error: /properties/sinks/0/inputs: "hub" (IotHubMessageSink) gets no inferences to'
                ' publish from "camera" (RtspSource); allowed: a processor that infers as an input'
            ),
        ],
        id="a message sink behind the camera",
    ),
    pytest.param(
        STREET,
        [('"inputs": [{"nodeName": "http"}]', '"inputs": [{"nodeName": "http"}, {"nodeName": "camera"}]')],
        [
            (
                '72:55: warning: /properties/sinks/0/inputs/1/nodeName is "camera": "camera" (RtspSource) gives'
                ' "hub" (IotHubMessageSink) nothing that it takes'
            )
        ],
        id="a message sink that gets something useless, too",
    ),
    pytest.param(
        STREET,
        [
            ('[{"nodeName": "camera"}]', '[{"nodeName": "grpc"}]'),
            ('"inputs": [{"nodeName": "motion"}]', '"inputs": [{"nodeName": "camera"}]'),
        ],
        [
            '28:7: warning: /properties/processors/0: "motion" (MotionDetectionProcessor) reaches no sink',
            (
                '35:33: warning: /properties/processors/0/inputs/0/nodeName is "grpc": Azure Video Analyzer did'
                " not take MotionDetectionProcessor directly behind GrpcExtension; allowed: RtspSource before it"
            ),
        ],
        id="motion behind an extension",
    ),
    pytest.param(
        RECORDER,
        [
            (
                '[{"nodeName": "camera"}, {"nodeName": "trigger"}, {"nodeName": "lines"}]',
                '[{"nodeName": "trigger"}, {"nodeName": "lines"}]',
            )
        ],
        [
            (
                '45:19: error: /properties/processors/3/inputs: "gate" (SignalGateProcessor) gets no encoded'
                ' media to let through from "trigger" (IotHubMessageSource) and "lines" (LineCrossingProcessor);'
                " allowed: the RtspSource as an input"
            )
        ],
        id="a gate without media",
    ),
    pytest.param(
        RECORDER,
        [('[{"nodeName": "camera"}, {"nodeName": "trigger"}, {"nodeName": "lines"}]', '[{"nodeName": "camera"}]')],
        [
            '10:7: warning: /properties/sources/1: "trigger" (IotHubMessageSource) reaches no sink',
            '24:7: warning: /properties/processors/1: "tracker" (ObjectTrackingProcessor) reaches no sink',
            '30:7: warning: /properties/processors/2: "lines" (LineCrossingProcessor) reaches no sink',
            (
                '45:19: error: /properties/processors/3/inputs: "gate" (SignalGateProcessor) gets no events that'
                ' open it from "camera" (RtspSource); allowed: a processor or an IotHubMessageSource beside the'
                " media"
            ),
        ],
        id="a gate without events",
    ),
    pytest.param(
        RECORDER,
        [
            (
                '"maximumSizeMiB": "512",\n        "inputs": [{"nodeName": "gate"}]',
                '"maximumSizeMiB": "512",\n        "inputs": [{"nodeName": "lines"}]',
            )
        ],
        [
            (
                '55:19: error: /properties/sinks/0/inputs: "files" (FileSink) gets no encoded media from "lines"'
                " (LineCrossingProcessor); allowed: a SignalGateProcessor or the RtspSource as an input"
            ),
            (
                '55:33: warning: /properties/sinks/0/inputs/0/nodeName is "lines": Azure Video Analyzer did not'
                " take FileSink directly behind LineCrossingProcessor; allowed: SignalGateProcessor before it"
            ),
        ],
        id="a recorder that gets frames",
    ),
    pytest.param(
        RECORDER,
        [
            (
                '"maximumSizeMiB": "512",\n        "inputs": [{"nodeName": "gate"}]',
                '"maximumSizeMiB": "512",\n        "inputs": [{"nodeName": "camera"}]',
            )
        ],
        [
            (
                '55:33: warning: /properties/sinks/0/inputs/0/nodeName is "camera": Azure Video Analyzer did not'
                " take FileSink directly behind RtspSource; allowed: SignalGateProcessor before it"
            )
        ],
        id="a file sink behind the camera",
    ),
    pytest.param(
        RECORDER,
        [
            (
                '"retentionPeriod": "P7D"},\n        "inputs": [{"nodeName": "gate"}]',
                '"retentionPeriod": "P7D"},\n        "inputs": [{"nodeName": "camera"}, {"nodeName": "tracker"}]',
            )
        ],
        [
            (
                '64:57: warning: /properties/sinks/1/inputs/1/nodeName is "tracker": Azure Video Analyzer did not'
                " take VideoSink directly behind ObjectTrackingProcessor; allowed: RtspSource or"
                " SignalGateProcessor before it"
            )
        ],
        id="a video sink with inferences",
    ),
    pytest.param(
        RECORDER,
        [
            (
                '"accuracy": "low",\n        "inputs": [{"nodeName": "http"}]',
                '"accuracy": "low",\n        "inputs": [{"nodeName": "camera"}]',
            )
        ],
        [
            (
                '28:19: error: /properties/processors/1/inputs: "tracker" (ObjectTrackingProcessor) gets no'
                ' inferences from "camera" (RtspSource); allowed: an input that infers'
            ),
            (
                '28:33: warning: /properties/processors/1/inputs/0/nodeName is "camera": Azure Video Analyzer did'
                " not take ObjectTrackingProcessor directly behind RtspSource; allowed: HttpExtension or"
                " GrpcExtension before it"
            ),
        ],
        id="a tracker behind the camera",
    ),
    pytest.param(
        RECORDER,
        [('"inputs": [{"nodeName": "tracker"}]', '"inputs": [{"nodeName": "http"}]')],
        [
            '24:7: warning: /properties/processors/1: "tracker" (ObjectTrackingProcessor) reaches no sink',
            (
                '36:33: warning: /properties/processors/2/inputs/0/nodeName is "http": Azure Video Analyzer did'
                " not take LineCrossingProcessor directly behind HttpExtension; allowed: ObjectTrackingProcessor"
                " before it"
            ),
        ],
        id="lines behind an extension",
    ),
    pytest.param(
        RECORDER,
        [
            (
                '"image": {},\n        "inputs": [{"nodeName": "camera"}]',
                '"image": {},\n        "inputs": [{"nodeName": "gate"}]',
            ),
            (', {"nodeName": "lines"}]', "]"),
        ],
        [
            (
                '22:33: warning: /properties/processors/0/inputs/0/nodeName is "gate": Azure Video Analyzer did'
                " not take HttpExtension directly behind SignalGateProcessor"
            ),
            '24:7: warning: /properties/processors/1: "tracker" (ObjectTrackingProcessor) reaches no sink',
            '30:7: warning: /properties/processors/2: "lines" (LineCrossingProcessor) reaches no sink',
            (
                "48:14: warning: /properties/sinks: nothing will be published: no IotHubMessageSink gets"
                " inferences from a node that works yet"
            ),
        ],
        id="an extension behind a gate",
    ),
    pytest.param(
        RECORDER,
        [
            (
                '"image": {},\n        "inputs": [{"nodeName": "camera"}]',
                '"image": {},\n        "inputs": [{"nodeName": "trigger"}]',
            )
        ],
        [
            (
                '22:19: error: /properties/processors/0/inputs: "http" (HttpExtension) gets no pictures from'
                ' "trigger" (IotHubMessageSource); allowed: an input with video'
            )
        ],
        id="an extension behind messages",
    ),
    pytest.param(
        RECORDER,
        [
            (
                '"hubOutputName": "inferences",\n        "inputs": [{"nodeName": "http"}]',
                '"hubOutputName": "inferences",\n        "inputs": [{"nodeName": "trigger"}]',
            )
        ],
        [
            (
                "48:14: warning: /properties/sinks: nothing will be published: no IotHubMessageSink gets"
                " inferences from a node that works yet"
            ),
            (
                '70:33: warning: /properties/sinks/2/inputs/0/nodeName is "trigger": Azure Video Analyzer did not'
                " take IotHubMessageSink directly behind IotHubMessageSource"
            ),
        ],
        id="messages that go straight out",
    ),
    pytest.param(
        RECORDER,
        [
            (
                '"hubOutputName": "inferences",\n        "inputs": [{"nodeName": "http"}]',
                '"hubOutputName": "inferences",\n        "inputs": [{"nodeName": "lines"}]',
            )
        ],
        [
            (
                "48:14: warning: /properties/sinks: nothing will be published: no IotHubMessageSink gets"
                " inferences from a node that works yet"
            )
        ],
        id="a message sink behind nodes that pass nothing on",
    ),
]


@pytest.mark.parametrize(("text", "swaps", "lines"), CASES)
def test_what_is_said_of(text: str, swaps: list[tuple[str, str]], lines: list[str]) -> None:
    assert of_rules(swapped(text, *swaps)) == lines
