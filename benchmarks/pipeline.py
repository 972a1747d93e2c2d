"""What a pipeline costs: CPU time beside bare decoding, per image that is sent, and per camera; and what it keeps.

    python benchmarks/pipeline.py --only hd --rounds 1
    python benchmarks/pipeline.py --write

All figures are CPU time of whole processes, user and system, so that other processes disturb them less than a clock.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pipeline_camera
import pipeline_report
from motion import machine
from pipeline_clips import Recording, record, topology

ROOT = Path(__file__).resolve().parents[1]
CHILD = Path(__file__).with_name("pipeline_child.py")
DOCUMENT = ROOT / "docs" / "benchmarks" / "pipeline.md"
ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
"""NumPy's OpenBLAS spins for a tenth of a second in each thread that it starts, after we have begun to count."""

PARTS = ("hd", "grpc", "reconnects", "cameras")

GOALS = {"hd": 1.3, "grpc_ms": 0.5, "motion": 0.10}
"""CPU time beside bare decoding; beside scaling and encoding; and what the detector may add to decoding."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; may be repeated")
    parser.add_argument("--rounds", type=int, default=5, help="of what is measured in turns")
    parser.add_argument("--reconnects", type=int, default=200)
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks/pipeline.md and .json")
    given = parser.parse_args()
    parts = given.only or PARTS
    began_s = time.monotonic()
    results: dict[str, Any] = {
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "command": " ".join(["python benchmarks/pipeline.py", *sys.argv[1:]]),
        "machine": machine(),
        "versions": {name: version(name) for name in ("av", "opencv-python-headless", "numpy", "grpcio")},
        "goals": GOALS,
    }
    with tempfile.TemporaryDirectory(prefix="framewire-bench-") as name, null_server() as address:
        folder = Path(name)
        small = record(folder, "640x360", (640, 360), rate=10, kbit_s=500, times=6)
        if "hd" in parts:
            results["hd"] = hd(folder, address, given.rounds)
        if "grpc" in parts:
            results["grpc"] = grpc(folder, address, small, given.rounds)
        if "reconnects" in parts:
            results["reconnects"] = pipeline_camera.reconnects(folder, given.reconnects)
        if "cameras" in parts:
            results["cameras"] = pipeline_camera.cameras(folder, small)
            results["profile"] = profile(folder, address, small)
    results["took_s"] = round(time.monotonic() - began_s)
    print(pipeline_report.text(results))
    if given.write:
        DOCUMENT.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
        DOCUMENT.write_text(pipeline_report.text(results))


@contextmanager
def null_server() -> Iterator[str]:
    """An extension in a process of its own that acknowledges each frame and finds nothing."""
    command = [sys.executable, "-P", "-m", "framewire.load.null_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield "tcp://" + process.stdout.readline().strip()
        finally:
            process.kill()


def in_turns(folder: Path, subjects: Mapping[str, Mapping[str, Any]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each subject in each round; every second round goes backwards."""
    found: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(rounds):
        for name in list(subjects)[:: -1 if number % 2 else 1]:
            found[name].append(child_cpu_s(folder, subjects[name]))
        print(number, {name: round(times[-1], 3) for name, times in found.items()}, flush=True)
    return found


def child_cpu_s(folder: Path, subject: Mapping[str, Any]) -> float:
    result = folder / "cost.json"
    result.unlink(missing_ok=True)
    job = {key: value for key, value in subject.items() if key != "frames"} | {"result": str(result)}
    done = subprocess.run(
        [sys.executable, CHILD, json.dumps(job)],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{subject} failed:\n{done.stderr}")
    if subject["what"] == "pipeline":
        said = re.findall(r"(\d+) frames", done.stderr)
        if not said or int(said[-1]) != subject["frames"] or "dropped" in done.stderr:
            raise SystemExit(f"{subject} did not work on all of its frames:\n{done.stderr}")
    return float(json.loads(result.read_text())["cpu_s"])


def run_of(document: Path, clip: Recording, *options: str, **more: Any) -> dict[str, Any]:
    """A subject: ``framewire run`` on a clip, as fast as it can."""
    arguments = [str(document), "--set", f"rtspUrl={clip.path}", "--as-fast-as-possible", *options]
    return {"what": "pipeline", "arguments": arguments, "frames": clip.frames, **more}


def hd(folder: Path, address: str, rounds: int) -> dict[str, Any]:
    """1080p: what each step adds to decoding."""
    clip = record(folder, "1920x1080", (1920, 1080), rate=15, kbit_s=4000, times=3)
    once_a_second = {"address": address, "samplingOptions": {"maximumSamplesPerSecond": "1"}}
    sampled = topology(folder, "sampled", motion=True, extension=once_a_second)
    subjects = {
        "decode": {"what": "decode", "clip": str(clip.path)},
        "detect": {"what": "detect", "clip": str(clip.path)},
        "source": run_of(topology(folder, "source", motion=True), clip, replaced=["motion"]),
        "motion": run_of(topology(folder, "motion", motion=True), clip),
        "sampling": run_of(sampled, clip, replaced=["images"]),
        "sending": run_of(sampled, clip),
    }
    times = in_turns(folder, subjects, rounds)
    return {
        "clip": {"frames": clip.frames, "rate": clip.rate, "kbit_s": clip.kbit_s},
        "cpu_ms_per_second": {name: 1000 * statistics.median(each) / clip.seconds for name, each in times.items()},
        "ratio": {name: spread(ratios(each, times["decode"])) for name, each in times.items()},
        "motion_adds": {
            "in one thread": spread([ratio - 1 for ratio in ratios(times["detect"], times["decode"])]),
            "in the pipeline": spread([ratio - 1 for ratio in ratios(times["motion"], times["source"])]),
        },
        "profile": _profile_of(subjects["sending"]),
        "rounds": times,
    }


def grpc(folder: Path, address: str, clip: Recording, rounds: int) -> dict[str, Any]:
    """What the gRPC node costs beyond its images, told apart by the profile: by thread, and so without decoding."""
    document = topology(folder, "every-frame", motion=False, extension={"address": address})
    subjects = {"images": run_of(document, clip, replaced=["sending"]), "grpc": run_of(document, clip)}
    bare = {"what": "bare", "clip": str(clip.path), "address": address}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in subjects}
    bare_s = []
    for number in range(rounds):
        bare_s.append(child_cpu_s(folder, bare))
        for name in list(subjects)[:: -1 if number % 2 else 1]:
            rows = _profile_of(subjects[name])[1:]
            cells = [re.split(r"  +", row.strip()) for row in rows]
            found[name].append({row[0]: float(row[-3 if len(row) > 4 else -2]) for row in cells})
        print(number, {name: each[-1] for name, each in found.items()}, f"bare {bare_s[-1]:.3f}", flush=True)
    images = [one["extension: images"] for one in found["grpc"]]
    node = [one["extension"] + one["the rest"] for one in found["grpc"]]
    idle = [one["the rest"] for one in found["images"]]
    per_frame = 1000 / clip.frames
    return {
        "frames": clip.frames,
        "images_ms": spread([each * per_frame for each in images]),
        "node_ms": spread([each * per_frame for each in node]),
        "idle_ms": spread([each * per_frame for each in idle]),
        "added_ms": spread([(one - other) * per_frame for one, other in zip(node, idle, strict=True)]),
        "bare_ms": spread([each * per_frame for each in bare_s]),
        "beyond_bare_ms": spread(
            [(one - other - least) * per_frame for one, other, least in zip(node, idle, bare_s, strict=True)]
        ),
        "rounds": found,
        "bare_rounds_s": bare_s,
    }


def profile(folder: Path, address: str, clip: Recording) -> list[str]:
    """What ``framewire run --profile`` prints of a camera with motion and an extension that is sent two a second."""
    extension = {"address": address, "samplingOptions": {"maximumSamplesPerSecond": "2"}}
    return _profile_of(run_of(topology(folder, "profiled", motion=True, extension=extension), clip))


def _profile_of(subject: Mapping[str, Any]) -> list[str]:
    job = {**subject, "arguments": [*subject["arguments"], "--profile"]}
    command = [sys.executable, CHILD, json.dumps(job)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    return lines[next(index for index, line in enumerate(lines) if line.startswith("node ")) :]


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


if __name__ == "__main__":
    main()
