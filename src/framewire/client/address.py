"""Addresses of extension servers."""

from __future__ import annotations

from framewire.errors import ConfigurationError


def parse_address(text: str) -> str:
    """The gRPC target of an address.

    Args:
        text: ``HOST:PORT``, ``tcp://HOST:PORT`` as topologies write it, ``[IPV6]:PORT`` or ``unix:/path``.

    Raises:
        ConfigurationError: It is none of these.
    """
    if text.startswith("unix:"):
        if text == "unix:":
            raise ConfigurationError("address 'unix:' has no path", allowed="unix:/path")
        return text
    rest = text.removeprefix("tcp://").rstrip("/")
    host, separator, port = rest.rpartition(":")
    is_bare_ipv6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
    # isdecimal alone would take digits of other scripts, and int refuses thousands of them.
    is_port = port.isascii() and port.isdecimal() and len(port) <= 5 and 1 <= int(port) <= 65_535
    if not separator or not host or "/" in host or is_bare_ipv6 or not is_port:
        raise ConfigurationError(
            f"address {text!r} is none", allowed="HOST:PORT, tcp://HOST:PORT, [IPV6]:PORT or unix:/path"
        )
    return f"{host}:{port}"
