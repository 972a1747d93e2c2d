"""The example with a model in ONNX Runtime: it answers, and its session starts no more threads than it is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_examples import ENVIRONMENT, ROOT, send, serving


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def field(number: int, content: bytes | int) -> bytes:
    """One protobuf field."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(name: bytes, *dimensions: bytes) -> bytes:
    """A ValueInfoProto: float32 of named dimensions."""
    shape = b"".join(field(1, field(2, dimension)) for dimension in dimensions)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))


def mean_model() -> bytes:
    """An ONNX model that answers the mean of each (height, width): one ReduceMean over the last two axes."""
    axes = field(1, b"axes") + field(8, 1) + field(8, 2) + field(20, 7)
    keep = field(1, b"keepdims") + field(3, 0) + field(20, 2)
    node = field(1, b"pixels") + field(2, b"level") + field(4, b"ReduceMean") + field(5, axes) + field(5, keep)
    graph = (
        field(1, node)
        + field(2, b"mean")
        + field(11, tensor(b"pixels", b"n", b"h", b"w"))
        + field(12, tensor(b"level", b"n"))
    )
    return field(1, 8) + field(7, graph) + field(8, field(2, 13))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "mean.onnx"
    path.write_bytes(mean_model())
    return path


def test_light_and_dark_are_told_apart(model: Path) -> None:
    processor = ("--processor", "examples/onnx_model.py:Brightness", "--option", f"model={model}")
    with serving(*processor, "--executor", "processes") as address:
        found = send(address, "test:frames=2")
    assert [one["inferences"][0]["classification"]["tag"]["value"] for one in found] == ["light", "dark"]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_session_has_as_many_threads_as_it_is_told(model: Path, threads: int) -> None:
    # In a process of its own: ONNX Runtime's first session starts threads that stay.
    script = f"""
import json, os, sys
sys.path.insert(0, "examples")
from onnx_model import Brightness
before = len(os.listdir("/proc/self/task"))
one = Brightness(Brightness.Options({str(model)!r}))
one.library_threads = {threads}
one.open()
print(json.dumps(len(os.listdir("/proc/self/task")) - before))
"""
    done = subprocess.run(
        (sys.executable, "-c", script),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    # The caller is one of them.
    assert json.loads(done.stdout) == threads - 1


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_processor_is_told_its_share_of_the_cores(tmp_path: Path, executor: str) -> None:
    (tmp_path / "told.py").write_text(
        """
from framewire import Classification, Processor, Tag

class Told(Processor):
    def process(self, frames):
        return [[Classification(Tag(f"threads {self.library_threads}"), subtype="told")] for _ in frames]
"""
    )
    workers = len(os.sched_getaffinity(0))
    processor = ("--processor", f"{tmp_path / 'told.py'}:Told", "--executor", executor)
    with serving(*processor, "--workers", str(workers)) as address:
        [found] = send(address, "test:frames=1")
    assert found["inferences"][0]["classification"]["tag"]["value"] == "threads 1"
