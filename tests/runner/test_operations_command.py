"""``framewire operations``: a file of the published console against a running runner."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from runner_documents import named, pipeline, topology

sys.path.append(str(Path(__file__).resolve().parents[1] / "cli"))

from command_line import documents, framewire, refused, running


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with running("runner", "--data", tmp_path / "data", "--port", 0) as one:
        yield one.until_said(r"listening on (http://\S+)")[1]
        assert one.stop() == 0


def written(folder: Path, *operations: tuple[str, dict[str, Any]]) -> Path:
    path = folder / "operations.json"
    steps = [{"opName": name, "opParams": parameters} for name, parameters in operations]
    path.write_text(json.dumps({"apiVersion": "1.1", "operations": steps}))
    return path


def test_a_whole_file_is_played(address: str, tmp_path: Path) -> None:
    (tmp_path / "motion.json").write_text(json.dumps(topology()))
    path = written(
        tmp_path,
        ("pipelineTopologySet", {"pipelineTopologyFile": "motion.json"}),
        ("livePipelineSet", {key: value for key, value in pipeline(url="test:").items() if key != "@apiVersion"}),
        ("livePipelineActivate", {"name": "gate-1"}),
        ("WaitForInput", {"message": "look at the messages now"}),
        ("livePipelineDeactivate", {"name": "gate-1"}),
        ("livePipelineDelete", {"name": "gate-1"}),
        ("pipelineTopologyDelete", {"name": "Motion"}),
        ("livePipelineList", {}),
    )
    finished = framewire("operations", path, "--to", address)
    assert finished.returncode == 0, finished.stderr
    answers = documents(finished.stdout)
    assert [one["status"] for one in answers] == [201, 201, 200, 200, 200, 200, 200]
    assert answers[-1]["answer"] == {"value": []}
    assert finished.stderr == "look at the messages now\n"


def test_it_ends_at_the_first_failure(address: str, tmp_path: Path) -> None:
    path = written(tmp_path, ("livePipelineActivate", named("nobody")), ("livePipelineList", {}))
    finished = framewire("operations", path, "--to", address)
    assert finished.returncode == 1
    (answer,) = documents(finished.stdout)
    assert answer["status"] == 404
    assert finished.stderr == "framewire: operation 1, livePipelineActivate, failed with 404\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{nonsense", "is no JSON"),
        ("[]", "has no list of operations"),
        ('{"operations":[{"name":"x"}]}', "operation 1 of"),
        ('{"operations":[{"opName":"../x"}]}', "operation 1 of"),
        (
            '{"operations":[{"opName":"pipelineTopologySet","opParams":{"pipelineTopologyFile":"nowhere.json"}}]}',
            "nowhere.json cannot be read",
        ),
    ],
)
def test_files_that_are_none_are_refused_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "operations.json"
    path.write_text(text)
    assert words in refused("operations", path)


def test_a_file_that_is_nested_too_deeply_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "operations.json"
    path.write_text("[" * 100_000)
    assert refused("operations", path).endswith("operations.json is nested too deeply")


def test_no_password_in_an_address_is_shown(tmp_path: Path) -> None:
    path = written(tmp_path, ("pipelineTopologySet", {"pipelineTopologyUrl": "http://me:s3cret@127.0.0.1:1/t.json"}))
    line = refused("operations", path, code=1)
    assert line == "http://127.0.0.1:1/t.json cannot be fetched (ConnectError)"
    url = "http://me:s3cret@127.0.0.1:1/t.json?next=http://elsewhere"
    path = written(tmp_path, ("pipelineTopologySet", {"pipelineTopologyUrl": url}))
    assert "s3cret" not in refused("operations", path, code=1)
    path = written(tmp_path, ("livePipelineList", {}))
    line = refused("operations", path, "--to", "http://me:s3cret@127.0.0.1:1", code=1)
    assert line.startswith("http://127.0.0.1:1 does not answer as a runner")
    assert "s3cret" not in line


def test_a_runner_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, ("livePipelineList", {}))
    assert "does not answer as a runner" in refused("operations", path, "--to", "http://127.0.0.1:1", code=1)
