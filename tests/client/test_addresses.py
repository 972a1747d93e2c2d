"""Addresses as people and topologies write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.client.address import parse_address
from framewire.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("localhost:5001", "localhost:5001"),
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("grpc-extension.local:65535", "grpc-extension.local:65535"),
        ("[::1]:5001", "[::1]:5001"),
        ("[fe80::1%eth0]:5001", "[fe80::1%eth0]:5001"),
        ("tcp://avaextension:44000", "avaextension:44000"),
        ("tcp://avaextension:44000/", "avaextension:44000"),
        ("tcp://[::1]:44000", "[::1]:44000"),
        ("unix:/run/framewire.sock", "unix:/run/framewire.sock"),
        ("unix:framewire.sock", "unix:framewire.sock"),
    ],
)
def test_an_address_becomes_a_target(text: str, target: str) -> None:
    assert parse_address(text) == target


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "localhost:",
        ":5001",
        "localhost:0",
        "localhost:65536",
        "localhost:-1",
        "localhost:http",
        "localhost:5001x",
        "localhost:\u0665\u0660\u0660\u0661",  # 5001 in other digits
        "localhost:²",
        "localhost:" + "1" * 5000,
        "::1:5001",
        "[::1]",
        "[::1:5001",
        "::1]:5001",
        "http://localhost:5001",
        "tcp://",
        "tcp://localhost",
        "tcp://localhost:5001/path",
        "localhost/path:5001",
    ],
)
def test_what_is_no_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_address(text)
    assert str(caught.value) == (
        f"address {text!r} is none; allowed: HOST:PORT, tcp://HOST:PORT, [IPV6]:PORT or unix:/path"
    )


def test_a_socket_without_a_path_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_address("unix:")
    assert str(caught.value) == "address 'unix:' has no path; allowed: unix:/path"


@given(st.text())
def test_any_text_is_a_target_or_refused(text: str) -> None:
    try:
        target = parse_address(text)
    except ConfigurationError:
        return
    assert text.endswith(target) or text.rstrip("/").endswith(target)
