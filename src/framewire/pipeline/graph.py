"""The nodes of a pipeline, made of a topology and connected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from framewire.hub import Envelope, HubMessage
from framewire.pipeline.node import Node, Surroundings
from framewire.pipeline.nodes import PROCESSORS
from framewire.pipeline.nodes.hub_message_sink import HubMessageSinkNode
from framewire.pipeline.nodes.hub_message_source import HubMessageSourceNode
from framewire.pipeline.nodes.rtsp_source import make_source
from framewire.pipeline.nodes.source import SourceNode
from framewire.topology import Topology
from framewire.topology.nodes import IotHubMessageSink, IotHubMessageSource, RtspSource


@dataclass(slots=True, eq=False)
class Graph:
    """The running nodes.

    Args:
        source: Where the frames come from.
        processors: In an order in which each stands behind those that feed it.
        sinks: Those that publish.
        message_sources: Where messages from outside come in.
    """

    source: SourceNode
    processors: list[Node] = field(default_factory=list)
    sinks: list[HubMessageSinkNode] = field(default_factory=list)
    message_sources: list[HubMessageSourceNode] = field(default_factory=list)

    @classmethod
    def build(
        cls,
        topology: Topology,
        surroundings: Surroundings,
        envelope: Envelope,
        publish: Callable[[HubMessage], None],
        *,
        is_loop: bool,
    ) -> Self:
        """Makes the nodes of a topology without errors, and connects them.

        Raises:
            ConfigurationError: A node cannot work as it is told to.
        """
        definition = next(source for source in topology.sources if isinstance(source, RtspSource))
        source = make_source(definition, surroundings, is_loop=is_loop)
        made: dict[str, Node] = {source.name: source}
        graph = cls(source)
        triggers = {
            one.name: HubMessageSourceNode(one.name, one.hub_input_name)
            for one in topology.sources
            if isinstance(one, IotHubMessageSource)
        }
        graph.message_sources = list(triggers.values())
        for processor in topology.processors:
            made[processor.name] = PROCESSORS[type(processor)](processor, surroundings)
        for processor in topology.processors:
            target = made[processor.name]
            for node_input in processor.inputs:
                giver = made.get(node_input.node_name)
                if giver is None:  # a message source, which gives no frames
                    if node_input.takes("application"):
                        triggers[node_input.node_name].connect(target)
                elif target.takes_frames and node_input.takes("video"):
                    giver.connect(target, has_inferences=node_input.takes("application"))
        for sink in topology.sinks:
            if not isinstance(sink, IotHubMessageSink):
                continue  # file and video sinks write nothing yet
            node = HubMessageSinkNode(sink.name, sink.hub_output_name, envelope, publish)
            graph.sinks.append(node)
            for node_input in sink.inputs:
                giver = made.get(node_input.node_name)
                if giver is not None and node_input.takes("application"):
                    giver.connect_sink(node)
        graph.processors = _in_order(source, list(made.values()))
        return graph


def _in_order(source: Node, nodes: Sequence[Node]) -> list[Node]:
    """The nodes behind the source, each behind those that feed it; a topology without errors has no cycle."""
    ordered: list[Node] = []
    seen: set[Node] = {source}

    def visit(node: Node) -> None:
        for target in node.targets:
            if target not in seen:
                seen.add(target)
                visit(target)
        ordered.append(node)

    visit(source)
    ordered.reverse()
    return [*ordered[1:], *(node for node in nodes if node not in seen)]
