"""Makes messages of what a pipeline has to say (topologies, section 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from framewire.hub.message import INFERENCE_EVENT, HubMessage
from framewire.model.inference import Inference
from framewire.model.publish import to_document

Group = Literal["sources", "processors", "sinks", ""]

_TICKS_PER_MS = 90
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PREFIX = "Microsoft.VideoAnalyzer."
_LAST_MS = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_FIRST_MS = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


class Envelope:
    """Writes who says what, and when, onto messages.

    Args:
        module: Stands for the edge module in subjects.
        pipeline: Name of the live pipeline.
        topic: The property `topic`. The edge module named its cloud account there; without one, it is ours to choose.
    """

    def __init__(self, module: str, pipeline: str, topic: str = "/framewire") -> None:
        self._subject = f"/edgeModules/{module}/livePipelines/{pipeline}"
        self._topic = topic

    def inference(self, node: str, hub_output: str, timestamp: int, inferences: Sequence[Inference]) -> HubMessage:
        """What a processor has found in one frame.

        Args:
            node: The processor, not the sink that the message leaves by.
            hub_output: Name of the output that it leaves by.
            timestamp: Media time of the frame in ticks: 90,000 a second since 1970.
            inferences: What was found.
        """
        properties = self._properties(INFERENCE_EVENT, "processors", node, timestamp)
        return HubMessage(to_document(timestamp, inferences), properties, hub_output)

    def event(self, kind: str, group: Group, node: str, body: Mapping[str, Any], timestamp: int) -> HubMessage:
        """A diagnostics or operational event.

        Args:
            kind: Its type without the common beginning, for example `Diagnostics.NetworkError`.
            group: What kind of node it is about; empty when it is about the whole pipeline.
            node: The node's name; empty with an empty group.
            body: What there is to say, as a JSON object.
            timestamp: When, in ticks: 90,000 a second since 1970.
        """
        return HubMessage(body, self._properties(_PREFIX + kind, group, node, timestamp))

    def _properties(self, event_type: str, group: Group, node: str, timestamp: int) -> dict[str, str]:
        return {
            "topic": self._topic,
            "subject": f"{self._subject}/{group}/{node}" if group else self._subject,
            "eventType": event_type,
            "eventTime": event_time(timestamp),
            "dataVersion": "1.0",
        }


def event_time(timestamp: int) -> str:
    """A media time as ISO 8601, UTC, in milliseconds, for example `2026-11-23T01:02:03.040Z`.

    Args:
        timestamp: Ticks since 1970, 90,000 a second. Cameras with a broken clock send any 64 bits: what lies outside
            the years 1 to 9999 becomes the nearest time inside.
    """
    milliseconds = min(max(timestamp // _TICKS_PER_MS, _FIRST_MS), _LAST_MS)
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
