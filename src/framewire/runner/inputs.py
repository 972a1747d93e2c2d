"""Messages from outside, for all pipelines that have their input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from framewire.hub import InputError, InputMessage, read_input
from framewire.runner.answers import Answer, MethodError


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message.

    Args:
        taken: Names of the pipelines that have it now.
        missed: Names of those that have its input and could not take it: just being started again, or stuck.
    """

    taken: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()


class Takers(Protocol):
    """Live pipelines that may have inputs."""

    def receive(self, message: InputMessage) -> Delivery:
        """Hands a message to all active pipelines that have its input; never waits."""


class Inputs:
    """Judges messages from outside and hands them on, whoever carries them.

    Args:
        takers: Who gets them.
    """

    def __init__(self, takers: Takers) -> None:
        self._takers = takers

    def post(self, hub_input: str, payload: bytes, properties: Mapping[str, str] | None = None) -> Answer:
        """Hands a message on. Never raises for what is in it.

        Args:
            hub_input: Name of the input.
            payload: See :func:`framewire.hub.read_input`.
            properties: What came beside it.
        """
        try:
            delivery = self._takers.receive(read_input(hub_input, payload, properties))
        except InputError as error:
            return MethodError("BadRequest", str(error)).answer()
        if not delivery.taken and not delivery.missed:
            message = f"no active live pipeline has an IotHubMessageSource with hubInputName {hub_input[:80]!r}"
            return MethodError("NotFound", message).answer()
        if not delivery.taken:
            message = f"live pipelines that have the input cannot take it now: {', '.join(delivery.missed[:10])}"
            return MethodError("ServerBusy", message).answer()
        return Answer(200, {"taken": list(delivery.taken), "missed": list(delivery.missed)})
