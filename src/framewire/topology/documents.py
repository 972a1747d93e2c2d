"""A topology as a whole, and the documents that it comes in (topologies, section 1)."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from framewire.topology.nodes import Processor, Sink, Source
from framewire.topology.parts import Part
from framewire.topology.scalars import Leaf, choice, name, text

ParameterType = Literal["string", "secretString", "int", "double", "bool"]

_SCALAR = {"type": ["string", "number", "boolean"]}


class ParameterDeclaration(Part):
    """A parameter as a topology declares it. The default of a secret one is a `SecretStr`."""

    name: Annotated[str, text(least=1, most=64, is_line=True)]
    type: Annotated[ParameterType, choice("string", "secretString", "int", "double", "bool")]
    description: Annotated[str, text()] = ""
    default: Annotated[str | SecretStr | None, Leaf(text().read, _SCALAR)] = None


class TopologyProperties(Part):
    """What a topology holds."""

    description: Annotated[str, text()] = ""
    parameters: tuple[ParameterDeclaration, ...] = ()
    sources: tuple[Source, ...]
    processors: tuple[Processor, ...] = ()
    sinks: tuple[Sink, ...] = ()


class TopologyDocument(Part):
    """A topology as it lies in a file; the JSON Schema is made of this."""

    api_version: Annotated[str, text()] = Field(
        default="1.1", validation_alias="@apiVersion", serialization_alias="@apiVersion"
    )
    name: Annotated[str, name()]
    system_data: Annotated[Any, Leaf(lambda value: value, is_any=True)] = None
    properties: TopologyProperties


class Topology(Part):
    """A topology that can run: every parameter put in, every value checked.

    Args:
        name: Of the topology.
        description: Of the topology.
        parameters: As declared.
        sources: In the order of the document, as the two that follow.
        processors: They see inferences and media.
        sinks: They give something out.
        pipeline_name: Of the live pipeline that runs it.
    """

    name: str
    description: str
    parameters: tuple[ParameterDeclaration, ...]
    sources: tuple[Source, ...]
    processors: tuple[Processor, ...]
    sinks: tuple[Sink, ...]
    pipeline_name: str

    @cached_property
    def nodes(self) -> dict[str, Source | Processor | Sink]:
        """All nodes by their names: sources, processors, sinks, each in the order of the document."""
        return {node.name: node for node in (*self.sources, *self.processors, *self.sinks)}


class LivePipelineDocument(Part):
    """A live pipeline: a topology's name, and values for its parameters.

    Args:
        name: Of the pipeline.
        topology_name: What it runs.
        description: For people.
        parameters: Values by name, as texts. Any of them may be a secret: only the topology says which.
    """

    name: str
    topology_name: str
    description: str = ""
    parameters: dict[str, str] = Field(default_factory=dict)
