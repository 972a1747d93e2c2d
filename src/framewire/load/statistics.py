"""What a server says of itself, when it offers that, and what became of a load's frames by it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

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


@dataclass(frozen=True, slots=True)
class ServerFrames:
    """What a server counted during the window, of all its clients.

    Args:
        answered: Frames acknowledged after their processing.
        failed: Those of them that could not be read or processed; 0 when the server does not tell.
        dropped: Frames acknowledged without, by cause; causes without a frame are left out.
    """

    answered: int
    failed: int
    dropped: Mapping[str, int]

    @classmethod
    def between(cls, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> ServerFrames | None:
        """The difference of two documents of statistics; None when they do not tell, or the server began anew."""
        earlier, later = _frames(before), _frames(after)
        if earlier is None or later is None:
            return None
        dropped = {cause: count - earlier.dropped.get(cause, 0) for cause, count in later.dropped.items()}
        answered, failed = later.answered - earlier.answered, later.failed - earlier.failed
        if min(answered, failed, *dropped.values()) < 0:
            return None
        return cls(answered, failed, {cause: count for cause, count in dropped.items() if count})

    @property
    def dropped_in_all(self) -> int:
        """Frames acknowledged without processing, whatever the cause."""
        return sum(self.dropped.values())

    def document(self) -> dict[str, Any]:
        """The counts as JSON values."""
        return {"answered": self.answered, "failed": self.failed, "dropped": dict(self.dropped)}


def _frames(document: Mapping[str, Any] | None) -> ServerFrames | None:
    frames = document.get("frames") if document is not None else None
    if not isinstance(frames, dict):
        return None
    answered, failed, dropped = (frames.get(name) for name in ("answered", "failed", "dropped"))
    if not _is_count(answered) or not isinstance(dropped, dict):
        return None
    by_cause = {str(cause): count for cause, count in dropped.items() if _is_count(count)}
    return ServerFrames(answered, failed if _is_count(failed) else 0, by_cause)


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
