"""Messages to the hub."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from framewire.hub import Envelope, HubMessage
from framewire.model.inference import Inference


class HubMessageSinkNode:
    """Makes messages of what processors have found.

    Args:
        name: Its name in the topology.
        hub_output: Where the messages go.
        envelope: Makes them.
        publish: Takes them; from any thread.
    """

    def __init__(self, name: str, hub_output: str, envelope: Envelope, publish: Callable[[HubMessage], None]) -> None:
        self.name = name
        self._hub_output = hub_output
        self._envelope = envelope
        self._publish = publish
        self.published = 0

    def publish_of(self, node: str, timestamp: int, inferences: Sequence[Inference]) -> None:
        """What one node found in the frame of one media time (ticks)."""
        self.published += 1
        self._publish(self._envelope.inference(node, self._hub_output, timestamp, inferences))
