"""Addresses of brokers, and what topics may hold (MQTT 5.0, sections 1.5.4 and 4.7)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from framewire.errors import ConfigurationError

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_ALLOWED = "mqtt://[user:password@]host[:port]/prefix or mqtts://..."

# Wildcards, what ends a level, what starts an escape, and characters for which brokers may end the connection.
_UNFIT = re.compile("[+#/%\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff]")

_MOST_PREFIX_BYTES = 1024


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is, and below which topic everything of ours is.

    Args:
        host: Name or address.
        port: TCP port.
        prefix: Beginning of all topics, without a slash at its end.
        is_encrypted: Whether the connection is TLS.
        user: Who we are; None for nobody in particular.
        password: Its password; it is shown nowhere.
    """

    host: str
    port: int
    prefix: str
    is_encrypted: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """The address without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.is_encrypted else 'mqtt'}://{host}:{self.port}/{self.prefix}"

    @property
    def events_topic(self) -> str:
        """Where diagnostics and operational events go."""
        return f"{self.prefix}/events"

    def messages_topic(self, hub_output: str) -> str:
        """Where messages of an output go."""
        return f"{self.prefix}/messages/{topic_level(hub_output)}"


def is_broker(text: str) -> bool:
    """Whether a text wants to be the address of a broker."""
    return text.lower().startswith(("mqtt:", "mqtts:"))


def parse_broker(text: str) -> BrokerAddress:
    """Reads `mqtt://[user:password@]host[:port]/prefix`, or `mqtts://` for TLS.

    In user, password and prefix, `%40` stands for `@`, and so on.

    Raises:
        ConfigurationError: It is none. The text shows no password.
    """
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _PORTS:
        raise ConfigurationError("the broker has no address of the right form", allowed=_ALLOWED)
    authority, _, path = rest.partition("/")
    if "@" in path and "@" not in authority and ":" in authority:
        # Either a password holds a slash, or the prefix an @: it might be the password that we would show.
        raise ConfigurationError(
            "the address of the broker can be read in two ways",
            remedy="write / in a user or password as %2F, and @ in a prefix as %40",
        )
    credentials, at, place = authority.rpartition("@")
    user, colon, password = credentials.partition(":")
    host, port = _host_and_port(place, _PORTS[scheme])
    address = BrokerAddress(
        host,
        port,
        _prefix(path),
        scheme == "mqtts",
        unquote(user) if at else None,
        unquote(password) if colon else None,
    )
    for value, name in ((address.user, "user"), (address.password, "password")):
        if value is not None and ("\x00" in value or len(value.encode("utf-8", "replace")) > 0xFFFF):
            raise ConfigurationError(
                f"the {name} for the broker {address} cannot be sent", allowed="65,535 bytes, no NUL"
            )
    return address


def topic_level(name: str) -> str:
    """A name as one level of a topic: what a level cannot hold, is written as in addresses (`+` as `%2B`)."""
    # Empty levels are legal, but nobody would look for one.
    return _UNFIT.sub(lambda match: quote(match[0], safe="", errors="replace"), name) or "%00"


def level_name(level: str) -> str:
    """The name that a level of a topic stands for."""
    return "" if level == "%00" else unquote(level)


def _host_and_port(place: str, default_port: int) -> tuple[str, int]:
    match = re.fullmatch(r"(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^\s:\[\]?#@]+)(?::(?P<port>[0-9]{1,5}))?", place, re.ASCII)
    port = default_port if match is None or match["port"] is None else int(match["port"])
    if match is None or not 1 <= port <= 0xFFFF:
        # Not in full: with a stray @ or colon, what was meant as a password could be in it.
        raise ConfigurationError("the broker has no host or no legal port", allowed=_ALLOWED)
    return match["host"].strip("[]"), port


def _prefix(path: str) -> str:
    prefix = unquote(path.rstrip("/"))
    if not prefix:
        raise ConfigurationError("the address of the broker has no prefix", allowed=_ALLOWED)
    if "" in prefix.split("/") or prefix.startswith("$") or _UNFIT.search(prefix.replace("/", "").replace("%", "")):
        raise ConfigurationError(
            f"the prefix {prefix!r} cannot begin topics",
            allowed="names separated by single slashes, without + # or control characters, not beginning with $",
        )
    if len(prefix.encode()) > _MOST_PREFIX_BYTES:
        raise ConfigurationError("the prefix of the broker is too long", allowed=f"{_MOST_PREFIX_BYTES} bytes of UTF-8")
    return prefix
