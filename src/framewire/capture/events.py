"""What a capture tells besides its frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from framewire.capture.faults import Fault


@dataclass(frozen=True, slots=True)
class CaptureEvent:
    """Something that happened to the connection (topologies, section 6).

    Attributes:
        kind: The event type without its prefix, such as `Diagnostics.NetworkError`.
        body: The JSON object that is published. It holds no password.
        time: Ticks of 1/90,000 s since 1970 UTC.
    """

    kind: str
    body: dict[str, Any]
    time: int


def event_of_session(sdp: str, *, time: int) -> CaptureEvent:
    """A session was established."""
    return CaptureEvent("Diagnostics.MediaSessionEstablished", {"sdp": sdp}, time)


def event_of_fault(fault: Fault, *, target: str, protocol: str, time: int) -> CaptureEvent:
    """A connection failed or was lost.

    Args:
        fault: What happened.
        target: Address without user, password and query.
        protocol: Scheme of the address.
        time: When, in ticks.
    """
    body = {
        "code": fault.code,
        "target": target,
        "protocol": protocol,
        "details": [{"code": fault.name, "message": fault.words}],
    }
    return CaptureEvent(fault.event, body, time)
