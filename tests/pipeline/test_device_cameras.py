"""Cameras at this machine, through the Video4Linux part of OpenCV as it is: ``run``, ``send`` and ``runner``."""

from __future__ import annotations

import itertools
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import documents, framewire, running, serving
from pipeline_documents import grpc, hub, source, topology, written

sys.path.append(str(Path(__file__).resolve().parents[1] / "v4l2"))
from webcam import device_file, driver, plugged_in


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return driver(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def device() -> Iterator[Path]:
    with device_file() as path:
        yield path


def tags(found: list[dict[str, Any]]) -> list[str]:
    return [one["inferences"][0]["classification"]["tag"]["value"] for one in found]


def test_send_takes_every_frame_until_it_is_unplugged(library: Path, device: Path) -> None:
    with serving() as server:
        finished = framewire("send", device, "--to", server.address, env=plugged_in(library, device, frames=40))
    assert finished.returncode == 1
    found = tags(documents(finished.stdout))
    assert 36 <= len(found) <= 40  # OpenCV keeps the first to itself
    assert all(one != other for one, other in itertools.pairwise(found))
    assert finished.stderr.endswith(f"framewire: {device} went away\n")


def test_run_takes_it_again_when_it_is_plugged_in_again(library: Path, device: Path, tmp_path: Path) -> None:
    with serving() as server:
        path = written(tmp_path, topology(source(str(device)), grpc("ai", f"tcp://{server.address}"), hub("ai")))
        with running("run", path, env=plugged_in(library, device, frames=30)) as pipeline:
            pipeline.until_printed(90)  # three sessions of thirty
            assert pipeline.stop(signal.SIGINT) == 0
    messages = documents(pipeline.stdout)
    kinds = [one["applicationProperties"]["eventType"].rpartition(".")[2] for one in messages]
    assert kinds.count("MediaSessionEstablished") >= 3
    errors = [one["body"] for one in messages if one["applicationProperties"]["eventType"].endswith("RuntimeError")]
    assert errors
    assert {error["code"] for error in errors} == {"device"}
    inferred = [one["body"] for one in messages if one["applicationProperties"]["eventType"].endswith(".Inference")]
    assert set(tags(inferred)) == {"light", "dark"}
    times = [one["timestamp"] for one in inferred]
    assert times == sorted(set(times))


def test_one_that_another_program_has_is_told(library: Path, device: Path) -> None:
    with serving() as server:
        finished = framewire("send", device, "--to", server.address, env=plugged_in(library, device, busy=1))
    assert finished.returncode == 2
    assert finished.stderr == (
        f"framewire: {device} gives no picture; see whether it is a camera, and whether another program uses it\n"
    )
