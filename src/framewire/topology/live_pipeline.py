"""Live pipeline documents: which topology runs, with which values (topologies, section 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from framewire.topology.binding import Binder, Bound
from framewire.topology.documents import LivePipelineDocument
from framewire.topology.json_text import read_json
from framewire.topology.loading import check_version
from framewire.topology.parts import Part
from framewire.topology.problems import Findings, Problem
from framewire.topology.scalars import Leaf, name, text

_ANYTHING = Leaf(lambda value: value, is_any=True)


@dataclass(frozen=True, slots=True)
class LoadedLivePipeline:
    """What came of a live pipeline document.

    Args:
        live_pipeline: The live pipeline; None when there is an error.
        problems: All that was found, by line and column.
    """

    live_pipeline: LivePipelineDocument | None
    problems: tuple[Problem, ...]


class _Value(Part):
    name: Annotated[str, text(least=1, most=64, is_line=True)]
    # Which of them are secrets is for the topology to say.
    value: Annotated[str, Leaf(text().read, is_secret=True)]


class _Properties(Part):
    topology_name: Annotated[str, name()]
    description: Annotated[str, text()] = ""
    parameters: tuple[_Value, ...] = ()
    state: Annotated[Any, _ANYTHING] = None


class _Document(Part):
    api_version: Annotated[str, text()] = Field(default="1.1", validation_alias="@apiVersion")
    name: Annotated[str, name()]
    system_data: Annotated[Any, _ANYTHING] = None
    properties: _Properties


def load_live_pipeline(text: str) -> LoadedLivePipeline:
    """Reads a live pipeline document. Whether its topology knows the parameters is not looked at."""
    findings = Findings()
    root = read_json(text, findings)
    if root is None:
        return LoadedLivePipeline(None, findings.all())
    document = Binder(findings).bind(root, _Document)
    check_version(document, findings)
    properties = document.part("properties")
    parameters = _values(properties, findings) if properties else {}
    if properties is None or document.model is None or findings.errors:
        return LoadedLivePipeline(None, findings.all())
    pipeline = LivePipelineDocument(
        name=document.value("name"),
        topology_name=properties.value("topology_name"),
        description=properties.value("description") or "",
        parameters=parameters,
    )
    return LoadedLivePipeline(pipeline, findings.all())


def _values(properties: Bound, findings: Findings) -> dict[str, str]:
    values: dict[str, str] = {}
    for item in properties.parts("parameters"):
        given = item.value("name")
        if given in values:
            findings.error(item.place("name"), "this parameter is set twice", allowed="each name once")
        elif isinstance(given, str):
            values[given] = str(item.value("value") or "")
    return values
