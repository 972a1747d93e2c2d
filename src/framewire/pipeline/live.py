"""One pipeline at work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import Enum
from typing import Any

import cv2

from framewire.hub import Envelope, HubMessage, InputMessage
from framewire.pipeline.graph import Graph
from framewire.pipeline.node import Group, Surroundings
from framewire.pipeline.profile import Profile
from framewire.pipeline.sampling import TICKS_PER_S
from framewire.topology import Topology

REST = "the rest"
"""In a profile: the event loop with its sessions and messages, threads of libraries, loading them."""

_END_S = 30.0
"""How long each node may wait for its last answers when a source has ended that does not wait for them."""

_STOP_S = 5.0
"""How long all may when the pipeline is told to end: whoever stops a container kills it after ten seconds."""

_LEAST_S = 1.0
"""What is left of that for a node behind one that took all of it."""


class PipelineState(Enum):
    """Life cycle (topologies, section 7)."""

    INACTIVE = "inactive"
    ACTIVATING = "activating"
    ACTIVE = "active"
    DEACTIVATING = "deactivating"


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """How a pipeline runs, beside what its topology says.

    Args:
        module: Stands for the edge module in the subjects of messages.
        is_loop: A file starts over at its end.
        is_lossless: A file is read as fast as the extensions answer, and nothing is dropped.
        is_profiled: CPU time is counted node by node.
    """

    module: str = "avaedge"
    is_loop: bool = False
    is_lossless: bool = False
    is_profiled: bool = False


class LivePipeline:
    """Runs a topology once, from activation to deactivation, on the running event loop.

    Args:
        topology: Without errors, its parameters set.
        options: How it runs.
        publish: Takes the messages; called on the loop.
        note: Takes lines for the operator; called on the loop.
        room: Waits until those who take the messages keep up; None when they always do.
    """

    def __init__(
        self,
        topology: Topology,
        options: PipelineOptions,
        publish: Callable[[HubMessage], None],
        note: Callable[[str], None],
        room: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._publish = publish
        self._note = note
        self._is_lossless = options.is_lossless
        self.topology_name = topology.name
        self.name = topology.pipeline_name
        self._envelope = Envelope(options.module, topology.pipeline_name)
        self.profile = Profile() if options.is_profiled else None
        self.state = PipelineState.INACTIVE
        self.messages = 0
        """How many were published, events too."""
        self.last_error: str | None = None
        """What went wrong last in any of its nodes, in plain words; None for nothing."""
        surroundings = Surroundings(
            topology.pipeline_name,
            self._loop,
            self._tell,
            self._say,
            self._complain,
            self.profile,
            options.is_lossless,
            room,
        )
        self.graph = Graph.build(topology, surroundings, self._envelope, self._hand_over, is_loop=options.is_loop)

    async def run(self, stop: asyncio.Event) -> None:
        """Activates, runs until the source ends or `stop` is set, and deactivates.

        Raises:
            FramewireError: The source cannot be read at all.
        """
        source = self.graph.source
        begun_cpu_s = time.process_time()
        # One of OpenCV's own threads was seen to take a twentieth of the process's CPU time, most of it in the kernel:
        # it yields and waits for the next small picture. It is for the whole process, which is a pipeline's.
        cv2.setNumThreads(1)
        self._change(PipelineState.ACTIVATING)
        try:
            async with AsyncExitStack() as closing:  # each, whatever another one raises; the source first
                for node in reversed(self.graph.processors):
                    closing.push_async_callback(node.close)
                closing.push_async_callback(source.close)
                for node in self.graph.processors:
                    await node.open()
                self._change(PipelineState.ACTIVE)  # first: the source tells of its session from a thread of its own
                await source.open()
                ended, stopped = (asyncio.ensure_future(event.wait()) for event in (source.ended, stop))
                closing.callback(ended.cancel)
                closing.callback(stopped.cancel)
                await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
                self._change(PipelineState.DEACTIVATING)
                await source.finish()
                await self._finish(stopped)
        finally:
            self._change(PipelineState.INACTIVE)
            await asyncio.sleep(0)  # what other threads have handed over comes first
        if self.profile is not None:
            if source.capture is not None:
                read = source.capture.statistics()
                self.profile.add(f"{source.name}: decoding", read.read_cpu_s, read.frames)  # in a thread of its own
            self.profile.add_rest(REST, time.process_time() - begun_cpu_s)
        if source.error is not None:
            raise source.error

    async def _finish(self, stopped: asyncio.Future[Any]) -> None:
        """Has each node end what is under way; from the source on: what one passes on finds the next one open."""
        deadline_s: float | None = None
        failure: BaseException | None = None
        for node in self.graph.processors:
            finishing = asyncio.ensure_future(node.finish())
            try:
                # A source that waits for the extensions waits for the last answers, too.
                patience_s = None if self._is_lossless else _END_S
                await asyncio.wait({finishing, stopped}, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
                if stopped.done() and not finishing.done():
                    deadline_s = deadline_s or time.monotonic() + _STOP_S
                    await asyncio.wait({finishing}, timeout=max(_LEAST_S, deadline_s - time.monotonic()))
            finally:
                if not finishing.done():
                    finishing.cancel()
                    await asyncio.wait({finishing})
            if not finishing.cancelled():
                failure = failure or finishing.exception()
            await node.close()
        if failure is not None:
            raise failure

    @property
    def hub_inputs(self) -> frozenset[str]:
        """Names of the inputs whose messages it takes."""
        return frozenset(one.hub_input for one in self.graph.message_sources if one.hub_input is not None)

    def receive(self, message: InputMessage) -> bool:
        """Takes a message from outside; whether it has its input, and is active."""
        if self.state is not PipelineState.ACTIVE:
            return False
        takers = [one for one in self.graph.message_sources if one.hub_input == message.hub_input]
        for taker in takers:
            taker.receive(message, _now())
        return bool(takers)

    def _change(self, state: PipelineState) -> None:
        before, self.state = self.state, state
        if before is not state:
            body = {"previousState": before.value, "state": state.value}
            self._hand_over(self._envelope.event("Operational.PipelineStateChanged", "", "", body, _now()))

    def _tell(self, kind: str, group: Group, node: str, body: dict[str, Any]) -> None:
        self._hand_over(self._envelope.event(kind, group, node, body, _now()))

    def _hand_over(self, message: HubMessage) -> None:
        self._loop.call_soon_threadsafe(self._count, message)

    def _count(self, message: HubMessage) -> None:
        self.messages += 1
        self._publish(message)

    def _complain(self, line: str) -> None:
        self.last_error = line
        self._say(line)

    def _say(self, line: str) -> None:
        self._loop.call_soon_threadsafe(self._note, line)


def _now() -> int:
    return int(time.time() * TICKS_PER_S)
