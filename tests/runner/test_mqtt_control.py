"""The direct methods and the inputs over MQTT, with a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from runner_documents import Shelf, named, pipeline, topology

sys.path.append(str(Path(__file__).resolve().parents[1] / "hub"))

from mosquitto_broker import Broker, broker, until

from framewire.hub import InputMessage, parse_broker
from framewire.hub.backoff import BackoffOptions
from framewire.runner import rpc
from framewire.runner.inputs import Delivery, Inputs
from framewire.runner.methods import Methods
from framewire.runner.rpc import MqttControl, RpcDrop
from framewire.runner.store import Store

__all__ = ["broker"]

QUICK = BackoffOptions(first_s=0.02, longest_s=0.05, refused_s=0.05)


class SlowShelf(Shelf):
    """Activates when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def activate(
        self, name: str, topology: str, settings: Mapping[str, str], *, keeps_trying: bool = False
    ) -> None:
        await super().activate(name, topology, settings, keeps_trying=keeps_trying)
        await self.may_go_on.wait()


class Takers:
    """Two pipelines with the input `open`, one of which is stuck."""

    def __init__(self) -> None:
        self.got: list[InputMessage] = []

    def receive(self, message: InputMessage) -> Delivery:
        self.got.append(message)
        return {"open": Delivery(("gate-1",), ("gate-2",)), "stuck": Delivery((), ("gate-2",))}.get(
            message.hub_input, Delivery()
        )


@dataclass
class Control:
    mqtt: MqttControl
    shelf: SlowShelf
    takers: Takers
    notes: list[str] = field(default_factory=list)


@contextlib.asynccontextmanager
async def controlled(broker: Broker, folder: Path) -> AsyncIterator[Control]:
    store, shelf, takers, notes = Store(folder / "data"), SlowShelf(), Takers(), []  # type: Any
    address = parse_broker(f"mqtt://127.0.0.1:{broker.port}/site")
    mqtt = MqttControl(address, Methods(store, shelf), Inputs(takers), note=notes.append, backoff=QUICK)
    try:
        async with mqtt:
            await mqtt.listening.wait()
            notes.clear()
            yield Control(mqtt, shelf, takers, notes)
    finally:
        store.close()


@dataclass
class Requester:
    """Asks with MQTT; notes each answer's status and body by its correlation data."""

    client: aiomqtt.Client
    answers: list[tuple[bytes, str, Any]] = field(default_factory=list)

    async def send(
        self,
        topic: str,
        request: Any,
        correlation: bytes = b"",
        response_topic: str = "answers/me",
        *,
        is_retained: bool = False,
    ) -> None:
        properties: Any = Properties(PacketTypes.PUBLISH)
        if correlation:
            properties.CorrelationData = correlation
        if response_topic:
            properties.ResponseTopic = response_topic
        payload = request if isinstance(request, bytes) else json.dumps(request).encode()
        await self.client.publish(topic, payload, 1, is_retained, properties)

    async def ask(self, topic: str, request: Any) -> tuple[str, Any]:
        """Sends a request and waits for its answer."""
        correlation = str(len(self.answers)).encode() + b"\0\xff"
        await self.send(topic, request, correlation)
        return await self.answer_to(correlation)

    async def answer_to(self, correlation: bytes) -> tuple[str, Any]:
        await until(lambda: any(known == correlation for known, _, _ in self.answers), lambda: self.answers)
        return next((status, body) for known, status, body in self.answers if known == correlation)


@contextlib.asynccontextmanager
async def requesting(broker: Broker) -> AsyncIterator[Requester]:
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        one = Requester(client)
        await client.subscribe("answers/#", qos=1)

        async def take() -> None:
            async for message in client.messages:
                said: Any = message.properties
                status = dict(said.UserProperty)["status"]
                correlation = getattr(said, "CorrelationData", b"")
                one.answers.append((correlation, status, json.loads(bytes(message.payload))))

        taking = asyncio.create_task(take())
        try:
            yield one
        finally:
            taking.cancel()
            await asyncio.wait([taking])


async def test_all_methods_are_called_and_answered(broker: Broker, tmp_path: Path) -> None:
    async with controlled(broker, tmp_path) as control, requesting(broker) as requester:
        ask = requester.ask
        assert (await ask("site/rpc/pipelineTopologySet", topology()))[0] == "201"
        assert (await ask("site/rpc/pipelineTopologySet", topology()))[0] == "200"
        assert (await ask("site/rpc/livePipelineSet", pipeline()))[0] == "201"
        assert await ask("site/rpc/livePipelineActivate", named("gate-1")) == ("200", {})
        status, body = await ask("site/rpc/livePipelineGet", named("gate-1"))
        assert (status, body["properties"]["state"]) == ("200", "active")
        status, body = await ask("site/rpc/livePipelineDelete", named("gate-1"))
        assert (status, body["error"]["code"]) == ("409", "Conflict")
        assert await ask("site/rpc/livePipelineDeactivate", named("gate-1")) == ("200", {})
        assert await ask("site/rpc/livePipelineDelete", named("gate-1")) == ("200", {})
        assert await ask("site/rpc/livePipelineDelete", named("gate-1")) == ("204", {})
        # Nothing at all is enough of a request for a list.
        status, body = await ask("site/rpc/pipelineTopologyList", b"")
        assert (status, [one["name"] for one in body["value"]]) == ("200", ["Motion"])
        assert await ask("site/rpc/livePipelineList", {}) == ("200", {"value": []})
        assert (await ask("site/rpc/pipelineTopologyGet", named("Motion")))[0] == "200"
        assert await ask("site/rpc/pipelineTopologyDelete", named("Motion")) == ("200", {})
        await until(lambda: control.mqtt.answered == 13)
    assert not control.mqtt.dropped
    assert control.shelf.calls == ["activate gate-1", "deactivate gate-1"]


@pytest.mark.parametrize(
    ("method", "request_", "expected"),
    [
        ("livePipelineGet", b"{nonsense", ("400", "BadRequest", "a request came that is not JSON (Expecting property")),
        ("livePipelineGet", b"\xff", ("400", "BadRequest", "a request came that is not UTF-8")),
        ("livePipelineGet", b"[" * 5000, ("400", "BadRequest", "nested too deeply")),
        ("livePipelineGet", b" " * 262_145, ("400", "BadRequest", "a request of 262145 bytes came; allowed: 262144")),
        ("livePipelineGet", b"[]", ("400", "BadRequest", "the request is no JSON object")),
        ("livePipelineGet", b"", ("400", "BadRequest", "the request has no name")),
        ("livePipelineGet", {"name": "none"}, ("404", "NotFound", "there is no live pipeline none")),
        ("makeCoffee", {}, ("404", "NotFound", "there is no method 'makeCoffee'; allowed: pipelineTopologySet")),
        ("%0A", {}, ("404", "NotFound", "there is no method '\\n'")),
        ("livePipelineGet", {"@apiVersion": "9"}, ("400", "BadRequest", "the version of the request is not supported")),
    ],
)
async def test_bad_requests_are_answered(
    method: str, request_: Any, expected: tuple[str, str, str], broker: Broker, tmp_path: Path
) -> None:
    async with controlled(broker, tmp_path), requesting(broker) as requester:
        status, body = await requester.ask(f"site/rpc/{method}", request_)
    assert (status, body["error"]["code"]) == expected[:2]
    assert expected[2] in body["error"]["message"]


async def test_a_request_that_nobody_waits_for_is_not_carried_out(broker: Broker, tmp_path: Path) -> None:
    async with controlled(broker, tmp_path) as control, requesting(broker) as requester:
        await requester.send("site/rpc/pipelineTopologySet", topology(), response_topic="")
        assert await requester.ask("site/rpc/pipelineTopologyList", {}) == ("200", {"value": []})
    assert control.mqtt.dropped == {RpcDrop.NO_RESPONSE_TOPIC: 1}
    assert control.notes == [
        "mqtt: a request for 'pipelineTopologySet' has no response topic",
        "mqtt: 1 answered (dropped: 1 no-response-topic)",
    ]


async def test_a_request_that_the_broker_keeps_is_carried_out_once(broker: Broker, tmp_path: Path) -> None:
    async with requesting(broker) as requester:
        await requester.send("site/rpc/pipelineTopologySet", topology("Before"), b"before", is_retained=True)
        async with controlled(broker, tmp_path) as control:
            await requester.send("site/rpc/pipelineTopologySet", topology("Kept"), b"kept", is_retained=True)
            assert (await requester.answer_to(b"kept"))[0] == "201"
            broker.stop()
            await until(lambda: not control.mqtt.listening.is_set())
    broker.start()
    async with controlled(broker, tmp_path), requesting(broker) as requester:
        _, body = await requester.ask("site/rpc/pipelineTopologyList", {})
        assert [one["name"] for one in body["value"]] == ["Kept"]
        # No answer but this one.
        assert len(requester.answers) == 1


async def test_a_request_that_comes_twice_is_worked_on_once_at_a_time(broker: Broker, tmp_path: Path) -> None:
    async with controlled(broker, tmp_path) as control, requesting(broker) as requester:
        await requester.ask("site/rpc/pipelineTopologySet", topology())
        await requester.ask("site/rpc/livePipelineSet", pipeline())
        control.shelf.may_go_on.clear()
        for _ in range(3):
            await requester.send("site/rpc/livePipelineActivate", named("gate-1"), b"same")
        await until(lambda: control.mqtt.dropped[RpcDrop.REPEATED] == 2)
        control.shelf.may_go_on.set()
        assert await requester.answer_to(b"same") == ("200", {})
        await requester.ask("site/rpc/livePipelineList", {})
    assert [known for known, _, _ in requester.answers].count(b"same") == 1


async def test_more_than_can_be_worked_on_is_told(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "MOST_UNDER_WAY", 2)
    async with controlled(broker, tmp_path) as control, requesting(broker) as requester:
        await requester.ask("site/rpc/pipelineTopologySet", topology())
        await requester.ask("site/rpc/livePipelineSet", pipeline())
        control.shelf.may_go_on.clear()
        for number in (b"one", b"two", b"three"):
            await requester.send("site/rpc/livePipelineActivate", named("gate-1"), number)
        status, body = await requester.answer_to(b"three")
        assert (status, body["error"]["code"]) == ("503", "ServerBusy")
        assert body["error"]["message"] == "2 requests are under way"
        control.shelf.may_go_on.set()
        assert await requester.answer_to(b"one") == ("200", {})
        assert await requester.answer_to(b"two") == ("200", {})


async def test_answers_that_nobody_takes_are_bounded(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "MOST_UNACKNOWLEDGED", 0)
    async with controlled(broker, tmp_path) as control, requesting(broker) as requester:
        await requester.send("site/rpc/livePipelineList", {}, b"one")
        await until(lambda: control.mqtt.dropped[RpcDrop.FLOODED] == 1)
    assert control.notes[:1] == ["mqtt: 0 answers wait for the broker; further ones are dropped"]


async def test_what_is_under_way_at_the_end_is_answered(broker: Broker, tmp_path: Path) -> None:
    async with requesting(broker) as requester:
        async with controlled(broker, tmp_path) as control:
            await requester.ask("site/rpc/pipelineTopologySet", topology())
            await requester.ask("site/rpc/livePipelineSet", pipeline())
            control.shelf.may_go_on.clear()
            await requester.send("site/rpc/livePipelineActivate", named("gate-1"), b"last")
            await until(lambda: control.shelf.calls)
            asyncio.get_running_loop().call_later(0.05, control.shelf.may_go_on.set)
        assert await requester.answer_to(b"last") == ("200", {})
        assert control.mqtt.answered == 3


async def test_a_broker_that_dies_and_returns_is_answered_again(broker: Broker, tmp_path: Path) -> None:
    async with controlled(broker, tmp_path) as control:
        async with requesting(broker) as requester:
            assert (await requester.ask("site/rpc/livePipelineList", {}))[0] == "200"
        broker.kill()
        await until(lambda: not control.mqtt.listening.is_set())
        broker.start()
        await control.mqtt.listening.wait()
        async with requesting(broker) as requester:
            assert (await requester.ask("site/rpc/livePipelineList", {}))[0] == "200"


async def test_who_may_ask_is_the_brokers_affair(tmp_path: Path) -> None:
    (tmp_path / "acl").write_text("topic site/#\ntopic read answers/#\n")
    broker = Broker(tmp_path / "broker", f"acl_file {tmp_path / 'acl'}").start()
    try:
        async with controlled(broker, tmp_path) as control, requesting(broker) as requester:
            await requester.send("site/rpc/livePipelineList", {}, b"one")
            await until(lambda: control.mqtt.dropped[RpcDrop.UNANSWERABLE] == 1)
        assert control.notes[:1] == ["mqtt: the broker refuses an answer for 'answers/me' (reason 0x87)"]
    finally:
        broker.kill()


async def test_an_answer_that_is_too_large_for_the_broker_says_so(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker", "max_packet_size 4000").start()
    try:
        async with controlled(broker, tmp_path), requesting(broker) as requester:
            for number in range(8):
                assert (await requester.ask("site/rpc/pipelineTopologySet", topology(f"Motion{number}")))[0] == "201"
            status, body = await requester.ask("site/rpc/pipelineTopologyList", {})
            assert status == "500"
            assert "and the broker takes messages of 4000" in body["error"]["message"]
    finally:
        broker.kill()


async def test_messages_for_pipelines_are_handed_on_and_answered_on_demand(broker: Broker, tmp_path: Path) -> None:
    async with controlled(broker, tmp_path) as control, requesting(broker) as requester:
        await requester.send("site/inputs/open", {"door": 1}, response_topic="")
        assert await requester.ask("site/inputs/open", 2) == ("200", {"taken": ["gate-1"], "missed": ["gate-2"]})
        status, body = await requester.ask("site/inputs/stuck", 3)
        assert (status, body["error"]["code"]) == ("503", "ServerBusy")
        assert body["error"]["message"] == "live pipelines that have the input cannot take it now: gate-2"
        status, body = await requester.ask("site/inputs/nobodys", 4)
        assert (status, body["error"]["code"]) == ("404", "NotFound")
        status, body = await requester.ask("site/inputs/open", b"{")
        assert (status, body["error"]["code"]) == ("400", "BadRequest")
        await requester.send("site/inputs/nobodys", 5, response_topic="")
        await until(lambda: len(control.takers.got) == 5)
    assert [message.body for message in control.takers.got] == [{"door": 1}, 2, 3, 4, 5]
    assert control.notes[:1] == [
        "mqtt: input 'nobodys': no active live pipeline has an IotHubMessageSource with hubInputName 'nobodys'"
    ]
