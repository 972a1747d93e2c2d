"""Messages as a hub received them: properties, times, one line each."""

from __future__ import annotations

import json

import pytest

from framewire.hub import Envelope, HubMessage, event_time
from framewire.hub.message import encoded
from framewire.model.inference import Classification, Event, Tag

ENVELOPE = Envelope("avaedge", "Lobby-1", "/clouds/none")


def test_an_inference_is_about_its_processor_at_the_media_time_of_its_frame() -> None:
    message = ENVELOPE.inference(
        "extension", "inferenceOutput", 145_819_820_073_974, [Classification(Tag("light"), subtype="colorIntensity")]
    )
    assert message.to_json() == (
        '{"body":{"timestamp":145819820073974,"inferences":[{"type":"classification","subtype":"colorIntensity",'
        '"classification":{"tag":{"value":"light","confidence":1}}}]},"applicationProperties":{"topic":"/clouds/none",'
        '"subject":"/edgeModules/avaedge/livePipelines/Lobby-1/processors/extension",'
        '"eventType":"Microsoft.VideoAnalyzer.Analytics.Inference","eventTime":"2021-05-05T13:10:23.044Z",'
        '"dataVersion":"1.0"}}'
    )
    assert message.hub_output == "inferenceOutput"
    assert message.is_inference
    assert message.body_json() == json.dumps(message.body, separators=(",", ":"))


def test_an_event_is_about_its_node() -> None:
    message = ENVELOPE.event("Diagnostics.MediaSessionEstablished", "sources", "rtspSource", {"sdp": "v=0\r\n"}, 90_000)
    assert message.body_json() == '{"sdp":"v=0\\r\\n"}'
    assert message.hub_output == ""
    assert not message.is_inference
    assert message.application_properties == {
        "topic": "/clouds/none",
        "subject": "/edgeModules/avaedge/livePipelines/Lobby-1/sources/rtspSource",
        "eventType": "Microsoft.VideoAnalyzer.Diagnostics.MediaSessionEstablished",
        "eventTime": "1970-01-01T00:00:01.000Z",
        "dataVersion": "1.0",
    }


def test_an_event_of_the_whole_pipeline_names_no_node() -> None:
    message = ENVELOPE.event("Operational.PipelineStateChanged", "", "", {}, 0)
    assert message.application_properties["subject"] == "/edgeModules/avaedge/livePipelines/Lobby-1"
    assert message.application_properties["eventType"] == "Microsoft.VideoAnalyzer.Operational.PipelineStateChanged"


def test_without_a_topic_it_is_ours() -> None:
    assert Envelope("m", "p").event("X", "", "", {}, 0).application_properties["topic"] == "/framewire"


@pytest.mark.parametrize(
    ("timestamp", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (89, "1970-01-01T00:00:00.000Z"),
        (90, "1970-01-01T00:00:00.001Z"),
        (161_583_633_208_055, "2026-11-22T18:55:02.311Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (2**64 - 1, "9999-12-31T23:59:59.999Z"),
        (-(2**64), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_the_time_of_an_event(timestamp: int, text: str) -> None:
    assert event_time(timestamp) == text


def test_letters_stay_as_they_are_and_a_line_stays_one() -> None:
    message = ENVELOPE.inference("n", "o", 1, [Event("grün 日本\u2028\n", {"a": "b"})])
    assert message.body_json() == (
        '{"timestamp":1,"inferences":[{"type":"event","event":{"name":"grün 日本\u2028\\n","properties":{"a":"b"}}}]}'
    )
    assert "\n" not in message.to_json()


def test_half_a_surrogate_pair_is_written_as_its_escape() -> None:
    message = HubMessage({"error": "\ud83d"}, {})
    assert encoded(message.body_json()) == b'{"error":"\\ud83d"}'
    assert json.loads(encoded(message.body_json())) == {"error": "\ud83d"}
