"""``framewire schema``: the JSON Schema of topology files."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import framewire, framewire_here, refused_here


def test_it_is_printed() -> None:
    finished = framewire("schema")
    assert (finished.returncode, finished.stderr) == (0, "")
    schema = json.loads(finished.stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["name", "properties"]


def test_it_is_written_to_a_file(tmp_path: Path) -> None:
    finished = framewire_here("schema", "--output", tmp_path / "topology.schema.json")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    text = (tmp_path / "topology.schema.json").read_text("utf-8")
    assert text == framewire_here("schema").stdout


def test_a_file_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    said = refused_here("schema", "--output", tmp_path / "none" / "x.json", code=1)
    assert said == f"{tmp_path}/none/x.json cannot be written: No such file or directory; check --output"
