"""What a capture is to open, and how patient it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from framewire.errors import ConfigurationError

Transport = Literal["tcp", "udp", "http"]
"""How RTSP carries its media: inside its own connection, as datagrams, or inside two HTTP requests."""


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """What to open, and for how long to wait for what.

    Attributes:
        address: An `rtsp://`, `rtsps://`, `http://` or `https://` URL, a video file (a path or a `file:` URL),
            `/dev/videoN`, or `test:` with its options.
        user: Name for the camera; it wins over one in the URL. None for the URL's own, or none at all.
        password: What belongs to it, as it is, nothing escaped. It appears in no text that this package makes.
        transport: How RTSP carries its media.
        trusted_certificates: Path of a PEM file: a camera over TLS (`rtsps`, `https`) has to show a certificate that
            one of these has signed, and that names the host of the address. None: any certificate is taken.
        is_hostname_ignored: Whether the certificate may name another host, as that of a camera does which is known by
            a number only. Who signed it is checked all the same.
        loop: Whether a recording or the synthetic scene starts over at its end.
        in_real_time: Whether the frames of a recording or the scene come when they are due, as from a camera. False:
            as fast as they are taken.
        connect_timeout_s: How long a camera may take to open.
        stall_s: How long a camera may send nothing before its connection is given up.
        picture_s: How long a camera may send what gives no picture before its connection is given up. Longer than
            `stall_s`, as some cameras send a key frame once a minute.
        backoff_least_s: Pause before the first new connection.
        backoff_most_s: Pauses double up to this one.
        stable_s: After a session of this length the pauses start over.
        refused_s: Pause after a refusal of user and password: cameras lock out who tries too often.

    Raises:
        ConfigurationError: A value is out of range.
    """

    address: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    transport: Transport = "tcp"
    trusted_certificates: str | None = None
    is_hostname_ignored: bool = False
    loop: bool = False
    in_real_time: bool = True
    connect_timeout_s: float = 10.0
    stall_s: float = 10.0
    picture_s: float = 90.0
    backoff_least_s: float = 1.0
    backoff_most_s: float = 60.0
    stable_s: float = 60.0
    refused_s: float = 60.0

    def __post_init__(self) -> None:
        if self.transport not in get_args(Transport):
            raise ConfigurationError(f"transport {self.transport!r} is unknown", allowed=", ".join(get_args(Transport)))
        for name in (
            "connect_timeout_s",
            "stall_s",
            "picture_s",
            "backoff_least_s",
            "backoff_most_s",
            "stable_s",
            "refused_s",
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.01 <= value <= 86_400):
                raise ConfigurationError(f"{name} {value} is out of range", allowed="0.01 to 86400 seconds")
        if self.backoff_least_s > self.backoff_most_s:
            raise ConfigurationError(
                f"backoff_least_s {self.backoff_least_s} is more than backoff_most_s {self.backoff_most_s}"
            )
