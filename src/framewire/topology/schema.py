"""The JSON Schema of topology files."""

from __future__ import annotations

from typing import Any

from framewire.topology.documents import TopologyDocument

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def topology_schema() -> dict[str, Any]:
    """JSON Schema of a topology as it lies in a file: any scalar may be a text, and may hold parameters."""
    schema = TopologyDocument.model_json_schema(by_alias=True)
    # An editor finds the schema by this member.
    schema["properties"] = {"$schema": {"type": "string"}, **schema["properties"]}
    return {"$schema": DIALECT, **schema, "title": "Pipeline topology of Azure Video Analyzer"}
