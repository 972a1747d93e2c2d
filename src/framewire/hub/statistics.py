"""What became of the messages that were handed to a publisher."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class DropCause(Enum):
    """Why a message was not delivered."""

    FULL = "full"
    """The bound was reached, and it was the oldest."""
    DISK = "disk"
    """The disk took no more, and the memory that stands in for it was full; or nobody could write what was printed."""
    TOO_LARGE = "too-large"
    """It is larger than the bound, or than MQTT allows."""
    REFUSED = "refused"
    """The broker does not want it."""
    UNREADABLE = "unreadable"
    """What was on the disk is damaged."""
    CLOSED = "closed"
    """The publisher was closed before anybody took it."""


@dataclass(slots=True)
class PublisherStatistics:
    """Counts since the publisher was opened. At any time `published + resumed = delivered + dropped + waiting`.

    Attributes:
        published: Messages that were handed over.
        resumed: Messages that an earlier run had left on the disk.
        delivered: Messages that were written, or acknowledged by the broker.
        waiting: Messages that are kept until they can be delivered.
        waiting_bytes: Their size.
        dropped: Messages that were given up, by cause.
        is_connected: Whether the other side takes messages now.
        connections: How often it was reached.
        last_error: What went wrong last, in plain words; empty when nothing did.
    """

    published: int = 0
    resumed: int = 0
    delivered: int = 0
    waiting: int = 0
    waiting_bytes: int = 0
    dropped: Counter[DropCause] = field(default_factory=Counter)
    is_connected: bool = False
    connections: int = 0
    last_error: str = ""

    def document(self) -> dict[str, Any]:
        """All of it as JSON values; causes that never occurred are left out."""
        return {
            "published": self.published,
            "resumed": self.resumed,
            "delivered": self.delivered,
            "waiting": self.waiting,
            "waiting_bytes": self.waiting_bytes,
            "dropped": {cause.value: count for cause, count in self.dropped.items() if count},
            "is_connected": self.is_connected,
            "connections": self.connections,
            "last_error": self.last_error,
        }
