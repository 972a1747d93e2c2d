"""Where messages go: a terminal or a pipe, a file, a broker."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from framewire.errors import ConfigurationError
from framewire.hub.address import is_broker, parse_broker
from framewire.hub.lines import LinePublisher
from framewire.hub.message import HubMessage
from framewire.hub.statistics import PublisherStatistics

DEFAULT_OUTBOX_MIB = 256.0


class Publisher(Protocol):
    """Takes messages and sees to it that they arrive. Used on one event loop."""

    async def open(self) -> None:
        """Begins; does not wait for anybody far away.

        Raises:
            ConfigurationError: The file or the folder cannot be used.
        """

    def publish(self, message: HubMessage) -> None:
        """Takes a message, never blocks and never waits. Called on the event loop.

        Raises:
            BrokenPipeError: Whoever read our output has gone. Only standard output raises it, from the first message
                on after it was seen.
        """

    async def room(self) -> None:
        """Waits until not much is under way, for who would rather wait than lose the oldest."""

    async def close(self, timeout_s: float) -> None:
        """Delivers what waits, for some seconds at most, and ends. Closing twice is fine."""

    def statistics(self) -> PublisherStatistics:
        """What became of the messages so far."""


def open_publisher(
    spec: str | None,
    *,
    is_body_only: bool = False,
    outbox_folder: Path | None = None,
    outbox_mib: float = DEFAULT_OUTBOX_MIB,
    trusted_certificates: Path | None = None,
    note: Callable[[str], None] | None = None,
    around_write: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Publisher:
    """Chooses where messages go. The publisher that is returned has still to be opened.

    Args:
        spec: `-` or None for standard output, the name of a file to append to, or
            `mqtt://[user:password@]host[:port]/prefix`, `mqtts://` with TLS.
        is_body_only: Lines are the bodies of inference events alone; to a broker it makes no difference.
        outbox_folder: Where messages for a broker are kept until it takes them, in a folder of their own below; None
            keeps them in memory.
        outbox_mib: Most MiB of them; the oldest make room.
        trusted_certificates: A PEM file with the authorities that may vouch for the broker; None for the system's.
        note: Takes a line for the operator, on the loop; None logs it as a warning.
        around_write: Entered for each write to standard output, on the thread that writes: who shares a terminal with
            it can keep out of its way.

    Raises:
        ConfigurationError: The address is none, or MQTT is not installed.
    """
    say = note or logging.getLogger("framewire.hub").warning
    if spec is None or spec == "-":
        return LinePublisher(None, is_body_only=is_body_only, note=say, around_write=around_write)
    if is_broker(spec):
        from framewire.hub.mqtt import MqttOptions, MqttPublisher

        address = parse_broker(spec)
        options = MqttOptions(
            outbox_folder=outbox_folder, outbox_mib=outbox_mib, trusted_certificates=trusted_certificates
        )
        return MqttPublisher(address, options, note=say)
    scheme, separator, _ = spec.partition("://")
    if separator or not spec:
        raise ConfigurationError(
            f"messages cannot go to {scheme}://..." if separator else "the output has no name",
            allowed="-, a file, mqtt://host/prefix or mqtts://host/prefix",
        )
    return LinePublisher(Path(spec), is_body_only=is_body_only, note=say)
