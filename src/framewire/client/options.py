"""What a client is told, and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from framewire.errors import ConfigurationError
from framewire.model.inference import Inference
from framewire.model.message import DEFAULT_TIMESCALE, GraphIdentifier
from framewire.session.client import Match

_MOST_SHARED_MEMORY_BYTES = 1 << 40

FrameBytes = bytes | bytearray | memoryview | npt.NDArray[np.uint8]
"""One frame in the form that the descriptor announced; an array must be contiguous."""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How a client sends.

    Args:
        shared_memory_bytes: Size of the session's shared memory; 0 embeds the frames.
        shared_memory_mode: Permission bits of the shared memory file.
        in_flight: Most frames that wait for their acknowledgement, 1 or more.
        configuration: Extension configuration, free text.
        identifier: Names the camera to the server.
        user: User for ``x-ms-authentication``; None sends none.
        password: Its password.
        timescale: Ticks per second of the timestamps.
        handshake_timeout_s: How long the server may take to be reached, and then to answer the descriptor.
        max_message_mib: Largest answer that is received, in MiB.
        is_encrypted: Whether the connection is TLS.
        trusted_certificates: Of TLS, authorities in PEM; None for those that the system trusts.
    """

    shared_memory_bytes: int = 0
    shared_memory_mode: int = 0o600
    in_flight: int = 4
    configuration: str = ""
    identifier: GraphIdentifier = field(default_factory=lambda: GraphIdentifier("", "framewire", "client"))
    user: str | None = None
    password: str = ""
    timescale: int = DEFAULT_TIMESCALE
    handshake_timeout_s: float = 20.0
    max_message_mib: float = 64
    is_encrypted: bool = False
    trusted_certificates: bytes | None = None

    def __post_init__(self) -> None:
        if self.in_flight < 1:
            raise ConfigurationError(f"in flight is {self.in_flight}", allowed="1 or more")
        if not 0 <= self.shared_memory_bytes <= _MOST_SHARED_MEMORY_BYTES:
            raise ConfigurationError(
                f"shared memory is {self.shared_memory_bytes} bytes", allowed=f"0 to {_MOST_SHARED_MEMORY_BYTES}"
            )


@dataclass(frozen=True, slots=True)
class Result:
    """One answer of the server.

    Args:
        match: How it relates to what was sent; the first answer to a frame is MATCHED.
        sequence_number: The frame that it acknowledges; 0 for none.
        timestamp: The answer's timestamp in ticks; the frame's own when the acknowledgement came alone.
        sent_timestamp: The frame's own timestamp; None when there is no such frame.
        inferences: What was found.
        problems: What was wrong with inferences that the server sent and that are left out.
        latency_s: Seconds from the sending of the frame to its answer; None when there is no such frame.
    """

    match: Match
    sequence_number: int
    timestamp: int
    sent_timestamp: int | None
    inferences: Sequence[Inference]
    problems: Sequence[str]
    latency_s: float | None
