"""What a server says of itself, when it offers that."""

from __future__ import annotations

import json
from typing import Any

import grpc

from framewire.load.options import LoadOptions
from framewire.load.stream import CHANNEL_OPTIONS
from framewire.model.credentials import AUTHENTICATION_KEY, basic_token

METHOD_PATH = "/framewire.v1.Statistics/Read"
"""Takes nothing and answers a JSON object in UTF-8; framewire's own, no part of the contract."""

_PATIENCE_S = 2.0


async def read_statistics(target: str, options: LoadOptions) -> dict[str, Any] | None:
    """Asks a server for its statistics.

    Args:
        target: The gRPC target.
        options: Whose credentials are sent.

    Returns:
        Whatever object it answers; None when it has none, as all servers but our own.
    """
    metadata = None
    if options.user is not None:
        metadata = ((AUTHENTICATION_KEY, basic_token(options.user, options.password)),)
    async with grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS) as channel:
        try:
            answer = await channel.unary_unary(METHOD_PATH)(b"", timeout=_PATIENCE_S, metadata=metadata)
            document = json.loads(answer)
        except (grpc.RpcError, ValueError):
            return None
    return document if isinstance(document, dict) else None
