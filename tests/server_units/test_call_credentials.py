"""x-ms-authentication: anyone may call a server without credentials, and only who knows them one that has some."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.model.credentials import AUTHENTICATION_KEY, basic_token
from framewire.server.credentials import is_authentic

CREDENTIALS = {"camera": "s3cret", "grün": "pä:ss", "empty": ""}


def basic(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


@pytest.mark.parametrize(
    "value",
    [
        "Basic Y2FtZXJhOnMzY3JldA==",  # camera:s3cret
        b"Basic Y2FtZXJhOnMzY3JldA==",
        "basic Y2FtZXJhOnMzY3JldA==",
        "BASIC  Y2FtZXJhOnMzY3JldA== ",
        f"Basic {basic('grün:pä:ss')}",
        f"Basic {basic('empty:')}",
    ],
)
def test_who_knows_the_credentials_may_call(value: str | bytes) -> None:
    assert is_authentic([("user-agent", "x"), ("x-ms-authentication", value)], CREDENTIALS)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic",
        "Basic ",
        f"Basic {basic('camera:wrong')}",
        f"Basic {basic('camera:s3cret ')}",
        f"Basic {basic('camera:')}",
        f"Basic {basic('nobody:s3cret')}",
        f"Basic {basic('dummyUserName:dummyPassword')}",
        f"Basic {basic(':')}",
        f"Basic {basic('empty')}",
        f"Basic {basic('camera')}",
        f"Bearer {basic('camera:s3cret')}",
        basic("camera:s3cret"),
        "Basic camera:s3cret",
        "Basic Y2FtZXJhOnMzY3JldA",  # without its padding
        "Basic Y2Ft*ZXJhOnMzY3JldA==",
        "Basic ü",
        b"Basic \xff\xfe",
    ],
)
def test_who_does_not_may_not(value: str | bytes) -> None:
    assert not is_authentic([("x-ms-authentication", value)], CREDENTIALS)


def test_who_says_nothing_may_not() -> None:
    assert not is_authentic([], CREDENTIALS)
    assert not is_authentic([("authorization", "Basic Y2FtZXJhOnMzY3JldA==")], CREDENTIALS)


@pytest.mark.parametrize("value", [None, "", f"Basic {basic('dummyUserName:dummyPassword')}", "nonsense", b"\xff"])
def test_without_configured_credentials_any_or_none_pass(value: str | bytes | None) -> None:
    assert is_authentic([] if value is None else [("x-ms-authentication", value)], {})


def test_our_client_sends_what_the_contract_says() -> None:
    assert AUTHENTICATION_KEY == "x-ms-authentication"
    assert basic_token("dummyUserName", "dummyPassword") == "Basic ZHVtbXlVc2VyTmFtZTpkdW1teVBhc3N3b3Jk"


@given(st.text(), st.text())
def test_what_our_client_sends_our_server_takes(user: str, password: str) -> None:
    metadata = [(AUTHENTICATION_KEY, basic_token(user, password))]
    assert is_authentic(metadata, {user: password})
    assert not is_authentic(metadata, {user: password + "x"})


@given(st.text() | st.binary())
def test_any_value_is_judged(value: str | bytes) -> None:
    assert is_authentic([(AUTHENTICATION_KEY, value)], {"camera": "s3cret"}) in (True, False)
