"""HTTP extensions in a pipeline: a real server on a real socket, run by ``framewire run``."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command_line import documents, framewire, running
from http_extensions import Requests, extension, found
from pipeline_documents import hub, node, source, topology, typed, written

SCENE = "test:size=320x180,frames=20,fps=10"


def http(address: str, **members: Any) -> dict[str, Any]:
    return node(
        "HttpExtension",
        "ai",
        "camera",
        **{
            "endpoint": typed("UnsecuredEndpoint", url=address),
            "image": {"scale": {"width": "64", "height": "64"}, "format": typed("ImageFormatBmp")},
            **members,
        },
    )


def play(tmp_path: Path, *processors: dict[str, Any], fast: bool = True) -> tuple[list[dict[str, Any]], str]:
    path = written(tmp_path, topology(source(SCENE), *processors, hub("ai")))
    finished = framewire("run", path, *(["--as-fast-as-possible"] if fast else []))
    assert finished.returncode == 0, finished.stderr
    assert "Traceback" not in finished.stderr
    return documents(finished.stdout), finished.stderr


def of_kind(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    whole = f"Microsoft.VideoAnalyzer.{kind}"
    return [one["body"] for one in messages if one["applicationProperties"]["eventType"] == whole]


def test_images_are_posted_and_boxes_come_back_without_the_padding(tmp_path: Path) -> None:
    with extension(lambda _: found()) as (address, requests):
        messages, _ = play(tmp_path, http(address))
    bodies = of_kind(messages, "Analytics.Inference")
    assert len(bodies) == len(requests.bodies) == 20
    # 320x180 in 64x64 lies in rows 14 to 49: a box over rows 16 to 47 of 64 covers nearly all of it.
    (entity,) = bodies[0]["inferences"]
    assert entity["entity"]["tag"] == {"value": "car", "confidence": 0.5}
    assert entity["entity"]["box"]["l"] == 0
    assert entity["entity"]["box"]["t"] == pytest.approx((16 - 14) / 36)
    assert entity["entity"]["box"]["h"] == pytest.approx(32 / 36)
    picture = cv2.imdecode(np.frombuffer(requests.bodies[0], np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (64, 64, 3)
    assert (picture[:14] == 0).all()
    first = {name.lower(): value for name, value in requests.headers[0].items()}
    assert first["content-type"] == "image/bmp"
    assert first["accept"] == "application/json"
    assert len({one["x-ms-client-request-id"] for one in requests.headers}) == 20


def test_nothing_found_is_no_event(tmp_path: Path) -> None:
    with extension(lambda _: (204, {}, b"")) as (address, requests):
        messages, _ = play(tmp_path, http(address))
    assert of_kind(messages, "Analytics.Inference") == []
    assert len(requests.bodies) == 20


def test_an_answer_that_is_an_error_is_a_protocol_error_event(tmp_path: Path) -> None:
    with extension(lambda number: (400, {}, b"bad image") if number == 3 else found()) as (address, _):
        messages, said = play(tmp_path, http(address))
    assert of_kind(messages, "Diagnostics.ProtocolError") == [
        {
            "code": "400",
            "target": address,
            "details": [{"code": "HttpExtensionErrorResponse", "message": "bad image"}],
            "protocol": "http",
        }
    ]
    assert len(of_kind(messages, "Analytics.Inference")) == 19
    assert "bad image" in said


def test_a_source_that_waits_asks_again_after_a_pause(tmp_path: Path) -> None:
    busy = (503, {"Retry-After": "0"}, b"")
    with extension(lambda number: busy if number in (2, 5) else found()) as (address, requests):
        messages, _ = play(tmp_path, http(address))
    assert len(of_kind(messages, "Analytics.Inference")) == 20
    assert len(requests.bodies) == 22


def test_credentials_are_sent_and_never_shown(tmp_path: Path) -> None:
    endpoint = {"credentials": typed("HttpHeaderCredentials", headerName="x-key", headerValue="s3cret")}
    with extension(lambda _: (403, {}, b"")) as (address, requests):
        endpoint = typed("UnsecuredEndpoint", url=address, **endpoint)
        messages, said = play(tmp_path, http(address, endpoint=endpoint))
    assert {one["x-key"] for one in requests.headers} == {"s3cret"}
    assert len(of_kind(messages, "Diagnostics.ProtocolError")) == 20
    assert "s3cret" not in said + json.dumps(messages)


@pytest.mark.parametrize("challenge", ['Digest realm=, nonce="x"', "\xa0", "Digest", "Digest nonce=x, qop=new"])
def test_a_challenge_that_is_none_is_refused_for_each_image(challenge: str, tmp_path: Path) -> None:
    credentials = typed("UsernamePasswordCredentials", username="me", password="s3cret")
    with extension(lambda _: (401, {"WWW-Authenticate": challenge}, b"")) as (address, _):
        endpoint = typed("UnsecuredEndpoint", url=address, credentials=credentials)
        messages, said = play(tmp_path, http(address, endpoint=endpoint))
    errors = of_kind(messages, "Diagnostics.ProtocolError")
    assert [error["code"] for error in errors] == ["401"] * 20
    assert "20 extension-refused" in said
    assert "s3cret" not in said + json.dumps(messages)


def test_every_pause_that_is_asked_for_is_kept(tmp_path: Path) -> None:
    # Two are under way at once; the one that asks for less does not end the other's pause.
    both = threading.Barrier(2)

    def busy(number: int) -> tuple[int, dict[str, str], bytes]:
        both.wait(20)
        time.sleep(0.1 * number)
        return 503, {"Retry-After": "3600" if number == 0 else "3"}, b""

    with extension(busy) as (address, requests):
        path = written(tmp_path, topology(source("test:size=320x180,fps=10,frames=50"), http(address), hub("ai")))
        finished = framewire("run", path)
    assert finished.returncode == 0, finished.stderr
    assert len(requests.bodies) == 2
    # On a busy machine a frame comes while both are still asking.
    dropped = re.findall(r"(\d+) extension-(?:busy|asked-for-a-pause)", finished.stderr)
    assert sum(map(int, dropped)) == 50, finished.stderr


def test_a_fault_of_another_kind_is_told_too(tmp_path: Path) -> None:
    with ExitStack() as opened:
        address, _ = opened.enter_context(extension(lambda _: (500, {"Connection": "close"}, b"out of memory")))
        path = written(tmp_path, topology(source("test:size=320x180"), http(address), hub("ai")))
        with running("run", path) as pipeline:
            pipeline.until_said("ai: .*out of memory")
            opened.close()
            pipeline.until_said("ai: .* cannot be reached")
            assert pipeline.stop() == 0
    assert len(of_kind(documents(pipeline.stdout), "Diagnostics.NetworkError")) == 1


def md5(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()


def test_digest_credentials_open_an_extension_that_asks_for_them(tmp_path: Path) -> None:
    sent: list[Requests] = []

    def reply(number: int) -> tuple[int, dict[str, str], bytes]:
        authorization = sent[0].headers[number].get("Authorization", "")
        if not authorization.startswith("Digest "):
            return 401, {"WWW-Authenticate": 'Digest realm="gate", nonce="n0", qop="auth"'}, b""
        said = dict(re.findall(r'(\w+)="?([^",]*)"?', authorization))
        # RFC 7616, section 3.4.1
        wanted = md5(md5("me", "gate", "s3cret"), "n0", said["nc"], said["cnonce"], "auth", md5("POST", said["uri"]))
        return found() if (said["uri"], said["response"]) == ("/score", wanted) else (403, {}, b"wrong")

    credentials = typed("UsernamePasswordCredentials", username="me", password="s3cret")
    with extension(reply) as (address, requests):
        sent.append(requests)
        endpoint = typed("UnsecuredEndpoint", url=address, credentials=credentials)
        messages, said = play(tmp_path, http(address, endpoint=endpoint))
    assert len(of_kind(messages, "Analytics.Inference")) == 20
    # Whoever has been asked once answers from then on without being asked.
    assert len(requests.bodies) <= 20 + 2
    assert "s3cret" not in said + json.dumps(messages)


def test_an_extension_that_is_not_there_is_told_once_and_found_when_it_comes(tmp_path: Path) -> None:
    with extension(lambda _: found()) as (address, _):
        pass
    path = written(tmp_path, topology(source("test:size=320x180"), http(address), hub("ai")))
    with running("run", path) as pipeline:
        pipeline.until_said("ai: .* cannot be reached")
        with extension(lambda _: (204, {}, b""), port=int(address.rpartition(":")[2].partition("/")[0])):
            pipeline.until_said("ai: .* answers again")
            assert pipeline.stop() == 0
    assert len(of_kind(documents(pipeline.stdout), "Diagnostics.NetworkError")) == 1
    assert pipeline.stderr.count("cannot be reached") == 1
