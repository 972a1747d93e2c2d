"""One file for each kind of node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from framewire.pipeline.node import Node, Surroundings
from framewire.pipeline.nodes.grpc_extension import GrpcExtensionNode
from framewire.pipeline.nodes.motion_detection import MotionDetectionNode
from framewire.pipeline.nodes.not_yet import UnusedFramesNode, UnusedPacketsNode
from framewire.topology import nodes as definitions


def _http_extension(definition: definitions.HttpExtension, surroundings: Surroundings) -> Node:
    # Only those who use one need its library.
    from framewire.pipeline.nodes.http_extension import HttpExtensionNode

    return HttpExtensionNode(definition, surroundings)


PROCESSORS: Mapping[type, Callable[[Any, Surroundings], Node]] = {
    definitions.MotionDetectionProcessor: MotionDetectionNode,
    definitions.GrpcExtension: GrpcExtensionNode,
    definitions.HttpExtension: _http_extension,
    definitions.ObjectTrackingProcessor: UnusedFramesNode,
    definitions.LineCrossingProcessor: UnusedFramesNode,
    definitions.SignalGateProcessor: UnusedPacketsNode,
}
"""What runs a processor of a topology. One line per kind."""
