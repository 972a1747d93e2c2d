"""From the text of a topology to one that can run, or to all that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, SecretStr

from framewire.topology.binding import Binder, Bound
from framewire.topology.documents import ParameterDeclaration, Topology
from framewire.topology.json_text import read_json
from framewire.topology.json_value import Json
from framewire.topology.node_rules import check_node
from framewire.topology.nodes import PROCESSORS, SINKS, SOURCES, FedNode, Node, RtspSource
from framewire.topology.parameters import Parameter, Scope, check_value
from framewire.topology.parts import Part
from framewire.topology.placement import check_placement
from framewire.topology.problems import Findings, Problem, is_secret_name, listed, printable, quoted
from framewire.topology.reachability import check_publishing, check_reachability
from framewire.topology.scalars import Leaf, WrongValueError, name, read_name, text
from framewire.topology.wiring import MAX_NODES, Wired, check_flow, settled_inputs, wire

_MAX_PARAMETERS = 1000
_VERSIONS = ("1.0", "1.1")
_ANYTHING = Leaf(lambda value: value, is_any=True)
_GROUPS: tuple[tuple[str, tuple[type[Node], ...]], ...] = (
    ("sources", SOURCES),
    ("processors", PROCESSORS),
    ("sinks", SINKS),
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of a topology document.

    Args:
        topology: The topology; None when there is an error, or a parameter without a value.
        problems: All that was found, by line and column.
    """

    topology: Topology | None
    problems: tuple[Problem, ...]


class _Document(Part):
    """The outermost object; its parts are bound one after the other, as parameters come before what uses them."""

    api_version: Annotated[str, text()] = Field(default="1.1", validation_alias="@apiVersion")
    name: Annotated[str, name()]
    system_data: Annotated[Any, _ANYTHING] = None
    json_schema: Annotated[Any, _ANYTHING] = Field(default=None, validation_alias="$schema")
    properties: Annotated[Any, _ANYTHING]


class _Properties(Part):
    description: Annotated[str, text()] = ""
    parameters: tuple[ParameterDeclaration, ...] = ()
    sources: Annotated[Any, _ANYTHING]
    processors: Annotated[Any, _ANYTHING] = None
    sinks: Annotated[Any, _ANYTHING] = None


def load_topology(
    text: str,
    settings: Mapping[str, str] = MappingProxyType({}),
    *,
    pipeline_name: str | None = None,
    may_be_unset: bool = False,
) -> Loaded:
    """Reads a topology, puts its parameters in and checks all of it. Nothing is opened.

    Args:
        text: The document.
        settings: Values of parameters by name.
        pipeline_name: Of the live pipeline; the topology's name when None.
        may_be_unset: A parameter without a value is a note and not an error. What depends on it is not checked then,
            and there is no topology.
    """
    findings = Findings()
    topology = None
    root = read_json(text, findings)
    if root is not None:
        topology = _Loader(root, settings, pipeline_name, may_be_unset, findings).load()
    return Loaded(None if findings.errors else topology, findings.all())


class _Loader:
    def __init__(
        self,
        root: Json,
        settings: Mapping[str, str],
        pipeline_name: str | None,
        may_be_unset: bool,
        findings: Findings,
    ) -> None:
        self._root = root
        self._settings = settings
        self._pipeline_name = pipeline_name
        self._may_be_unset = may_be_unset
        self._findings = findings
        self._plain = Binder(findings)

    def load(self) -> Topology | None:
        document = self._plain.bind(self._root, _Document)
        check_version(document, self._findings)
        given = document.members.get("properties")
        if given is None:
            return None
        _hide_secrets(given)
        properties = self._plain.bind(given, _Properties)
        name = str(document.value("name") or "")
        pipeline_name = self._check_pipeline_name(name)
        scope = self._scope(properties, name, pipeline_name)
        groups = self._nodes(properties, Binder(self._findings, scope))
        nodes = [node for members in groups.values() for node in members]
        wired = self._check(properties, nodes)
        self._tell_unset(scope)
        if self._findings.errors or scope.unset or not properties.model or not all(node.model for node in nodes):
            return None
        return Topology(
            name=name,
            description=properties.model.description,
            parameters=tuple(_guarded(declared) for declared in properties.model.parameters),
            pipeline_name=pipeline_name,
            **{
                group: tuple(_settled(wired[node.model.name.lower()]) for node in members)
                for group, members in groups.items()
            },
        )

    def _check_pipeline_name(self, topology_name: str) -> str:
        if self._pipeline_name is None:
            return topology_name
        try:
            return read_name(self._pipeline_name)
        except WrongValueError as wrong:
            message = f"the live pipeline's name {quoted(self._pipeline_name)} is {wrong.message}"
            self._findings.error(self._root, message, allowed=wrong.allowed, is_value_shown=False)
            return topology_name

    def _scope(self, properties: Bound, name: str, pipeline_name: str) -> Scope:
        declared = properties.parts("parameters")
        if len(declared) > _MAX_PARAMETERS:
            place = properties.place("parameters")
            message = f"{len(declared)} parameters"
            self._findings.error(place, message, allowed=f"up to {_MAX_PARAMETERS}", is_value_shown=False)
            declared = declared[:_MAX_PARAMETERS]
        parameters: dict[str, Parameter] = {}
        by_lower: dict[str, str] = {}
        for item in declared:
            parameter = self._parameter(item)
            if parameter is None:
                continue
            if parameter.name.lower() in by_lower:
                self._findings.error(item.place("name"), "this parameter is declared twice", allowed="each name once")
                continue
            by_lower[parameter.name.lower()] = parameter.name
            parameters[parameter.name] = parameter
        for given in self._settings:
            # A declaration that is wrong in itself has its name all the same.
            if given not in parameters and given not in {str(item.value("name")) for item in declared}:
                self._findings.error(
                    properties.place("parameters"),
                    f"the parameter {printable(given)} is set, and not declared",
                    allowed=listed(parameters) or "none: no parameter is declared",
                    meant=given,
                    names=parameters,
                    is_value_shown=False,
                )
        system = {"System.TopologyName": name, "System.PipelineName": pipeline_name}
        return Scope(parameters.values(), system, self._findings)

    def _parameter(self, item: Bound) -> Parameter | None:
        name, kind = item.value("name"), item.value("type")
        place, default = item.place("name"), item.members.get("default")
        if not isinstance(name, str):
            return None
        if kind is None:
            return Parameter(name, "string", None, item.json, is_wrong=True)
        if not name.isprintable() or set(name) & set("${}"):
            self._findings.error(place, "no name of a parameter", allowed="letters, digits and dashes")
            return None
        if name.lower().startswith("system."):
            self._findings.error(place, "a name of system variables", allowed="a name without 'System.'")
            return None
        value = self._settings.get(name, item.value("default"))
        is_setting = name in self._settings
        if value is None:
            # A default that is no text has been told.
            return Parameter(name, kind, None, item.json, is_wrong=default is not None)
        try:
            check_value(kind, value)
        except WrongValueError as wrong:
            if is_setting:
                shown = "***" if kind == "secretString" or is_secret_name(name) else quoted(value)
                message = f"the parameter {printable(name)} is set to {shown}: {wrong.message}"
                self._findings.error(item.json, message, allowed=wrong.allowed, is_value_shown=False)
            elif default is not None:
                self._findings.error(default, wrong.message, allowed=wrong.allowed)
            return Parameter(name, kind, None, item.json, is_wrong=True)
        return Parameter(name, kind, value, item.json)

    def _nodes(self, properties: Bound, binder: Binder) -> dict[str, list[Bound]]:
        groups: dict[str, list[Bound]] = {}
        count = 0
        for group, kinds in _GROUPS:
            groups[group] = []
            place = properties.members.get(group)
            if place is None:
                continue
            if place.kind != "array":
                self._findings.error(place, "no list", allowed="[..]")
                continue
            others = [kind for _, every in _GROUPS for kind in every if kind not in kinds]
            for item in place.items():
                count += 1
                if count > MAX_NODES:
                    self._findings.error(item, "too many nodes", allowed=f"up to {MAX_NODES}", is_value_shown=False)
                    return groups
                groups[group].append(binder.bind_typed(item, kinds, others=others, fallback=FedNode))
        return groups

    def _check(self, properties: Bound, nodes: list[Bound]) -> dict[str, Wired]:
        for node in nodes:
            if node.is_known:
                check_node(node, self._findings)
        errors = self._findings.errors
        self._check_sources(properties, nodes)
        is_complete = all("name" in node.members for node in nodes) and all(
            group not in properties.members or properties.members[group].kind == "array" for group, _ in _GROUPS
        )
        is_complete &= "sources" in properties.members
        wired = wire(nodes, self._findings, is_complete=is_complete)
        check_flow(wired, self._findings)
        check_placement(wired, self._findings)
        check_reachability(wired, self._findings, is_complete=is_complete)
        if is_complete and errors == self._findings.errors:
            check_publishing(wired, properties.place("sinks"), self._findings)
        return wired

    def _check_sources(self, properties: Bound, nodes: list[Bound]) -> None:
        cameras = [node for node in nodes if node.kind is RtspSource and node.is_known]
        for extra in cameras[1:]:
            first = cameras[0].json.line
            self._findings.error(
                extra.json,
                f"a second RtspSource; the first is in line {first}",
                allowed="exactly one",
                is_value_shown=False,
            )
        sources = properties.members.get("sources")
        is_readable = sources is not None and sources.kind == "array" and all(node.is_known for node in nodes)
        if sources is not None and is_readable and not cameras:
            self._findings.error(sources, "no RtspSource", allowed="exactly one", is_value_shown=False)

    def _tell_unset(self, scope: Scope) -> None:
        for parameter in scope.unset.values():
            self._findings.add(
                "note" if self._may_be_unset else "error",
                parameter.place,
                f"the parameter {printable(parameter.name)} has no value"
                + (", so what depends on it is not checked" if self._may_be_unset else ""),
                allowed="" if self._may_be_unset else f"--set {printable(parameter.name)}=VALUE, or a default",
                is_value_shown=False,
            )


def _hide_secrets(properties: Json) -> None:
    """Marks defaults that are not to be shown, before anything is said of them. A type that is unknown may be one."""
    declared = properties.member("parameters")
    for item in declared.items() if declared is not None else ():
        name, kind, default = (item.member(member) for member in ("name", "type", "default"))
        is_plain = kind is not None and str(kind.content).strip().lower() in ("string", "int", "double", "bool")
        if default is not None and (not is_plain or (name is not None and is_secret_name(str(name.content)))):
            default.is_secret = True


def check_version(document: Bound, findings: Findings) -> None:
    """Notes a version of the format that is not known."""
    version = document.value("api_version")
    if version is not None and version not in _VERSIONS:
        findings.warning(document.place("api_version"), "unknown version; read as 1.1", allowed=", ".join(_VERSIONS))


def _settled(one: Wired) -> Any:
    """The model of a node, its inputs as they are connected."""
    model: Node = one.node.model
    return model.model_copy(update={"inputs": settled_inputs(one)}) if isinstance(model, FedNode) else model


def _guarded(declared: ParameterDeclaration) -> ParameterDeclaration:
    """The declaration with a secret default hidden."""
    if declared.type != "secretString" or declared.default is None:
        return declared
    return declared.model_copy(update={"default": SecretStr(str(declared.default))})
