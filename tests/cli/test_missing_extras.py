"""Commands where only the core is installed: what needs no more works, and the rest says what to install."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "pipeline"))

from command_line import changed_by, documents, framewire, refused
from pipeline_documents import hub, motion, node, source, topology, typed, written

EXTRAS = ("aiomqtt", "paho", "httpx", "prometheus_client", "fastapi", "starlette", "uvicorn", "matplotlib")

_CORE_ALONE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
"""Found as `sitecustomize`: these libraries cannot be imported, as if they were not there."""

PIPELINE = "pip install 'framewire[pipeline]'"
RUNNER = "pip install 'framewire[runner]'"


def without(folder: Path, *missing: str) -> dict[str, str]:
    return changed_by(folder, _CORE_ALONE.format(missing=set(missing)))


def http_topology() -> dict[str, Any]:
    endpoint, image = typed("UnsecuredEndpoint", url="http://127.0.0.1:9/score"), {"format": typed("ImageFormatJpeg")}
    extension = node("HttpExtension", "ai", "camera", endpoint=endpoint, image=image)
    return topology(source("test:frames=3,size=160x90"), extension, hub("ai"))


def motion_topology() -> dict[str, Any]:
    return topology(source("test:size=320x180,frames=45"), motion(), hub("motion"))


def test_a_pipeline_runs_with_the_core_alone(tmp_path: Path) -> None:
    path = written(tmp_path, motion_topology())
    finished = framewire("run", path, "--as-fast-as-possible", env=without(tmp_path, *EXTRAS))
    assert finished.returncode == 0, finished.stderr
    assert "Analytics.Inference" in str(documents(finished.stdout))
    assert framewire("validate", path, env=without(tmp_path, *EXTRAS)).returncode == 0


@pytest.mark.parametrize(
    ("words", "document", "message"),
    [
        (
            ("--metrics-port", "0"),
            motion_topology(),
            f"metrics need prometheus-client, which is not installed; {PIPELINE}",
        ),
        (
            ("--output", "mqtt://127.0.0.1/a"),
            motion_topology(),
            f"MQTT needs aiomqtt, which is not installed; {PIPELINE}",
        ),
        ((), http_topology(), f"HTTP extensions need httpx, which is not installed; {PIPELINE}"),
    ],
)
def test_run_says_what_to_install(
    words: tuple[str, ...], document: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = written(tmp_path, document)
    assert refused("run", path, *words, env=without(tmp_path, *EXTRAS)) == message


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (EXTRAS, f"framewire runner needs FastAPI, which is not installed; {RUNNER}"),
        (("uvicorn",), f"framewire runner needs uvicorn, which is not installed; {RUNNER}"),
        (("prometheus_client",), f"metrics need prometheus-client, which is not installed; {PIPELINE}"),
    ],
)
def test_runner_says_what_to_install(missing: tuple[str, ...], message: str, tmp_path: Path) -> None:
    words = ("runner", "--data", tmp_path / "data", "--port", 0)
    assert refused(*words, env=without(tmp_path, *missing)) == message


def test_operations_says_what_to_install(tmp_path: Path) -> None:
    line = refused("operations", tmp_path / "operations.json", env=without(tmp_path, *EXTRAS))
    assert line == f"framewire operations needs httpx, which is not installed; {PIPELINE}"
