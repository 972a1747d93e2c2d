"""Messages from outside."""

from __future__ import annotations

from framewire.hub import InputMessage
from framewire.pipeline.node import Node
from framewire.pipeline.sample import Event


class HubMessageSourceNode:
    """Hands messages on to the nodes behind it, as events. Used on the event loop.

    Args:
        name: Its name in the topology.
        hub_input: Name of the input whose messages it takes; None takes none.
    """

    def __init__(self, name: str, hub_input: str | None) -> None:
        self.name = name
        self.hub_input = hub_input
        self.received = 0
        """Messages that it has handed on."""
        self._targets: list[Node] = []

    def connect(self, target: Node) -> None:
        """Has messages passed on to a node."""
        self._targets.append(target)

    def receive(self, message: InputMessage, now: int) -> None:
        """Takes a message of its input.

        Args:
            message: A message whose `eventTime`, if any, is legal.
            now: Media time of a message that says none, in ticks.
        """
        self.received += 1
        timestamp = message.timestamp
        event = Event(now if timestamp is None else timestamp, message.body, message.application_properties)
        for target in self._targets:
            target.deliver_event(event)
