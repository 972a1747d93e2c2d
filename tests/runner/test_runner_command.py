"""``framewire runner``: the API of a running one, with its pipelines, and what survives it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from runner_documents import gated, named, pipeline, topology

sys.path.extend(str(Path(__file__).resolve().parents[1] / name) for name in ("cli", "hub"))

from command_line import PATIENCE_S, Running, documents, eventually, refused, running
from mosquitto_broker import Broker, make_certificate

from framewire.runner.store import Store


class Api:
    """Asks a running runner."""

    def __init__(self, address: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.client = httpx.Client(base_url=address, headers=headers, timeout=40, trust_env=False)

    def __call__(self, method: str, request: Any) -> tuple[int, Any]:
        answer = self.client.post(f"/api/methods/{method}", json=request)
        return answer.status_code, answer.json() if answer.content else None

    def state(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/api/pipelines/{name}").json()
        return found


def address_of(one: Running) -> str:
    return one.until_said(r"listening on (http://\S+)")[1]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with running("runner", "--data", tmp_path / "data", "--port", 0) as one:
        asked = Api(address_of(one))
        yield asked
        asked.client.close()
        assert one.stop() == 0


def test_a_pipeline_is_set_activated_seen_and_deactivated(api: Api) -> None:
    assert api("pipelineTopologySet", topology())[0] == 201
    assert api("livePipelineSet", pipeline(url="test:size=160x90"))[0] == 201
    assert api.state("gate-1")["state"] == "inactive"
    assert api("livePipelineActivate", named("gate-1")) == (200, {})
    eventually(lambda: api.state("gate-1").get("source", {}).get("frames", 0) > 0)
    found = api.state("gate-1")
    assert (found["state"], found["source"]["state"], found["restarts"]) == ("active", "streaming", 0)
    assert found["nodes"]["motion"]["received"] > 0
    answer = api.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'va_active_live_pipelines{pipeline_topology="Motion"} 1.0' in answer.text.splitlines()
    assert 'va_data_dropped_total{data_kind="video",live_pipeline="gate-1",node="motion",' in answer.text
    (listed,) = api.client.get("/api/pipelines").json()["pipelines"]
    assert (listed["name"], listed["topology"]) == ("gate-1", "Motion")
    assert api("livePipelineDeactivate", named("gate-1")) == (200, {})
    assert "gate-1" not in api.client.get("/metrics").text
    assert api("livePipelineDelete", named("gate-1")) == (200, {})
    assert api("livePipelineDelete", named("gate-1")) == (204, None)
    assert api.client.get("/api/pipelines/gate-1").status_code == 404


@pytest.mark.parametrize(
    ("headers", "content", "status", "words"),
    [
        ({"Content-Type": "text/plain"}, b"{}", 415, "Content-Type"),
        ({"Content-Type": "application/json"}, b"{nonsense", 400, "no JSON object"),
        ({"Content-Type": "application/json"}, b"[]", 400, "no JSON object"),
        ({"Content-Type": "application/json"}, b"7", 400, "no JSON object"),
        ({"Content-Type": "application/json"}, b" " * (5 << 20), 413, "Content-Length"),
        ({"Content-Type": "application/json", "Host": "evil.example"}, b"{}", 403, "localhost"),
        ({"Content-Type": "application/json"}, b'{"name":' + b"[" * 100_000, 400, ""),
    ],
)
def test_requests_that_mean_no_good_are_refused(
    headers: dict[str, str], content: bytes, status: int, words: str, api: Api
) -> None:
    answer = api.client.post("/api/methods/livePipelineGet", content=content, headers=headers)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
    assert api.client.get("/healthz").json() == {"status": "ok"}


def test_the_api_describes_itself(api: Api) -> None:
    document = api.client.get("/openapi.json").json()
    assert "/api/methods/{name}" in document["paths"]
    answers = {status for one in document["paths"].values() for verb in one.values() for status in verb["responses"]}
    assert answers == {"200", "201", "204", "400", "401", "404", "409", "503"}
    page = api.client.get("/docs").text
    assert "livePipelineActivate" in page
    assert "http" not in page.replace("httpx", "").partition("<pre>")[0].replace("https", "http").replace("HTTP", "")


def test_a_token_guards_everything_but_health(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    with running("runner", "--data", tmp_path / "data", "--port", 0, "--token-file", token) as one:
        address = address_of(one)
        assert httpx.get(f"{address}/api/pipelines", trust_env=False).status_code == 401
        assert httpx.get(f"{address}/metrics", trust_env=False).status_code == 401
        # What it is asked for is what it is asked for, whatever the name of the host makes of it.
        astray = httpx.get(f"{address}/api/pipelines", headers={"Host": "x/healthz?"}, trust_env=False)
        assert astray.status_code in (400, 401)
        wrong = {"Authorization": "Bearer wrong"}
        assert httpx.get(f"{address}/api/pipelines", headers=wrong, trust_env=False).status_code == 401
        assert httpx.get(f"{address}/healthz", trust_env=False).status_code == 200
        asked = Api(address, "s3cret")
        assert asked.client.get("/api/pipelines").json() == {"pipelines": []}
        asked.client.close()
        assert one.stop() == 0
    assert "s3cret" not in one.stderr


def test_active_pipelines_are_active_again_after_a_kill(tmp_path: Path) -> None:
    with running("runner", "--data", tmp_path / "data", "--port", 0) as first:
        asked = Api(address_of(first))
        asked("pipelineTopologySet", topology())
        for name in ("gate-1", "gate-2"):
            asked("livePipelineSet", pipeline(name, url="test:size=160x90"))
        assert asked("livePipelineActivate", named("gate-1")) == (200, {})
        first.process.kill()
        asked.client.close()
    with running("runner", "--data", tmp_path / "data", "--port", 0) as second:
        asked = Api(address_of(second))
        eventually(lambda: asked.state("gate-1")["state"] == "active")
        assert asked.state("gate-2")["state"] == "inactive"
        second.until_printed(3)
        asked.client.close()
        assert second.stop() == 0
    subjects = {one["applicationProperties"]["subject"] for one in documents(second.stdout)}
    assert all(subject.startswith("/edgeModules/avaedge/livePipelines/gate-1") for subject in subjects)
    # Ended with the runner, and still to be active at its next start.
    assert json.loads(second.out[-1])["body"] == {"previousState": "deactivating", "state": "inactive"}


def test_two_runners_do_not_share_a_folder(tmp_path: Path) -> None:
    with running("runner", "--data", tmp_path / "data", "--port", 0) as one:
        address_of(one)
        assert "belongs to another runner" in refused("runner", "--data", tmp_path / "data", "--port", 0)
        assert one.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--host", "0.0.0.0"), "without a token the API does not listen on 0.0.0.0"),
        (("--port", "70000"), "port is 70000"),
        (("--token-file", "nowhere"), "the token file nowhere cannot be read"),
        (("--output", "ftp://somewhere"), "ftp"),
        (("--mqtt", "http://broker/site"), "allowed: mqtt://[user:password@]host[:port]/prefix"),
        (("--mqtt", "mqtt://broker"), "the address of the broker has no prefix"),
        (("--trusted-certificates", "ca.pem", "--mqtt", "mqtt://broker/site"), "no broker is encrypted"),
        (("--trusted-certificates", "nowhere", "--mqtt", "mqtts://broker/site"), "the certificates nowhere cannot be"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    assert words in refused("runner", "--data", tmp_path / "data", *arguments)


def test_a_host_that_can_be_none_is_told_in_one_line(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")
    words = ("runner", "--data", tmp_path / "data", "--port", 8080, "--host", "a..b", "--token-file", token)
    assert refused(*words, code=1) == "port 8080 of a..b cannot be used: no name of a host"


def begun(address: str, length: str) -> socket.socket:
    """A connection on which a request has been sent but for its body."""
    url = httpx.URL(address)
    half = socket.create_connection((url.host, url.port))
    half.sendall(
        b"POST /api/methods/livePipelineList HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: " + length.encode() + b"\r\n\r\n{"
    )
    return half


def test_a_request_that_never_comes_to_its_end_does_not_hold_up_the_runner(tmp_path: Path) -> None:
    with running("runner", "--data", tmp_path / "data", "--port", 0) as one, begun(address_of(one), "100"):
        assert one.stop() == 0


def test_a_length_is_what_it_is_however_it_is_written(api: Api) -> None:
    with begun(str(api.client.base_url), "00000000000099999999") as half:
        assert half.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_one_that_is_ended_while_it_resumes_begins_no_more_and_forgets_nothing(tmp_path: Path) -> None:
    store, names = Store(tmp_path / "data"), [f"gate-{number}" for number in range(40)]
    store.put_topology("Motion", json.dumps(topology()), "2026-11-23T12:00:00.000Z")
    for name in names:
        document = json.dumps(pipeline(name, url="test:size=160x90"))
        store.put_pipeline(name, "Motion", document, "2026-11-23T12:00:00.000Z")
        store.set_active(name, is_active=True)
    store.close()
    with running("runner", "--data", tmp_path / "data", "--port", 0) as one:
        asked = Api(address_of(one))
        eventually(lambda: any(asked.state(name)["state"] == "active" for name in names))
        # It has not had the time for all of them; those are not free to be changed.
        assert asked.state("gate-39")["state"] == "activating"
        assert asked("livePipelineDelete", named("gate-39"))[0] == 409
        asked.client.close()
        assert one.stop() == 0
    subjects = {message["applicationProperties"]["subject"] for message in documents(one.stdout)}
    assert "/edgeModules/avaedge/livePipelines/gate-39" not in subjects
    store = Store(tmp_path / "data")
    assert [stored.is_active for stored in store.pipelines()] == [True] * 40
    store.close()


def test_a_port_in_use_is_told_in_one_line(tmp_path: Path) -> None:
    with running("runner", "--data", tmp_path / "one", "--port", 0) as one:
        port = address_of(one).rpartition(":")[2]
        assert f"port {port} of 127.0.0.1 cannot be used" in refused(
            "runner", "--data", tmp_path / "two", "--port", port, code=1
        )
        assert one.stop() == 0


def test_a_message_from_outside_is_taken_by_http(api: Api) -> None:
    api("pipelineTopologySet", gated("Motion"))
    api("livePipelineSet", pipeline(url="test:size=160x90", hubInput="a/door"))

    def post(name: str, content: bytes) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"}
        answer = api.client.post(f"/api/inputs/{name}", content=content, headers=headers)
        return answer.status_code, answer.json()

    assert post("a%2Fdoor", b"{}")[0] == 404
    api("livePipelineActivate", named("gate-1"))
    assert post("a%2Fdoor", b'{"open":1}') == (200, {"taken": ["gate-1"], "missed": []})
    for content, words in (
        (b"{", "not JSON"),
        (b'{"applicationProperties":{"eventTime":"soon"}}', "eventTime 'soon' is no time"),
        (b" " * 262_145, "allowed: 262144 bytes"),
    ):
        status, body = post("a/door", content)
        assert (status, body["error"]["code"]) == (400, "BadRequest")
        assert words in body["error"]["message"]
    assert post("window", b"{}")[1]["error"]["message"].endswith("with hubInputName 'window'")
    eventually(lambda: api.state("gate-1")["nodes"]["gate"]["events"] == 1)
    assert api.state("gate-1")["inputs"] == {"trigger": {"hubInputName": "a/door", "received": 1}}
    # The runner's pipe to it is closed in order, whatever came through.
    assert api("livePipelineDeactivate", named("gate-1")) == (200, {})
    assert post("a%2Fdoor", b"{}")[0] == 404


async def test_methods_work_over_an_encrypted_broker_that_dies_and_returns(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker", *make_certificate(tmp_path / "broker")).start()
    arguments = ("--data", tmp_path / "data", "--port", 0, "--trusted-certificates", tmp_path / "broker" / "cert.pem")
    address = f"mqtts://me:s3cret@127.0.0.1:{broker.port}/site"
    try:
        with running("runner", *arguments, "--mqtt", address, "--output", address) as one:
            address_of(one)
            assert (await asked(broker, "pipelineTopologySet", gated("Motion")))["status"] == "201"
            assert (await asked(broker, "livePipelineSet", pipeline(url="test:size=160x90")))["status"] == "201"
            broker.kill()
            await asyncio.to_thread(one.until_said, "cannot be reached")
            broker.start()
            assert (await asked(broker, "livePipelineActivate", named("gate-1")))["status"] == "200"
            assert (await asked(broker, "open", {"door": 1}, route="inputs"))["taken"] == ["gate-1"]
            assert await asyncio.to_thread(one.stop) == 0
    finally:
        broker.kill()
    assert "s3cret" not in one.stderr


async def asked(broker: Broker, name: str, request: Any, *, route: str = "rpc") -> dict[str, Any]:
    """The answer to a request, again and again until there is one: the runner may not be connected yet."""
    properties: Any = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = "answers/me"
    trust = ssl.create_default_context(cafile=str(broker.folder / "cert.pem"))
    async with (
        asyncio.timeout(PATIENCE_S),
        aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5, tls_context=trust) as client,
    ):
        await client.subscribe("answers/me", qos=1)
        while True:
            await client.publish(f"site/{route}/{name}", json.dumps(request), 1, properties=properties)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    message = await anext(aiter(client.messages))
                    said: Any = message.properties
                    return {**json.loads(bytes(message.payload)), "status": dict(said.UserProperty)["status"]}
