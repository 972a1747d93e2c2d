"""Stored documents as they are answered: with defaults filled in, and without secrets."""

from __future__ import annotations

import json
from typing import Any

from framewire.runner.answers import Json
from framewire.runner.store import StoredPipeline, StoredTopology
from framewire.topology import answered_properties, hidden_logins, secret_parameters, without_login


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
    properties = answered_properties(member(given, "properties"))
    return _document(given, stored.name, stored.created, stored.modified, properties)


def is_as_shown(request: Json, shown: Json) -> bool:
    """Whether a document that is to be set is what was answered: nothing is to change, secrets included."""
    return _to_compare(request) == _to_compare(shown)


def secrets_left_out(request: Json, stored: StoredTopology | None) -> list[tuple[str, str]]:
    """What of a topology that is to be set came from an answer, where secrets are left out.

    Returns:
        A JSON pointer and what is wrong there, for each.
    """
    found = [
        (pointer, "the password is ***, as it is answered; give the password itself")
        for pointer in hidden_logins(request)
    ]
    before = {} if stored is None else _defaults(json.loads(stored.document))
    for index, one in enumerate(_declared(request)):
        name = str(member(one, "name"))
        if member(one, "default") is None and name in before and name in secrets_of(stored):
            message = (
                f"the default of {name} is not answered, as it is secret, and would be lost; give it again, "
                "or delete the topology first"
            )
            found.append((f"/properties/parameters/{index}/default", message))
    return found


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
        value = member(parameter, "value")
        if member(parameter, "name") in secrets:
            _drop(parameter, "value")
        elif isinstance(value, str):
            _drop(parameter, "value")
            parameter["value"] = without_login(value)
    _drop(properties, "state")
    return _document(given, stored.name, stored.created, stored.modified, {**properties, "state": state})


def secrets_of(topology: StoredTopology | None) -> frozenset[str]:
    """Names of a topology's secret parameters."""
    return frozenset() if topology is None else secret_parameters(member(json.loads(topology.document), "properties"))


def _declared(document: Json) -> list[Any]:
    return list(member(member(document, "properties"), "parameters") or ())


def _defaults(document: Json) -> dict[str, Any]:
    return {
        str(member(one, "name")): member(one, "default")
        for one in _declared(document)
        if member(one, "default") is not None
    }


def _to_compare(document: Json) -> Json:
    """A document without what the store adds to it."""
    compared = {key: value for key, value in document.items() if key.lower() != "systemdata"}
    if isinstance(properties := compared.get("properties"), dict):
        compared["properties"] = {key: value for key, value in properties.items() if key.lower() != "state"}
    return compared


def _document(given: Json, name: str, created: str, modified: str, properties: Json) -> Json:
    return {
        "@apiVersion": member(given, "@apiVersion") or "1.1",
        "name": name,
        "systemData": {"createdAt": created, "lastModifiedAt": modified},
        "properties": properties,
    }


def _drop(document: Json, name: str) -> None:
    for key in [key for key in document if key.lower() == name]:
        del document[key]
