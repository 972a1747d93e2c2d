"""Messages from outside: what is read, what is refused, and how they come from a broker."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosquitto_broker import Broker, until
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from framewire.hub import InputError, InputMessage, event_time, parse_broker, read_input
from framewire.hub.backoff import BackoffOptions
from framewire.hub.complaints import Complaints
from framewire.hub.inputs import MqttInputs


@pytest.mark.parametrize(
    ("payload", "body", "properties"),
    [
        (b'{"open":true}', {"open": True}, {"a": "0", "z": "0"}),
        (b"5", 5, {"a": "0", "z": "0"}),
        (b'\xef\xbb\xbf"x"', "x", {"a": "0", "z": "0"}),
        (b'{"body":{"x":1},"applicationProperties":{"a":"1"}}', {"x": 1}, {"a": "1", "z": "0"}),
        (
            b'{"applicationProperties":{"a":5,"b":true,"c":null,"d":"\\u00fc"}}',
            None,
            {"a": "5", "b": "true", "d": "ü", "z": "0"},
        ),
        (b'{"applicationProperties":null,"body":[]}', [], {"a": "0", "z": "0"}),
        (b'{"body":1,"other":2}', {"body": 1, "other": 2}, {"a": "0", "z": "0"}),
    ],
)
def test_a_message_is_a_body_or_all_of_it(payload: bytes, body: Any, properties: dict[str, str]) -> None:
    assert read_input("gate", payload, {"a": "0", "z": "0"}) == InputMessage("gate", body, properties)


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"", "a message came that is not JSON (Expecting value at line 1, column 1); allowed: JSON in UTF-8"),
        (
            b"{\n open}",
            "a message came that is not JSON (Expecting property name enclosed in double quotes at line 2, "
            "column 2); allowed: JSON in UTF-8",
        ),
        (b"\xff", "a message came that is not UTF-8; allowed: JSON in UTF-8"),
        (b"[" * 100_000, "a message came that is nested too deeply or has an endless number"),
        (b"9" * 10_000, "a message came that is nested too deeply or has an endless number"),
        (b"[" * 101 + b"1" + b"]" * 101, "a message came that is nested too deeply; allowed: 100 levels"),
        (
            b'{"applicationProperties":{"eventTime":"soon"}}',
            "eventTime 'soon' is no time; allowed: ISO 8601 since 1970, for example 2026-11-22T18:55:02.311Z",
        ),
        (b" " * 262_145, "a message of 262145 bytes came; allowed: 262144 bytes"),
        (b'{"applicationProperties":[]}', 'applicationProperties are not an object; allowed: {"name":"value"}'),
        (
            b'{"applicationProperties":{"a":{}}}',
            "application property 'a' is not a string; allowed: strings, numbers, true, false",
        ),
    ],
)
def test_what_is_no_message_is_told(payload: bytes, complaint: str) -> None:
    with pytest.raises(InputError) as refused:
        read_input("gate", payload)
    assert str(refused.value) == complaint


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    with contextlib.suppress(InputError):
        read_input("gate", payload)


@pytest.mark.parametrize(
    ("text", "timestamp"),
    [
        ("1970-01-01T00:00:01.000Z", 90_000),
        ("1970-01-01T01:00:01+01:00", 90_000),
        ("1970-01-01T00:00:00.001", 90),
        (" 2026-11-22T18:55:02.311Z ", 161_583_633_207_990),
        ("1969-12-31T23:59:59Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59.999-14:00", 22_806_211_607_999_910),
        ("soon", None),
        ("", None),
        ("\u0662\u0660\u0662\u0666-11-22", None),
    ],
)
def test_the_media_time_of_a_trigger(text: str, timestamp: int | None) -> None:
    assert InputMessage("gate", None, {"eventTime": text}).timestamp == timestamp


def test_without_a_time_there_is_none() -> None:
    assert InputMessage("gate", None).timestamp is None


@given(st.integers(0, 2**54))
def test_a_time_that_we_wrote_is_read_back_to_the_millisecond(timestamp: int) -> None:
    read = InputMessage("gate", None, {"eventTime": event_time(timestamp)}).timestamp
    assert read is not None
    assert 0 <= timestamp - read <= 90


async def send(broker: Broker, topic: str, payload: bytes, **properties: str) -> None:
    attributes: Any = Properties(PacketTypes.PUBLISH)
    attributes.UserProperty = list(properties.items())
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.publish(topic, payload, qos=1, properties=attributes)


@contextlib.asynccontextmanager
async def listening(
    broker: Broker, notes: list[str] | None = None
) -> AsyncIterator[tuple[MqttInputs, list[InputMessage]]]:
    got: list[InputMessage] = []

    def take(message: InputMessage) -> bool:
        got.append(message)
        return message.hub_input != "nobodys"

    inputs = MqttInputs(
        parse_broker(f"mqtt://127.0.0.1:{broker.port}/site"),
        take,
        note=([] if notes is None else notes).append,
        backoff=BackoffOptions(first_s=0.02, longest_s=0.05, refused_s=0.05),
    )
    async with inputs:
        await inputs.listening.wait()
        yield inputs, got


async def test_messages_come_by_the_name_of_their_input(broker: Broker) -> None:
    notes: list[str] = []
    async with listening(broker, notes) as (inputs, got):
        await send(broker, "site/inputs/gate", b'{"open":1}', eventTime="1970-01-01T00:00:01Z")
        await send(broker, "site/inputs/a%2Fb c", b"{}")
        await send(broker, "site/inputs/too/deep", b"{}")
        await send(broker, "elsewhere/inputs/gate", b"{}")
        await send(broker, "site/inputs/bad", b"{")
        await send(broker, "site/inputs/nobodys", b"1")
        await send(broker, "site/inputs/last", b'{"body":2,"applicationProperties":{"k":"v"}}')
        await until(lambda: len(got) == 4)
    assert got == [
        InputMessage("gate", {"open": 1}, {"eventTime": "1970-01-01T00:00:01Z"}),
        InputMessage("a/b c", {}, {}),
        InputMessage("nobodys", 1, {}),
        InputMessage("last", 2, {"k": "v"}),
    ]
    assert got[0].timestamp == 90_000
    statistics = inputs.statistics
    assert (statistics.received, statistics.unreadable, statistics.unwanted) == (5, 1, 1)
    # The second complaint comes too soon after the first.
    assert notes == [
        "input 'bad': a message came that is not JSON (Expecting property name enclosed in double quotes at line 1, "
        "column 2); allowed: JSON in UTF-8"
    ]


async def test_a_broker_that_returns_is_listened_to_again(broker: Broker) -> None:
    notes: list[str] = []
    async with listening(broker, notes) as (inputs, got):
        broker.kill()
        await until(lambda: not inputs.listening.is_set())
        await until(lambda: notes and "cannot be reached" in notes[-1])
        broker.start()
        await inputs.listening.wait()
        await send(broker, "site/inputs/gate", b"1")
        await until(lambda: got)
        assert got[0].body == 1
    assert notes[-1] == f"mqtt://127.0.0.1:{broker.port}/site is there again"


async def test_what_a_broker_keeps_is_taken_once_and_not_at_each_connection(broker: Broker) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish("site/inputs/gate", b"1", qos=1, retain=True)
    async with listening(broker) as (_, got):
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.publish("site/inputs/gate", b"2", qos=1, retain=True)
        await until(lambda: got)
    async with listening(broker) as (_, later):
        await send(broker, "site/inputs/gate", b"3")
        await until(lambda: later)
    assert [message.body for message in (*got, *later)] == [2, 3]


async def test_a_message_that_is_far_too_large_does_not_reach_us(broker: Broker) -> None:
    async with listening(broker) as (inputs, got):
        await send(broker, "site/inputs/gate", b" " * (2 << 20))
        await send(broker, "site/inputs/gate", b" " * (300 << 10))
        await send(broker, "site/inputs/gate", b"1")
        await until(lambda: got)
        assert got[0].body == 1
    assert (inputs.statistics.received, inputs.statistics.unreadable) == (2, 1)


def test_complaints_are_no_more_than_somebody_can_read() -> None:
    now_s, lines = 100.0, []  # type: tuple[float, list[str]]
    complaints = Complaints(lines.append, lambda: now_s, pause_s=10)
    for second in range(22):
        now_s = 100.0 + second
        complaints.tell(f"line {second}")
    assert lines == ["line 0", "line 10 (9 more were not shown)", "line 20 (9 more were not shown)"]
