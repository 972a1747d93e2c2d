"""What a stored topology is answered as: every default, no secret."""

from __future__ import annotations

from typing import Any

import pytest

from framewire.topology import answered_properties, hidden_logins, secret_parameters, without_login

P = "#Microsoft.VideoAnalyzer."
INPUTS = [{"nodeName": "camera"}]
PLAIN = {"@type": P + "UnsecuredEndpoint", "url": "tcp://model:5001"}
JPEG = {"@type": P + "ImageFormatJpeg", "quality": "90"}
SAMPLING = {"skipSamplesWithoutAnnotation": "false"}


def node(kind: str, **members: Any) -> dict[str, Any]:
    return {"@type": P + kind, "name": "one", **members}


@pytest.mark.parametrize(
    ("group", "given", "added"),
    [
        ("sources", node("RtspSource", endpoint=PLAIN), {"transport": "tcp"}),
        ("sources", node("IotHubMessageSource"), {}),
        (
            "processors",
            node("MotionDetectionProcessor", inputs=INPUTS),
            {"sensitivity": "medium", "outputMotionRegion": "true", "eventAggregationWindow": "PT1S"},
        ),
        (
            "processors",
            node("GrpcExtension", inputs=INPUTS, endpoint=PLAIN, image={}, dataTransfer={"mode": "Embedded"}),
            {"image": {"format": JPEG}, "samplingOptions": SAMPLING},
        ),
        (
            "processors",
            node(
                "GrpcExtension",
                inputs=INPUTS,
                endpoint={**PLAIN, "@type": P + "TlsEndpoint"},
                image={"scale": {"width": 416}, "format": {"@type": P + "ImageFormatPng"}},
                dataTransfer={"mode": "sharedMemory"},
                samplingOptions={"maximumSamplesPerSecond": "5"},
            ),
            {
                "endpoint": {
                    "@type": P + "TlsEndpoint",
                    "url": "tcp://model:5001",
                    "validationOptions": {"ignoreHostname": "false", "ignoreSignature": "false"},
                },
                "image": {"scale": {"mode": "pad", "width": 416}, "format": {"@type": P + "ImageFormatPng"}},
                "dataTransfer": {"mode": "sharedMemory", "sharedMemorySizeMiB": "20"},
                "samplingOptions": {"maximumSamplesPerSecond": "5", "skipSamplesWithoutAnnotation": "false"},
            },
        ),
        (
            "processors",
            node("HttpExtension", inputs=INPUTS, endpoint=PLAIN, image={"scale": {"mode": "stretch"}}),
            {"image": {"scale": {"mode": "stretch"}, "format": JPEG}, "samplingOptions": SAMPLING},
        ),
        ("processors", node("ObjectTrackingProcessor", inputs=INPUTS), {"accuracy": "medium"}),
        (
            "processors",
            node(
                "LineCrossingProcessor",
                inputs=INPUTS,
                lines=[{"@type": P + "NamedLineString", "name": "door", "line": "[[0.3,0.2],[0.9,0.8]]"}],
            ),
            {},
        ),
        (
            "processors",
            node("SignalGateProcessor", inputs=INPUTS, activationSignalOffset="-PT5S"),
            {"activationEvaluationWindow": "PT1S", "minimumActivationTime": "PT10S", "maximumActivationTime": "PT1H"},
        ),
        ("sinks", node("IotHubMessageSink", inputs=INPUTS, hubOutputName="out"), {}),
        (
            "sinks",
            node(
                "FileSink", inputs=INPUTS, baseDirectoryPath="/v", fileNamePattern="${System.Runtime.DateTime}",
                maximumSizeMiB="512",
            ),
            {},
        ),
        (
            "sinks",
            node(
                "VideoSink", inputs=INPUTS, videoName="v", localMediaCachePath="/c", localMediaCacheMaximumSizeMiB=9
            ),
            {
                "videoCreationProperties": {"segmentLength": "PT30S"},
                "videoPublishingOptions": {
                    "disableArchive": "false",
                    "disableRtspPublishing": "false",
                    "enableVideoPreviewImage": "false",
                },
            },
        ),
    ],
)  # fmt: skip
def test_each_kind_of_node_has_its_defaults(group: str, given: dict[str, Any], added: dict[str, Any]) -> None:
    answer = answered_properties({group: [given]})
    empty: dict[str, Any] = {"parameters": [], "sources": [], "processors": [], "sinks": []}
    assert answer == {**empty, group: [{**given, **added}]}
    assert answered_properties(answer) == answer


def test_members_get_their_published_names_and_unknown_ones_are_left_out() -> None:
    given = {"SOURCES": [{"@TYPE": "rtspsource", "NAME": "camera", "Transport": "Http", "note": "s3cret"}]}
    assert answered_properties(given)["sources"] == [{"@type": "rtspsource", "name": "camera", "transport": "Http"}]


@pytest.mark.parametrize(
    ("credentials", "answered"),
    [
        ({"@type": P + "UsernamePasswordCredentials", "username": "me", "password": "s3cret"}, {"username": "me"}),
        (
            {"@type": "usernamepasswordcredentials", "USERNAME": "me", "PassWord": "${pw}"},
            {"username": "me", "password": "${pw}"},
        ),
        (
            {"@type": P + "UsernamePasswordCredentials", "username": "me", "password": "${pw}s3cret"},
            {"username": "me"},
        ),
        ({"@type": P + "HttpHeaderCredentials", "headerName": "X", "headerValue": "s3cret"}, {"headerName": "X"}),
        ({"@type": P + "SymmetricKeyCredentials", "key": "s3cret"}, {}),
        ({"@type": "${kind}", "key": "s3cret", "headerValue": "s3cret", "username": "me"}, {"username": "me"}),
    ],
)
def test_what_credentials_hold_is_not_answered(credentials: dict[str, str], answered: dict[str, str]) -> None:
    given = {"sources": [node("RtspSource", endpoint={**PLAIN, "credentials": credentials})]}
    endpoint = answered_properties(given)["sources"][0]["endpoint"]
    assert endpoint["credentials"] == {"@type": credentials["@type"], **answered}


def test_defaults_of_what_passwords_are_made_of_are_not_answered() -> None:
    credentials = {"@type": P + "UsernamePasswordCredentials", "username": "${who}", "password": "${pw}"}
    given = {
        "parameters": [
            {"name": "who", "type": "string", "default": "me"},
            {"name": "pw", "type": "String", "default": "s3cret"},
            {"name": "hidden", "type": "SecretString", "default": "s3cret"},
            {"name": "inUrl", "type": "string", "default": "s3cret"},
            {"name": "url", "type": "string", "default": "rtsp://me:s3cret@camera/1"},
        ],
        "sources": [
            node("RtspSource", endpoint={**PLAIN, "url": "rtsp://me:${inUrl}@camera", "credentials": credentials})
        ],
    }
    assert secret_parameters(given) == {"pw", "hidden", "inUrl"}
    assert answered_properties(given)["parameters"] == [
        {"name": "who", "type": "string", "default": "me"},
        {"name": "pw", "type": "String"},
        {"name": "hidden", "type": "SecretString"},
        {"name": "inUrl", "type": "string"},
        {"name": "url", "type": "string", "default": "rtsp://me:***@camera/1"},
    ]
    assert answered_properties(given)["sources"][0]["endpoint"]["url"] == "rtsp://me:${inUrl}@camera"


@pytest.mark.parametrize(
    ("url", "answered"),
    [
        ("rtsp://me:s3cret@camera/1", "rtsp://me:***@camera/1"),
        ("rtsp://me@corp.com:s3cret@camera/1", "rtsp://me@corp.com:***@camera/1"),
        ("rtsp://admin:my s3cret@camera/1", "rtsp://admin:***@camera/1"),
        ("rtsp://admin:s3/cret@camera/1", "rtsp://admin:***@camera/1"),
        ("rtsp://admin:s3#cr@et?@camera/1", "rtsp://admin:***@camera/1"),
        ("rtsp://admin:8080@camera/1", "rtsp://admin:***@camera/1"),
        ("rtsp://camera:554/live@hd", "rtsp://camera:554/live@hd"),
        ("rtsp://[fe80::1]:554/live@hd", "rtsp://[fe80::1]:554/live@hd"),
        ("rtsp://${user}:${password}@camera/1", "rtsp://${user}:${password}@camera/1"),
        ('{"to":"http://me:s3cret@a/","mail":"me@corp.com"}', '{"to":"http://me:***@a/","mail":"me@corp.com"}'),
        ("see http://a:80/ and mail me@corp.com", "see http://a:80/ and mail me@corp.com"),
    ],
)
def test_passwords_in_addresses_are_hidden_however_they_are_written(url: str, answered: str) -> None:
    assert without_login(url) == answered


def test_a_hidden_login_that_comes_back_is_found() -> None:
    sent = {"a/b": [{"url": "rtsp://me:***@camera"}, {"url": "rtsp://me@camera/***"}]}
    assert list(hidden_logins(sent)) == ["/a~1b/0/url"]
