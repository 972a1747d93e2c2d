"""Reaching the server: names, addresses, and which of them answers."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from framewire.errors import ConfigurationError

_PATIENCE_S = 3.0
"""How long one address of a host is tried before the next."""

_Protocol = TypeVar("_Protocol", bound=asyncio.BaseProtocol)


async def dial(make: Callable[[], _Protocol], target: str, tls: ssl.SSLContext | None) -> _Protocol:
    """Connects.

    Args:
        make: Makes what takes the connection.
        target: ``HOST:PORT``, ``[IPV6]:PORT`` or ``unix:/path``, as `parse_address` gives it.
        tls: How the server is checked; None for a connection without TLS.

    Raises:
        ConfigurationError: The host's name or the path is none.
        OSError: There is no connection; of TLS, ssl.SSLError.
    """
    try:
        if not target.startswith("unix:"):
            return await _dial_host(make, target, tls)
        place = target.removeprefix("unix:")
        path = "/" + place.lstrip("/") if place.startswith("//") else place
        name = None if tls is None else "localhost"
        _, connection = await asyncio.get_running_loop().create_unix_connection(
            make, path, ssl=tls, server_hostname=name
        )
        return connection
    except OSError:
        raise  # a wrong certificate is a ValueError as well
    except ValueError:  # of names that are too long or empty in part, zeros, and what is no text
        raise ConfigurationError(
            f"address {target!r} is none", allowed="a host that can have a name, or a path"
        ) from None


async def _dial_host(make: Callable[[], _Protocol], target: str, tls: ssl.SSLContext | None) -> _Protocol:
    """Connects to the first address of a host that answers."""
    host, _, port = target.rpartition(":")
    host = host.strip("[]")
    loop = asyncio.get_running_loop()
    addresses = await _addresses_of(host, int(port))
    for index, address in enumerate(addresses):
        is_last = index == len(addresses) - 1
        try:
            async with asyncio.timeout(None if is_last else _PATIENCE_S):
                _, connection = await loop.create_connection(
                    make, address, int(port), ssl=tls, server_hostname=None if tls is None else host
                )
            return connection
        except OSError as error:  # a timeout is one
            if is_last or isinstance(error, ssl.SSLError):
                raise
    raise OSError("it has no address")


async def _addresses_of(host: str, port: int) -> list[str]:
    """The addresses of a host, without those that are there twice.

    In a thread of its own: a resolver that hangs would take those of the loop, and hold up the end of the process.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def tell(addresses: list[str], error: Exception | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(addresses)

    def ask() -> None:
        addresses: list[str] = []
        error: Exception | None = None
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(_with_zone(answer[4]) for answer in answers))
        except (OSError, ValueError) as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has gone meanwhile
            loop.call_soon_threadsafe(tell, addresses, error)

    try:
        ipaddress.ip_address(host)
        return [host]
    except ValueError:
        threading.Thread(target=ask, name="framewire resolver", daemon=True).start()
        return await found


def _with_zone(address: tuple[Any, ...]) -> str:
    """An address as text, with the interface that an IPv6 address may belong to."""
    host, zone = str(address[0]), address[3] if len(address) > 3 else 0
    return f"{host}%{zone}" if zone and "%" not in host else host
