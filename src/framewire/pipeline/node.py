"""What every node of a running pipeline is."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from framewire.model.inference import Inference
from framewire.pipeline.latency import LatencyWindow
from framewire.pipeline.profile import Profile
from framewire.pipeline.sample import Event, MediaSample

if TYPE_CHECKING:
    import asyncio

    from framewire.pipeline.nodes.hub_message_sink import HubMessageSinkNode

Group = Literal["sources", "processors", "sinks"]

_TELL_AGAIN_S = 60.0
"""Between two events of a node about frames that it drops: they come in numbers, and are counted in any case."""

_D = TypeVar("_D")


@dataclass(slots=True, eq=False)
class Surroundings:
    """What a running pipeline gives its nodes.

    Args:
        pipeline: Its name, by which extensions know it.
        loop: Its event loop.
        tell: Publishes a diagnostics or operational event: kind, group, node, body. From any thread.
        note: Says a line to the operator. From any thread.
        complain: The same, of what went wrong. From any thread.
        profile: Where CPU time is counted; None when nobody asked.
        is_lossless: The source waits for the extensions: nothing is dropped because one is slow.
        room: Waits until those who take messages keep up; a source that waits heeds it.
    """

    pipeline: str
    loop: asyncio.AbstractEventLoop
    tell: Callable[[str, Group, str, dict[str, Any]], None]
    note: Callable[[str], None]
    complain: Callable[[str], None]
    profile: Profile | None = None
    is_lossless: bool = False
    room: Callable[[], Awaitable[None]] | None = None


@dataclass(slots=True, eq=False)
class Edge:
    """An input of a node that takes frames.

    Args:
        target: The node.
        has_inferences: Whether the input selects inferences beside the video.
    """

    target: Node
    has_inferences: bool


@dataclass(slots=True)
class NodeCounts:
    """What a node has done since the pipeline was activated.

    Args:
        received: Frames that reached it.
        inferred: Frames in which it found something.
        events: Events that reached it, beside the frames.
        dropped: Frames that it did not work on although it should have, by cause. Two threads write it: read a copy.
    """

    received: int = 0
    inferred: int = 0
    events: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


class Node(ABC):
    """A processor of a running pipeline.

    Frames come with :meth:`receive`, one at a time, on the thread of the node before: the source's, or behind an
    extension the event loop's. It passes them on with :meth:`emit`, and what it has found to message sinks with
    :meth:`publish`.

    Args:
        name: Its name in the topology.
        surroundings: What the pipeline gives it.
    """

    group: ClassVar[Group] = "processors"
    takes_frames: ClassVar[bool] = True
    """Whether it works on decoded frames; what takes encoded packets or messages alone does not."""

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.name = name
        self.counts = NodeCounts()
        self.latency = LatencyWindow()
        self.last_error: str | None = None
        """What went wrong last, in plain words; None for nothing."""
        self._surroundings = surroundings
        self._tell_of_drops_s = 0.0
        self._edges: list[Edge] = []
        self._sinks: list[HubMessageSinkNode] = []

    def connect(self, target: Node, *, has_inferences: bool) -> None:
        """Has frames passed on to another node."""
        self._edges.append(Edge(target, has_inferences))

    def connect_sink(self, sink: HubMessageSinkNode) -> None:
        """Has what is found here published."""
        self._sinks.append(sink)

    @property
    def is_publishing(self) -> bool:
        """Whether a message sink hears of what it finds."""
        return bool(self._sinks)

    @property
    def passes_frames(self) -> bool:
        """Whether another node gets its frames."""
        return bool(self._edges)

    @property
    def targets(self) -> list[Node]:
        """The nodes that get its frames."""
        return [edge.target for edge in self._edges]

    def deliver(self, sample: MediaSample) -> None:
        """A frame arrives."""
        self.counts.received += 1
        profile = self._surroundings.profile
        if profile is None:
            self.receive(sample)
        else:
            with profile.of(self.name):
                self.receive(sample)

    @abstractmethod
    def receive(self, sample: MediaSample) -> None:
        """Works on a frame and passes it on; never raises for what a frame or a peer does."""

    def deliver_event(self, event: Event) -> None:
        """An event arrives; on the event loop."""
        self.counts.events += 1
        self.receive_event(event)

    def receive_event(self, event: Event) -> None:  # noqa: B027 # most nodes have no use for one
        """Works on an event; never raises for what is in it."""

    async def open(self) -> None:  # noqa: B027 # many nodes have nothing to do here
        """Called on the loop before the first frame; does not wait for anybody far away."""

    async def finish(self) -> None:  # noqa: B027 # many nodes have nothing to do here
        """No more frames come: what is under way is finished and passed on. Cancelled when that takes too long."""

    async def close(self) -> None:  # noqa: B027 # many nodes have nothing to do here
        """Lets go of everything, at once."""

    def complain(self, error: object) -> None:
        """Tells the operator what went wrong, and keeps it to be asked for. From any thread."""
        self.last_error = str(error)
        self._surroundings.complain(f"{self.name}: {error}")

    def drop(self, cause: str) -> None:
        """Counts a frame that is not worked on although it should be, and says so now and then. From any thread."""
        self.counts.dropped[cause] += 1
        now_s = time.monotonic()
        if now_s >= self._tell_of_drops_s:
            self._tell_of_drops_s = now_s + _TELL_AGAIN_S
            self._surroundings.tell("Diagnostics.DataDropped", self.group, self.name, {"dataType": "video"})

    def emit(self, sample: MediaSample) -> None:
        """Passes a frame on."""
        now_s = time.monotonic()
        self.latency.add(now_s, now_s - sample.received_s)
        for edge in self._edges:
            edge.target.deliver(sample if edge.has_inferences else sample.without_inferences())

    def publish(self, timestamp: int, inferences: Sequence[Inference]) -> None:
        """Hands inferences to the message sinks; nothing inferred, nothing published."""
        if inferences:
            for sink in self._sinks:
                sink.publish_of(self.name, timestamp, inferences)
