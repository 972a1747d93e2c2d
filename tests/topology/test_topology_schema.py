"""The JSON Schema of topologies."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from topology_texts import PUBLISHED, RECORDER, STREET

from framewire.topology import topology_schema


def complaints(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "") -> list[str]:
    """What a validator would say, of the keywords that the schema uses."""
    if "$ref" in schema:
        return complaints(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, at)
    if "anyOf" in schema:
        tried = [complaints(value, one, root, at) for one in schema["anyOf"]]
        # Of the kinds of a node, that of its type is meant.
        meant = [found for found in tried if not any(line.startswith(f"{at}/@type") for line in found)]
        return min(meant or tried, key=len) if all(tried) else []
    known = {"type", "properties", "required", "items", "pattern", "enum", "default", "title", "description", "$defs"}
    known |= {"minimum", "maximum", "exclusiveMinimum", "maxLength", "minItems", "$schema", "format", "writeOnly"}
    assert set(schema) <= known, set(schema) - known
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    kinds |= {"integer": int, "number": (int, float)}
    wanted = schema.get("type", [])
    names = [wanted] if isinstance(wanted, str) else wanted
    if names and not any(isinstance(value, kinds[name]) for name in names):
        return [f"{at} is no {names}"]
    found: list[str] = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at} is none of {schema['enum']}")
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        found.append(f"{at} does not match")
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        found.append(f"{at} is too long")
    if isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{at} is out of range")
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            found.append(f"{at} is too short")
        for index, item in enumerate(value):
            found += complaints(item, schema.get("items", {}), root, f"{at}/{index}")
    if isinstance(value, dict):
        found += [f"{at}/{name} is missing" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            found += complaints(item, schema.get("properties", {}).get(name, {}), root, f"{at}/{name}")
    return found


def said_of(document: Any) -> list[str]:
    schema = topology_schema()
    return complaints(document, schema, schema)


def test_it_takes_good_topologies() -> None:
    assert said_of(json.loads(STREET)) == []
    assert said_of(json.loads(RECORDER)) == []


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published topologies are not beside the repository")
def test_it_takes_published_topologies() -> None:
    for path in PUBLISHED.glob("*.json"):
        assert (path.name, said_of(json.loads(path.read_text("utf-8")))) == (path.name, [])


def test_it_refuses_what_cannot_be() -> None:
    document = json.loads(STREET)
    del document["properties"]["sinks"][0]["hubOutputName"]
    document["properties"]["sources"][0]["transport"] = "tpc"
    document["properties"]["processors"][0]["eventAggregationWindow"] = 5
    document["properties"]["processors"][1]["inputs"] = []
    document["properties"]["processors"][1]["image"]["scale"]["width"] = 0
    assert sorted(said_of(document)) == [
        "/properties/processors/0/eventAggregationWindow is no ['string']",
        "/properties/processors/1/image/scale/width is out of range",
        "/properties/processors/1/inputs is too short",
        "/properties/sinks/0/hubOutputName is missing",
        "/properties/sources/0/transport is none of ['tcp', 'http', 'udp']",
    ]


def test_it_says_what_it_is() -> None:
    schema = topology_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["name", "properties"]
    source = schema["$defs"]["RtspSource"]
    assert source["required"] == ["@type", "name", "endpoint"]
    assert source["properties"]["@type"]["default"] == "#Microsoft.VideoAnalyzer.RtspSource"
    assert "sharedMemorySizeMiB" in schema["$defs"]["DataTransfer"]["properties"]
    assert "framewire:mask" in schema["$defs"]["MotionDetectionProcessor"]["properties"]
