"""Stored documents as they are answered: with defaults filled in, and without secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from framewire.runner.answers import Json
from framewire.runner.store import StoredPipeline, StoredTopology
from framewire.topology.problems import is_secret_name

_SECRET_MEMBERS = frozenset({"password", "headervalue", "key"})
"""Of credentials; one that is a parameter shows its name and nothing else."""

_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "rtspsource": {"transport": "tcp"},
    "motiondetectionprocessor": {
        "sensitivity": "medium",
        "outputMotionRegion": "true",
        "eventAggregationWindow": "PT1S",
    },
    "objecttrackingprocessor": {"accuracy": "medium"},
}
"""Of nodes, where the document says nothing."""


def member(document: Any, name: str) -> Any:
    """A member whatever its case; None when it is not there, or the document is no object."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key.lower() == name.lower():
                return value
    return None


def shown_topology(stored: StoredTopology) -> Json:
    """A topology as it is answered."""
    given = json.loads(stored.document)
    properties = _without_secrets(dict(member(given, "properties")))
    for group in ("sources", "processors", "sinks"):
        if member(properties, group) is None:
            properties[group] = []
        for node in member(properties, group):
            _fill(node)
    for parameter in member(properties, "parameters") or ():
        if _is_secret(parameter):
            _drop(parameter, "default")
    return _document(given, stored.name, stored.created, stored.modified, properties)


def shown_pipeline(stored: StoredPipeline, state: str, secrets: frozenset[str]) -> Json:
    """A live pipeline as it is answered.

    Args:
        stored: The pipeline.
        state: Where it is in its life.
        secrets: Names of the parameters whose values are not shown.
    """
    given = json.loads(stored.document)
    properties = dict(member(given, "properties"))
    for parameter in member(properties, "parameters") or ():
        if member(parameter, "name") in secrets:
            _drop(parameter, "value")
    _drop(properties, "state")
    return _document(given, stored.name, stored.created, stored.modified, {**properties, "state": state})


def secrets_of(topology: StoredTopology | None) -> frozenset[str]:
    """Names of a topology's secret parameters: by their type, and by their names, as published files declare
    passwords as plain texts."""
    if topology is None:
        return frozenset()
    parameters = member(member(json.loads(topology.document), "properties"), "parameters")
    return frozenset(str(member(one, "name")) for one in parameters or () if _is_secret(one))


def _is_secret(parameter: Json) -> bool:
    return str(member(parameter, "type")).lower() == "secretstring" or is_secret_name(str(member(parameter, "name")))


def _document(given: Json, name: str, created: str, modified: str, properties: Json) -> Json:
    return {
        "@apiVersion": member(given, "@apiVersion") or "1.1",
        "name": name,
        "systemData": {"createdAt": created, "lastModifiedAt": modified},
        "properties": properties,
    }


def _fill(node: Json) -> None:
    kind = str(member(node, "@type")).rpartition(".")[2].lstrip("#").lower()
    for name, value in _DEFAULTS.get(kind, {}).items():
        if member(node, name) is None:
            node[name] = value


def _drop(document: Json, name: str) -> None:
    for key in [key for key in document if key.lower() == name]:
        del document[key]


def _without_secrets(value: Any) -> Any:
    """The value without what credentials hold, but for parameters."""
    if isinstance(value, list):
        return [_without_secrets(one) for one in value]
    if not isinstance(value, dict):
        return value
    is_credentials = str(member(value, "@type")).lower().endswith("credentials")
    return {
        key: _without_secrets(one)
        for key, one in value.items()
        if not (is_credentials and key.lower() in _SECRET_MEMBERS and not str(one).startswith("${"))
    }
