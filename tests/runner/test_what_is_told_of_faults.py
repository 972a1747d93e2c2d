"""``GET /api/pipelines/{name}`` of pipelines that fail in one way each, in one runner, beside one that is well."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.extend(str(Path(__file__).resolve().parents[1] / name) for name in ("cli", "hub", "pipeline", "rtsp"))

from camera_behaviour import Behaviour
from camera_clips import street_clip
from camera_server import RtspServer
from command_line import Running, documents, eventually, running, serving
from http_extensions import extension, found
from pipeline_documents import grpc, hub, node, source, topology, typed
from runner_documents import named
from test_runner_command import Api, address_of

SCENE = "test:size=160x90,fps=15"


def http(address: str) -> dict[str, Any]:
    image = {"format": typed("ImageFormatJpeg")}
    return node("HttpExtension", "ai", "camera", endpoint=typed("UnsecuredEndpoint", url=address), image=image)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, Running]]:
    with running("runner", "--data", tmp_path_factory.mktemp("data"), "--port", 0) as one:
        api = Api(address_of(one))
        yield api, one
        api.client.close()
        assert one.stop() == 0


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    with serving() as server:
        yield server.address


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


def activate(api: Api, name: str, document: dict[str, Any]) -> None:
    assert api("pipelineTopologySet", {**document, "name": f"of-{name}"})[0] == 201
    live = {"@apiVersion": "1.1", "name": name, "properties": {"topologyName": f"of-{name}"}}
    assert api("livePipelineSet", live)[0] == 201
    assert api("livePipelineActivate", named(name)) == (200, {})


def until_told(api: Api, name: str, words: str) -> dict[str, Any]:
    eventually(lambda: words in str(api.state(name)["last_error"]), f"{words!r} of {name}")
    # What the nodes say of themselves is told once a second.
    eventually(lambda: words in str([api.state(name)["source"], api.state(name)["nodes"]]), f"{words!r} of a node")
    return api.state(name)


def test_a_camera_that_refuses_the_password(runner: tuple[Api, Running], model: str) -> None:
    api, one = runner
    with RtspServer(street_clip(160, 96, frames=10), Behaviour(login=("admin", "geheim"))) as camera:
        document = topology(source(camera.url, "admin", "falsch"), grpc("ai", f"tcp://{model}"), hub("ai"))
        activate(api, "login", document)
        state = until_told(api, "login", "refuses user and password")
        assert api("livePipelineDeactivate", named("login")) == (200, {})
    assert (state["state"], state["source"]["state"]) == ("active", "backing off")
    assert state["source"]["last_error"] == "the camera refuses user and password (401)"
    assert state["last_error"] == f"camera: {camera.url}: the camera refuses user and password (401)"
    assert state["nodes"]["ai"]["last_error"] is None
    assert "falsch" not in str(state) + one.stderr


def test_a_camera_that_is_not_there(runner: tuple[Api, Running], model: str, nobody: str) -> None:
    api, _ = runner
    activate(api, "absent", topology(source(f"rtsp://{nobody}/live"), grpc("ai", f"tcp://{model}"), hub("ai")))
    state = until_told(api, "absent", "nobody listens")
    assert api("livePipelineDeactivate", named("absent")) == (200, {})
    assert state["source"]["last_error"] == "nobody listens at this address (connection refused)"
    assert (state["source"]["frames"], state["nodes"]["ai"]["received"]) == (0, 0)


def test_an_extension_that_is_not_there_and_comes_back(runner: tuple[Api, Running], nobody: str) -> None:
    api, one = runner
    activate(api, "away", topology(source(SCENE), grpc("ai", f"tcp://{nobody}"), hub("ai")))
    state = until_told(api, "away", "cannot be reached")
    eventually(lambda: api.state("away")["nodes"]["ai"]["dropped"].get("extension-away", 0) > 15)
    assert (state["state"], state["source"]["state"]) == ("active", "streaming")
    assert state["nodes"]["ai"]["last_error"].startswith(f"{nobody} cannot be reached (")
    assert state["last_error"] == f"ai: {state['nodes']['ai']['last_error']}"
    with serving("--port", nobody.rpartition(":")[2]):
        eventually(lambda: api.state("away")["nodes"]["ai"]["inferred"] > 5, "inferences")
        one.until_said(rf"away: ai: tcp://{nobody} is back")
        # What went wrong last, not what was said last.
        assert "cannot be reached" in api.state("away")["last_error"]
        dropped = [
            message["body"]
            for message in documents("".join(one.out))
            if message["applicationProperties"]["eventType"] == "Microsoft.VideoAnalyzer.Diagnostics.DataDropped"
            and message["applicationProperties"]["subject"].endswith("/livePipelines/away/processors/ai")
        ]
        assert dropped == [{"dataType": "video"}]
        assert api("livePipelineDeactivate", named("away")) == (200, {})


def test_an_extension_that_answers_with_an_error(runner: tuple[Api, Running]) -> None:
    api, _ = runner
    with extension(lambda number: (500, {}, b"out of memory")) as (address, _):
        activate(api, "refusing", topology(source(SCENE), http(address), hub("ai")))
        state = until_told(api, "refusing", "out of memory")
        assert api("livePipelineDeactivate", named("refusing")) == (200, {})
    assert state["nodes"]["ai"]["inferred"] == 0
    assert state["nodes"]["ai"]["dropped"]["extension-refused"] >= 1


def test_one_that_is_well_has_no_error(runner: tuple[Api, Running]) -> None:
    api, _ = runner
    with extension(lambda number: found()) as (address, _):
        activate(api, "well", topology(source(SCENE), http(address), hub("ai")))
        eventually(lambda: api.state("well")["nodes"]["ai"]["inferred"] > 15)
        state = api.state("well")
        assert api("livePipelineDeactivate", named("well")) == (200, {})
    assert (state["last_error"], state["source"]["last_error"], state["nodes"]["ai"]["last_error"]) == (None,) * 3
    assert (state["source"]["undecodable"], state["source"]["damaged"], state["source"]["jumps"]) == (0, 0, 0)


def test_what_is_odd_about_a_topology_is_told_when_it_is_activated(runner: tuple[Api, Running], model: str) -> None:
    api, one = runner
    document = topology(source(SCENE), grpc("ai", f"tcp://{model}"), hub("ai"))
    document["properties"]["processors"][0]["samplingOption"] = {"maximumSamplesPerSecond": "1"}
    activate(api, "odd", document)
    told = one.until_said(r"live pipeline odd: (.*samplingOption.*)")[1]
    assert "did you mean samplingOptions?" in told
    eventually(lambda: api.state("odd")["nodes"]["ai"]["inferred"] > 2, "inferences all the same")
