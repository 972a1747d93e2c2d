"""Opening a call of the contract to a server."""

from __future__ import annotations

import asyncio

from framewire.client.connection import Connection, reason_of_failure
from framewire.client.inbox import Inbox
from framewire.client.options import ClientOptions
from framewire.client.trust import Trust
from framewire.client.unreachable import reason_of
from framewire.errors import PeerError
from framewire.model.credentials import AUTHENTICATION_KEY, basic_token
from framewire.wire import METHOD_PATH


async def opened(target: str, options: ClientOptions) -> tuple[Connection, Inbox]:
    """Connects and opens the call; nothing is sent yet.

    Args:
        target: The server, as `parse_address` gives it.
        options: Credentials, trust and limits.

    Returns:
        The connection, which the caller closes, and what comes from it.

    Raises:
        ConfigurationError: The host's name or the path is none.
        PeerError: The server cannot be reached.
    """
    metadata = []
    if options.user is not None:
        metadata.append((AUTHENTICATION_KEY, basic_token(options.user, options.password)))
    tls = None
    if options.is_encrypted:
        trusted = options.trusted_certificates
        tls = Trust(() if trusted is None else (trusted.decode("utf-8", "replace"),)).context()
    most_bytes = int(options.max_message_mib * (1 << 20))
    try:
        async with asyncio.timeout(options.handshake_timeout_s):
            connection = await Connection.open(target, METHOD_PATH, metadata, tls=tls, most_message_bytes=most_bytes)
    except TimeoutError:
        raise unreachable(target, f"no answer within {options.handshake_timeout_s:g} s") from None
    except OSError as error:  # of TLS, too
        raise unreachable(target, reason_of_failure(error)) from None
    return connection, Inbox(connection, target, most_bytes)


def unreachable(target: str, text: str) -> PeerError:
    """The error for a server that is not there, from what the system or a library says of it."""
    words, remedy = reason_of(text) or (text or "no details", "check the address, and that the server is running")
    return PeerError(f"{target} cannot be reached ({words})", status="UNAVAILABLE", remedy=remedy)
