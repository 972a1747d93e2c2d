"""Messages that come from a broker for the hub message sources of a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from framewire.hub.address import BrokerAddress
from framewire.hub.backoff import BackoffOptions
from framewire.hub.broker import Received
from framewire.hub.complaints import Complaints
from framewire.hub.input import InputError, InputMessage, read_input
from framewire.hub.listener import MqttListener


@dataclass(slots=True)
class InputStatistics:
    """Counts since the inputs were opened.

    Attributes:
        received: Messages that came.
        unreadable: Those of them that are no legal message.
        unwanted: Those of them that nobody has an input for.
    """

    received: int = 0
    unreadable: int = 0
    unwanted: int = 0


class MqttInputs:
    """The inputs of a broker, `<prefix>/inputs/<hubInputName>`, as an asynchronous context manager.

    Each message is handed over when it comes, so nothing is queued.

    Args:
        address: Where the broker is.
        deliver: Takes a message on the loop; answers whether anybody has that input.
        note: Takes a line for the operator, on the loop.
        trusted_certificates: PEM file of authorities; None for the system's.
        backoff: Pauses between two tries to connect.

    Raises:
        ConfigurationError: The certificates cannot be read.
    """

    def __init__(
        self,
        address: BrokerAddress,
        deliver: Callable[[InputMessage], bool],
        *,
        note: Callable[[str], None],
        trusted_certificates: Path | None = None,
        backoff: BackoffOptions | None = None,
    ) -> None:
        self._deliver = deliver
        self._complaints = Complaints(note)
        self._listener = MqttListener(
            address, {"inputs": self._take}, note=note, trusted_certificates=trusted_certificates, backoff=backoff
        )
        self.listening = self._listener.listening
        """Set while the broker has agreed to send."""
        self.statistics = InputStatistics()

    async def __aenter__(self) -> Self:
        await self._listener.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._listener.__aexit__(kind, error, trace)

    def _take(self, name: str, received: Received) -> None:
        self.statistics.received += 1
        try:
            message = read_input(name, received.payload, received.properties)
        except InputError as error:
            self.statistics.unreadable += 1
            self._complaints.tell(f"input {name[:80]!r}: {error}")
            return
        if not self._deliver(message):
            self.statistics.unwanted += 1
            self._complaints.tell(f"input {name[:80]!r}: no node has it now")
