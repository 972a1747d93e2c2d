"""The motion detector: what it finds, what it wrongly takes for motion, and what it costs.

It makes clips whose truth is known (`motion_clips.py`), encodes and decodes them as H.264, and compares what the
detector says with what is so. Clips come in two halves: the detector was tuned on one and is reported on the other.

    python benchmarks/motion.py --half report
    python benchmarks/motion.py --write
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import motion_clips
from motion_clips import decoded, kept
from motion_scores import Score, add_frame, judge, reference_boxes
from motion_stage import Stage

from framewire.motion import PROFILES, MotionDetector, Sensitivity

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "benchmarks" / "motion.md"
BOTTLES = ROOT.parent / "shared" / "media" / "bottles.mp4"
SENSITIVITIES: tuple[Sensitivity, ...] = ("low", "medium", "high")
HALVES = {"tuning": 0, "report": 1}

GOALS = {
    "precision": {"low": 0.98, "medium": 0.95, "high": 0.90},
    "recall": {"low": 0.80, "medium": 0.90, "high": 0.95},
    "iou": {"low": 0.60, "medium": 0.60, "high": 0.60},
    "messages_per_hour": {"low": 1.0, "medium": 6.0, "high": 60.0},
    "cost": 0.10,
}
"""Set before the first run. Precision, recall and IoU are those of all moving clips together, messages per hour those
of all still clips together, cost is CPU time as a part of that of decoding 1080p."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=HALVES, default="report")
    parser.add_argument("--clips", type=Path, help="a folder that keeps the clips between runs")
    parser.add_argument("--only", default="", help="a part of the names of clips")
    parser.add_argument("--part", type=float, default=1.0, help="of each clip, from its start: for a busy machine")
    parser.add_argument("--rounds", type=int, default=9, help="of the measurement of cost; 0 for none")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks/motion.md and .json")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    began_s = time.monotonic()
    half = HALVES[given.half]
    results: dict[str, Any] = {
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "command": f"python benchmarks/motion.py {' '.join(sys.argv[1:])}",
        "part": given.part,
        "machine": machine(),
        "versions": {name: version(name) for name in ("av", "opencv-python-headless", "numpy")},
        "half": given.half,
        "goals": GOALS,
        "moving": run(shortened(motion_clips.moving(half), given.part), given.only, given.clips),
        "still": run(shortened(motion_clips.still(half), given.part), given.only, given.clips),
    }
    results["bottles"] = bottles() if BOTTLES.exists() and given.only in "bottles" else None
    results["cost"] = cost(given.rounds, given.clips) if given.rounds else None
    results["totals"] = totals(results)
    results["took_s"] = round(time.monotonic() - began_s)
    print(document(results))
    if given.write:
        DOCUMENT.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
        DOCUMENT.write_text(document(results))


def shortened(stages: Sequence[Stage], part: float) -> list[Stage]:
    return [dataclasses.replace(stage, seconds=stage.seconds * part) for stage in stages]


def run(stages: Sequence[Stage], only: str, folder: Path | None) -> dict[str, dict[str, Any]]:
    """Judges clips: by name and sensitivity, counts and figures."""
    found: dict[str, dict[str, Any]] = {}
    for stage in stages:
        if only not in stage.name:
            continue
        clip = kept(stage, folder)
        found[stage.name] = {}
        for sensitivity in SENSITIVITIES:
            score = judge(clip, sensitivity)
            found[stage.name][sensitivity] = {"counts": vars(score), **score.figures()}
        print(stage.name, {s: shown_score(f) for s, f in found[stage.name].items()}, flush=True)
    return found


def shown_score(figures: dict[str, Any]) -> str:
    return " ".join(f"{name} {value:.2f}" for name, value in figures.items() if isinstance(value, float))


def totals(results: dict[str, Any]) -> dict[str, Any]:
    """All moving clips together, and all still ones."""
    found: dict[str, Any] = {}
    for kind in ("moving", "still"):
        found[kind] = {}
        for sensitivity in SENSITIVITIES:
            total = Score()
            for clip in results[kind].values():
                for name, value in clip[sensitivity]["counts"].items():
                    setattr(total, name, getattr(total, name) + value)
            found[kind][sensitivity] = total.figures()
    return found


def bottles() -> dict[str, Any]:
    """Real footage against a reference that was made another way."""
    found: dict[str, Any] = {}
    for sensitivity in SENSITIVITIES:
        smallest = PROFILES[sensitivity].smallest
        boxes, frames = reference_boxes(str(BOTTLES), smallest)
        height, width = frames[0].shape
        detector, score = MotionDetector(sensitivity), Score()
        for index, frame in enumerate(frames):
            seen = detector.update(frame, index / 30)
            if index < 60:
                continue
            rectangles = () if seen is None else seen.boxes
            scaled = [(b.l * width, b.t * height, b.w * width, b.h * height) for b in rectangles]
            add_frame(score, scaled, boxes[index], PROFILES[sensitivity], (width, height))
        found[sensitivity] = {"counts": vars(score), **score.figures()}
    print("bottles", {s: shown_score(f) for s, f in found.items()}, flush=True)
    return found


def cost(rounds: int, folder: Path | None) -> dict[str, Any]:
    """CPU time of decoding 1080p alone and with the detector, in turns."""
    stage = Stage("1080p", (1920, 1080), 10, "street day", 4000, 3.0, seed=9)
    video = kept(stage, folder).video
    frames = round(stage.seconds * stage.rate)
    alone, both, detecting = [], [], []
    for _ in range(rounds):
        begin = time.process_time()
        for _luma in decoded(io.BytesIO(video)):
            pass
        alone.append((time.process_time() - begin) / frames)
        detector, spent = MotionDetector("high"), 0.0
        begin = time.process_time()
        for index, luma in enumerate(decoded(io.BytesIO(video))):
            before = time.perf_counter()
            detector.update(luma, index / stage.rate)
            spent += time.perf_counter() - before
        both.append((time.process_time() - begin) / frames)
        detecting.append(spent / frames)
    share = statistics.median(second / first - 1 for first, second in zip(alone, both, strict=True))
    found = {
        "decode_ms": 1000 * statistics.median(alone),
        "decode_and_detect_ms": 1000 * statistics.median(both),
        "detect_ms": 1000 * statistics.median(detecting),
        "share": share,
        "rounds": rounds,
        "frames": frames,
        "kbit_s": len(video) * 8 / stage.seconds / 1000,
    }
    print("cost", {name: round(value, 3) for name, value in found.items()}, flush=True)
    return found


def machine() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    name = " ".join(model[1].split()[:2]) if model else platform.machine()
    load = f"{os.getloadavg()[0]:.1f}"
    return f"{os.cpu_count()} cores of {name}, Python {platform.python_version()}, load average {load} at the start"


def document(results: dict[str, Any]) -> str:
    from motion_report import text

    return text(results)


if __name__ == "__main__":
    main()
