"""How a call ends: gRPC's statuses, and what they are when it is not gRPC that speaks (gRPC over HTTP/2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from framewire.client.http2.frames import ErrorCode, name_of

STATUSES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""Names of the statuses, by their numbers."""

_OF_ERRORS: Mapping[int, str] = {
    ErrorCode.REFUSED_STREAM: "UNAVAILABLE",
    ErrorCode.CANCEL: "CANCELLED",
    ErrorCode.ENHANCE_YOUR_CALM: "RESOURCE_EXHAUSTED",
    ErrorCode.INADEQUATE_SECURITY: "PERMISSION_DENIED",
}

_OF_HTTP = {
    "400": "INTERNAL",
    "401": "UNAUTHENTICATED",
    "403": "PERMISSION_DENIED",
    "404": "UNIMPLEMENTED",
    "429": "UNAVAILABLE",
    "502": "UNAVAILABLE",
    "503": "UNAVAILABLE",
    "504": "UNAVAILABLE",
}

NO_STATUS = "it ended the stream without a status"

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended.

    Args:
        status: Name of the gRPC status.
        details: The server's words; ours when it has none and the status is not OK.
    """

    status: str
    details: str


def of_reset(number: int) -> Ending:
    """Of a stream that the server has reset with an error code."""
    return Ending(_OF_ERRORS.get(number, "INTERNAL"), f"it reset the stream: {name_of(number)}")


def of_trailers(headers: Headers) -> Ending:
    """Of the headers that end a stream."""
    number = headers.get("grpc-status", "")
    if not number:
        return Ending("UNKNOWN", NO_STATUS)
    is_known = number.isascii() and number.isdecimal() and len(number) < 3 and int(number) < len(STATUSES)
    details = unquote(headers.get("grpc-message", ""), errors="replace")
    return Ending(STATUSES[int(number)] if is_known else "UNKNOWN", details)


def of_strange_headers(headers: Headers) -> Ending | None:
    """Of the headers that a stream begins with; None when they are a gRPC server's."""
    status, kind = headers.get(":status", "none"), headers.get("content-type", "none")
    if status != "200":
        return Ending(_OF_HTTP.get(status, "UNKNOWN"), f"it answered with HTTP status {status[:20]}")
    if not kind.lower().startswith("application/grpc"):
        return Ending("UNKNOWN", f"it answered with content type {kind[:80]}, not application/grpc")
    return None


def of_strange_bytes(data: bytes) -> Ending:
    """Of a server whose first bytes are not HTTP/2."""
    if data[:2] == b"\x15\x03":  # an alert: what TLS says of our preface
        words = "it wants TLS"
    elif data[:5] == b"HTTP/":
        words = "it speaks HTTP/1 and not gRPC"
    else:
        words = "it does not speak gRPC"
    return Ending("UNAVAILABLE", words)
