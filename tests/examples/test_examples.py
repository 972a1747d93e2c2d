"""Every file under examples/ does what the documentation says of it, run as a user runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from framewire import Entity, Motion, Rectangle
from framewire.client import Client
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.processors.catalogue import ENTRY_POINT_GROUP, Catalogue

ROOT = Path(__file__).resolve().parents[2]
FRAMEWIRE = (sys.executable, "-m", "framewire")
OURS = ("port", "batchSize", "grpcBinding")
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith("FRAMEWIRE_") and name not in OURS
}


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """A real server on a free port; it must drain and end with 0."""
    server = subprocess.Popen(
        (*FRAMEWIRE, "serve", "--host", "127.0.0.1", *arguments, "--port", "0"),
        cwd=ROOT,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )
    said: list[str] = []
    try:
        for line in server.stderr or ():
            said.append(line)
            if line.startswith("listening on "):
                yield line.removeprefix("listening on ").strip()
                break
        else:
            pytest.fail(f"the server did not start: {''.join(said)}")
        server.terminate()
        _, rest = server.communicate(timeout=30)
        assert server.returncode == 0, "".join(said) + rest
    finally:
        server.kill()
        server.communicate()


def send(address: str, *arguments: str) -> list[dict]:
    """What ``framewire send`` prints for the synthetic street: one JSON object for each line."""
    done = subprocess.run(
        (*FRAMEWIRE, "send", *arguments, "--to", address),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def inferences(answers: list[dict]) -> list[dict]:
    return [inference for answer in answers for inference in answer["inferences"]]


def test_own_processor_finds_the_sun_by_day_and_the_moon_by_night() -> None:
    with serving("--processor", "examples/own_processor.py:BrightestSpot") as address:
        sun, moon = inferences(send(address, "test:frames=2"))
    assert {sun["type"], moon["type"]} == {"entity"}
    assert {sun["subtype"], moon["subtype"]} == {"brightestSpot"}
    assert sun["entity"]["box"]["l"] == pytest.approx(0.82, abs=0.02)
    assert moon["entity"]["box"]["l"] == pytest.approx(0.19, abs=0.03)


def test_options_reach_the_processor_from_the_command_and_from_a_camera() -> None:
    processor = ("--processor", "examples/options_processor.py:BrightestSpot", "--option", "minimum_brightness=0.9")
    with serving(*processor) as address:
        bright = inferences(send(address, "test:frames=2"))
        configuration = '{"minimumBrightness": 0.1, "size_px": 33}'
        all_of_them = inferences(send(address, "test:frames=2", "--extension-configuration", configuration))
    assert len(bright) == 1
    assert len(all_of_them) == 2
    assert all_of_them[0]["entity"]["box"]["w"] == pytest.approx(33 / 640)


def test_options_are_checked_before_the_server_starts() -> None:
    done = subprocess.run(
        (*FRAMEWIRE, "serve", "--processor", "examples/options_processor.py:BrightestSpot", "--option", "size_px=0"),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "size_px 0 is no size; allowed: 1 or more" in done.stderr


def test_session_state_is_each_camera_s_own() -> None:
    with serving("--processor", "examples/session_state.py:LightChange") as address:
        answers = send(address, "test:frames=6", "--streams", "2")
    events = [inference["event"] for inference in inferences(answers)]
    assert events == [{"name": "dark", "properties": {"changes": "1"}}] * 2


def test_batches_hold_frames_of_several_cameras() -> None:
    with serving(
        "--processor", "examples/batch_processor.py:MainColour", "--batch-size", "4", "--batch-wait", "2000"
    ) as address:
        answers = send(address, "test:frames=6", "--streams", "2")
    assert len(answers) == 12
    attributes = [inference["classification"]["attributes"] for inference in inferences(answers)]
    assert {"name": "batchSize", "value": "4", "confidence": 1} in [attribute for [attribute] in attributes]


def test_an_existing_class_runs_unchanged() -> None:
    with serving("--processor", "examples/existing_class.py:BatchImageProcessor") as address:
        answers = send(address, "test:frames=3", "--extension-configuration", "no JSON at all")
    assert [inference["subtype"] for inference in inferences(answers)] == ["lighterHalf"] * 3
    assert {inference["classification"]["tag"]["value"] for inference in inferences(answers)} <= {"left", "right"}


async def test_upstream_inferences_are_built_upon() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[:, 100:] = 255
    motions = [
        Motion(Rectangle(0.1, 0.1, 0.2, 0.2), inference_id="left"),
        Motion(Rectangle(0.7, 0.1, 0.2, 0.2), inference_id="right"),
    ]
    with serving("--processor", "examples/upstream.py:MovingLight") as address:
        async with Client(address, VideoFormat(Encoding.RAW, 200, 100, PixelFormat.RGB24)) as client:
            await client.send(picture, 7, motions)
            await client.finish()
            [result] = [result async for result in client]
    found = [item for item in result.inferences if isinstance(item, Entity)]
    assert [(item.tag.value, list(item.related_inferences)) for item in found] == [
        ("dark", ["left"]),
        ("light", ["right"]),
    ]


def test_the_client_library_prints_what_the_server_finds() -> None:
    with serving() as address:
        done = subprocess.run(
            (sys.executable, "examples/client_library.py", address),
            cwd=ROOT,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    verdicts = [inference["classification"]["tag"]["value"] for inference in inferences(lines)]
    assert verdicts == ["dark", "light", "dark"]
    assert done.stderr.splitlines() == ["frame 2 is answered", "frame 3 is answered", "frame 4 is answered"]


def test_the_configuration_file_is_taken() -> None:
    with serving("--config", "examples/configuration.toml") as address:
        answers = send(address, "test:frames=60")
    assert {inference["type"] for inference in inferences(answers)} == {"motion"}


def test_the_processor_of_a_package_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((ROOT / "examples/package/pyproject.toml").read_text("utf-8"))["project"]
    [(name, place)] = project["entry-points"][ENTRY_POINT_GROUP].items()
    monkeypatch.syspath_prepend(ROOT / "examples/package")
    kind = Catalogue().load(place)
    assert name == "brightest-spot"
    assert kind.factory.__name__ == "BrightestSpot"


def test_the_example_of_a_test_passes() -> None:
    done = subprocess.run(
        (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "examples/testing_a_processor.py"),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def statistics(address: str) -> list[str]:
    """The lines that the example prints of a server's statistics."""
    done = subprocess.run(
        (sys.executable, "examples/read_statistics.py", address),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_several_workers_answer_what_one_does(executor: str) -> None:
    found = []
    for workers in ("1", "2"):
        processor = ("--processor", "examples/python_heavy.py:BrightRegion", "--executor", executor)
        with serving(*processor, "--workers", workers) as address:
            answers = send(address, "test:frames=8", "--shared-memory")
        # Without needs_order, two workers may be done in any order.
        found.append(inferences(sorted(answers, key=lambda answer: answer["timestamp"])))
    assert len(found[0]) == 8
    assert found[0] == found[1]


@pytest.mark.parametrize("executor", ["inline", "threads", "processes"])
def test_a_camera_s_state_stays_in_one_place_when_the_order_counts(executor: str) -> None:
    workers = "1" if executor == "inline" else "2"
    processor = ("--processor", "examples/session_state.py:LightChange", "--executor", executor, "--workers", workers)
    with serving(*processor) as address:
        events = [found["event"] for found in inferences(send(address, "test:frames=12", "--streams", "3"))]
    assert events == [{"name": "dark", "properties": {"changes": "1"}}] * 3


def test_statistics_are_read_and_printed() -> None:
    with serving() as address:
        send(address, "test:frames=5")
        lines = statistics(address)
    assert lines[1:3] == ["received 5, answered 5 (0 failed)", "dropped: too-old 0, oldest 0, newest 0, not-latest 0"]
    assert [line.split()[0] for line in lines[4:9]] == ["receive", "wait", "process", "send", "batch"]
    assert re.fullmatch(
        "executor: processor color-intensity, waiting 0, most_waiting [1-5], batches 5, frames 5, replaced 0", lines[-1]
    )


def test_statistics_of_a_server_that_is_not_there_end_with_one_line() -> None:
    command = (sys.executable, "examples/read_statistics.py", "127.0.0.1:1")
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("127.0.0.1:1 did not answer: UNAVAILABLE: ")
    assert "Traceback" not in done.stderr


def test_reading_statistics_without_an_address_says_how_it_is_used() -> None:
    command = (sys.executable, "examples/read_statistics.py")
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "usage: examples/read_statistics.py HOST:PORT [USER:PASSWORD]\n"


@pytest.mark.parametrize("is_asked_by_the_camera", [False, True], ids=["server", "camera"])
def test_live_cameras_get_an_answer_to_every_frame_and_the_newest_is_processed(*, is_asked_by_the_camera: bool) -> None:
    slow = ("--processor", "examples/python_heavy.py:BrightRegion", "--option", "step_px=1")
    settings = () if is_asked_by_the_camera else ("--config", "examples/live_cameras.toml")
    configuration = (ROOT / "examples/live_camera.json").read_text("utf-8") if is_asked_by_the_camera else ""
    with serving(*slow, *settings) as address:
        # Exit status 0 of send says that each of the 30 was answered once.
        send(address, "test:frames=30", "--in-flight", "8", "--extension-configuration", configuration)
        counts = {
            name: int(count) for name, count in re.findall(r"([a-z-]+) (\d+)", "\n".join(statistics(address)[1:3]))
        }
    assert counts["received"] == 30
    assert counts["answered"] + counts["too-old"] + counts["not-latest"] == 30
    assert counts["not-latest"] > 0
    assert (counts["oldest"], counts["newest"]) == (0, 0)


def test_the_demo_of_pipelines_compares_every_answer_with_the_truth() -> None:
    # It runs examples/pipelines/day_or_night.json.
    command = (sys.executable, "tools/demo_pipeline.py")
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "every answer is right"
    assert "150 frames answered: 150 right, 0 wrong" in done.stdout


def test_no_example_is_forgotten() -> None:
    tested = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    for path in (ROOT / "examples").rglob("*.*"):
        if path.suffix in (".py", ".toml", ".json"):
            assert path.name in tested or path.stem == "brightest_spot", f"no test runs {path.relative_to(ROOT)}"
