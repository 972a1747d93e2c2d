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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pipeline_camera
import pipeline_report
from motion import machine
from peers.work import rounds_per_ms
from pipeline_clips import Recording, record, topology

ROOT = Path(__file__).resolve().parents[1]
CHILD = Path(__file__).with_name("pipeline_child.py")
DOCUMENT = ROOT / "docs" / "benchmarks" / "pipeline.md"
ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
"""NumPy's OpenBLAS spins for a tenth of a second in each thread that it starts, after we have begun to count."""

PARTS = ("hd", "grpc", "reconnects", "cameras")

GOALS = {"hd": 1.3, "grpc_ms": 0.5, "motion": 0.10, "whole_core": 0.85}
"""CPU time beside bare decoding; beside scaling and encoding; what the detector may add to decoding; and the part of a
core's best speed by which it is taken for whole: while others share it, it does half."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; may be repeated")
    parser.add_argument("--rounds", type=int, default=5, help="of what is measured in turns")
    parser.add_argument("--reconnects", type=int, default=200)
    parser.add_argument(
        "--write", action="store_true", help="write docs/benchmarks/pipeline.md and .json; parts that are not run stay"
    )
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
    if given.write and given.only:
        kept = json.loads(DOCUMENT.with_suffix(".json").read_text())
        results["command"] = f"{kept['command']}; {results['command']}"
        results["took_s"] += kept["took_s"]
        results = kept | results
    print(pipeline_report.text(results))
    if given.write:
        DOCUMENT.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
        DOCUMENT.write_text(pipeline_report.text(results))


@contextmanager
def null_server() -> Iterator[str]:
    """An extension in a process of its own that acknowledges each frame and finds nothing."""
    with _serving(["-P", "-m", "framewire.load.null_server"]) as address:
        yield f"tcp://{address}"


@contextmanager
def _serving(arguments: Sequence[str]) -> Iterator[str]:
    """A server that prints its address."""
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@dataclass(frozen=True)
class Turn:
    """CPU seconds of one run of a subject, and of what it is held against, just before and just after."""

    cpu_s: float
    before_s: float
    after_s: float

    @property
    def ratio(self) -> float:
        return self.cpu_s / ((self.before_s + self.after_s) / 2)


def beside(
    folder: Path, baseline: Mapping[str, Any], subjects: Mapping[str, Mapping[str, Any]], rounds: int
) -> dict[str, list[Turn]]:
    """Runs subjects in turns, every second round backwards, and between any two of them what they are held against.

    A machine that it shares with others has fast and slow minutes; what lies further apart in time compares those.
    """
    found: dict[str, list[Turn]] = {name: [] for name in subjects}
    for number in range(rounds):
        before_s = child_cpu_s(folder, baseline)
        for name in list(subjects)[:: -1 if number % 2 else 1]:
            cpu_s, after_s = child_cpu_s(folder, subjects[name]), child_cpu_s(folder, baseline)
            found[name].append(Turn(cpu_s, before_s, after_s))
            before_s = after_s
        print(number, {name: round(turns[-1].ratio, 3) for name, turns in found.items()}, flush=True)
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
        "detect": {"what": "detect", "clip": str(clip.path)},
        "source": run_of(topology(folder, "source", motion=True), clip, replaced=["motion"]),
        "motion": run_of(topology(folder, "motion", motion=True), clip),
        "sampling": run_of(sampled, clip, replaced=["images"]),
        "sending": run_of(sampled, clip),
    }
    turns = beside(folder, {"what": "decode", "clip": str(clip.path)}, subjects, rounds)
    ratios = {name: [turn.ratio for turn in each] for name, each in turns.items()}
    seconds = {"decode": [turn.after_s for each in turns.values() for turn in each]}
    seconds |= {name: [turn.cpu_s for turn in each] for name, each in turns.items()}
    return {
        "clip": {"frames": clip.frames, "rate": clip.rate, "kbit_s": clip.kbit_s},
        "cpu_ms_per_second": {name: 1000 * statistics.median(each) / clip.seconds for name, each in seconds.items()},
        "ratio": {name: spread(each) for name, each in ratios.items()},
        "motion_adds": {
            "in one thread": spread([ratio - 1 for ratio in ratios["detect"]]),
            "in the pipeline": spread(
                [with_it / without - 1 for with_it, without in zip(ratios["motion"], ratios["source"], strict=True)]
            ),
        },
        "profile": _profile_of(subjects["sending"]),
        "rounds": {name: [asdict(turn) for turn in each] for name, each in turns.items()},
    }


def grpc(folder: Path, address: str, clip: Recording, rounds: int) -> dict[str, Any]:
    """What the gRPC node costs beyond its images, told apart by the profile: by thread, and so without decoding."""
    document = topology(folder, "every-frame", motion=False, extension={"address": address})
    images, node = run_of(document, clip, replaced=["sending"]), run_of(document, clip)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in ("call", "socket", "images", "node")}
    with _serving([str(CHILD.with_name("pipeline_bare.py"))]) as socket:
        bare = {"clip": str(clip.path), "address": address, "socket": socket}
        subjects: dict[str, Callable[[], dict[str, float]]] = {
            "call": lambda: {"node": child_cpu_s(folder, {"what": "bare call", **bare})},
            "socket": lambda: {"node": child_cpu_s(folder, {"what": "bare socket", **bare})},
            "images": lambda: _parts_of(images),
            "node": lambda: _parts_of(node),
        }
        before = rounds_per_ms()
        for number in range(rounds):
            for name in list(subjects)[:: -1 if number % 2 else 1]:
                ms = {part: 1000 * seconds / clip.frames for part, seconds in subjects[name]().items()}
                after = rounds_per_ms()
                runs[name].append({**ms, "rounds_per_ms": min(before, after)})
                before = after
            print(number, {name: each[-1] for name, each in runs.items()}, flush=True)
    best = max(one["rounds_per_ms"] for each in runs.values() for one in each)
    whole = {
        name: [one for one in each if one["rounds_per_ms"] >= GOALS["whole_core"] * best] for name, each in runs.items()
    }
    return {
        "frames": clip.frames,
        "rounds_per_ms": best,
        "all": _costs(runs),
        "whole": _costs(whole) if all(len(each) >= 3 for each in whole.values()) else None,
        "runs": runs,
    }


def _parts_of(subject: Mapping[str, Any]) -> dict[str, float]:
    """CPU seconds of the images, of the node with the event loop, and of the loop alone."""
    cells = [re.split(r"  +", row.strip()) for row in _profile_of(subject)[1:]]
    seconds = {row[0]: float(row[-3 if len(row) > 4 else -2]) for row in cells}
    return {
        "images": seconds.get("extension: images", 0.0),
        "node": seconds["extension"] + seconds["the rest"],
        "idle": seconds["the rest"],
    }


def _costs(runs: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """Milliseconds for each frame; what is subtracted are medians, as runs are of different minutes."""
    idle = spread([one["idle"] for one in runs["images"]])
    added = [one["node"] - idle["median"] for one in runs["node"]]
    bare = {name: spread([one["node"] for one in runs[name]]) for name in ("socket", "call")}
    return {
        "runs": len(runs["node"]),
        "images": spread([one["images"] for one in runs["node"]]),
        "node": spread([one["node"] for one in runs["node"]]),
        "idle": idle,
        "added": spread(added),
        **bare,
        **{f"beyond_{name}": spread([one - each["median"] for one in added]) for name, each in bare.items()},
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


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


if __name__ == "__main__":
    main()
