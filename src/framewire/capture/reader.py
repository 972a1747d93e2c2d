"""What a session of any kind is to the rest of this room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from framewire.capture.frame import Picture
from framewire.sources import Truth


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture as it comes from a session.

    Attributes:
        picture: The pixels.
        media: The session's own time in ticks of 1/90,000 s; None where it has none.
        truth: What a synthetic picture shows, else None.
    """

    picture: Picture
    media: int | None
    truth: Truth | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """What is known of a session when it stands.

    Attributes:
        sdp: A description of its media (RFC 8866).
        is_live: Whether it has no end of its own.
        frames_per_second: Nominal rate, None when nobody says.
    """

    sdp: str
    is_live: bool
    frames_per_second: float | None


class Reader(Protocol):
    """One open session. One thread makes it, reads it and closes it.

    Who is to record encoded video some day takes it here: each read is one packet.
    """

    session: Session

    def read(self) -> Sequence[Shot] | None:
        """Reads one packet, and decodes it. It may block, for ever even.

        Returns:
            Its pictures, often one, sometimes none; None at the end.

        Raises:
            SessionError: The session is lost.
        """

    def interrupt(self) -> None:
        """Has a read in progress end soon, where that can be done. From any thread, and after the end too."""

    def close(self) -> None:
        """Gives everything back."""
