"""Addresses of brokers as people write them, and names as levels of topics."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.errors import ConfigurationError
from framewire.hub import BrokerAddress, parse_broker
from framewire.hub.address import level_name, topic_level


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("mqtt://broker/site", BrokerAddress("broker", 1883, "site")),
        ("mqtts://broker/site", BrokerAddress("broker", 8883, "site", True)),
        ("MQTT://broker:1884/site/cameras/", BrokerAddress("broker", 1884, "site/cameras")),
        ("mqtt://[::1]:1884/s", BrokerAddress("::1", 1884, "s")),
        ("mqtt://[fe80::1%eth0]/s", BrokerAddress("fe80::1%eth0", 1883, "s")),
        ("mqtt://u@broker/s", BrokerAddress("broker", 1883, "s", user="u")),
        ("mqtt://u:p@broker/s", BrokerAddress("broker", 1883, "s", user="u", password="p")),
        ("mqtt://u:p@ss:w%2Frd@broker/s", BrokerAddress("broker", 1883, "s", user="u", password="p@ss:w/rd")),
        ("mqtt://u:@broker/s", BrokerAddress("broker", 1883, "s", user="u", password="")),
        ("mqtt://b/a%20b", BrokerAddress("b", 1883, "a b")),
        ("mqtt://b/gr%C3%BCn 1%25", BrokerAddress("b", 1883, "grün 1%")),
    ],
)
def test_an_address_is_read(text: str, address: BrokerAddress) -> None:
    assert parse_broker(text) == address


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("mqtt:broker/site", "the broker has no address of the right form"),
        ("mqtt://broker", "the address of the broker has no prefix"),
        ("mqtt://broker/", "the address of the broker has no prefix"),
        ("mqtt:///site", "the broker has no host or no legal port"),
        ("mqtt://broker:0/site", "the broker has no host or no legal port"),
        ("mqtt://broker:65536/site", "the broker has no host or no legal port"),
        ("mqtt://broker:18_83/site", "the broker has no host or no legal port"),
        ("mqtt://broker:١٨٨٣/site", "the broker has no host or no legal port"),
        ("mqtt://bro ker/site", "the broker has no host or no legal port"),
        ("mqtt://::1/site", "the broker has no host or no legal port"),
        ("mqtt://b/a//b", "the prefix 'a//b' cannot begin topics"),
        ("mqtt://b/+/b", "the prefix '+/b' cannot begin topics"),
        ("mqtt://b/a%23", "the prefix 'a#' cannot begin topics"),
        ("mqtt://b/a%00", "the prefix 'a\\x00' cannot begin topics"),
        ("mqtt://b/$SYS/x", "the prefix '$SYS/x' cannot begin topics"),
        ("mqtt://b/" + "x" * 1025, "the prefix of the broker is too long"),
        ("mqtt://u%00:p@b/s", "the user for the broker mqtt://b:1883/s cannot be sent"),
    ],
)
def test_what_is_no_address_is_said(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_broker(text)
    assert refused.value.problem == complaint
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "mqtt://user:secret/slash@broker/site",
        "mqtt://user:1883/secret@broker/site",
        "mqtt://user:secret",
        "mqtt://user:secret@bro ker/site",
        "mqtt://user:secret@broker:x/site",
        "mqtt://user:secret@broker",
        "mqtt://user:secret@broker/a//b",
        "mqtt:user:secret@broker/a",
        "mqtt://u:secret%00@broker/a",
    ],
)
def test_no_complaint_shows_a_password(text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_broker(text)
    assert "secret" not in str(refused.value)


def test_an_address_shows_neither_user_nor_password() -> None:
    address = parse_broker("mqtts://me:secret@broker/site")
    assert str(address) == "mqtts://broker:8883/site"
    assert "secret" not in repr(address)
    assert str(parse_broker("mqtt://[::1]/site")) == "mqtt://[::1]:1883/site"


def test_topics_are_below_the_prefix() -> None:
    address = parse_broker("mqtt://b/site/a")
    assert address.messages_topic("inferenceOutput") == "site/a/messages/inferenceOutput"
    assert address.events_topic == "site/a/events"


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("inferenceOutput", "inferenceOutput"),
        ("out put", "out put"),
        ("grün/日本", "grün%2F日本"),
        ("+", "%2B"),
        ("#", "%23"),
        ("50%", "50%25"),
        ("\x00\n\x7f", "%00%0A%7F"),
        ("\ufeff\ufffe", "\ufeff%EF%BF%BE"),
        ("", "%00"),
        ("$share", "$share"),
    ],
)
def test_a_name_becomes_one_level_of_a_topic(name: str, level: str) -> None:
    assert topic_level(name) == level


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda name: name != "\x00"))
def test_a_level_gives_its_name_back(name: str) -> None:
    assert level_name(topic_level(name)) == name
