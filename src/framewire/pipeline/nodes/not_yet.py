"""Nodes that are known and checked, and that pass nothing on yet."""

from __future__ import annotations

from typing import ClassVar

from framewire.pipeline.node import Node, Surroundings
from framewire.pipeline.sample import MediaSample
from framewire.topology.nodes import FedNode


class UnusedFramesNode(Node):
    """Counts the frames that reach it: the tracker and line crossing."""

    def __init__(self, definition: FedNode, surroundings: Surroundings) -> None:
        super().__init__(definition.name, surroundings)

    def receive(self, sample: MediaSample) -> None:
        """They end here."""


class UnusedPacketsNode(UnusedFramesNode):
    """Stands for what takes encoded media, which nothing gives yet: the signal gate."""

    takes_frames: ClassVar[bool] = False
