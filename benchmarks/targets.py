"""What framewire wants to reach, and how far it got: ratios that are formed round by round."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cells import HD_EMBEDDED, HD_SHARED, JPEG_SHARED, MODEL, OPEN_LOOP, PYTHON, SMALL_SHARED

FRAMES, P99, CPU, CLIENT_CPU = "frames_per_second", "p99_ms", "server_cpu_ms", "client_cpu_ms"

FIGURES = {FRAMES: "frames/s", P99: "p99", CPU: "server CPU per frame"}

IDEAL_MODEL = 8 / 0.009
"""Frames/s of the model when its worker never waits: 8 frames every 5 + 8 x 0.5 ms."""

FLOOR = ("floor",)
USUAL = ("triton-callable", "ray")
"""As their own guides begin: a bound callable, Ray's own proxy."""

TUNED = (*USUAL, "triton-backend", "ray-haproxy")
"""And with the hop before the Python code taken out of either."""


@dataclass(frozen=True)
class Target:
    """One figure against somebody else's.

    Args:
        name, streams: The cell.
        figure: Which of its figures.
        rivals: Subjects, of which the one that is better in this figure counts; none means the ideal of the model.
        bound: What the ratio should reach.
        is_least: The ratio should be at least the bound; otherwise at most.
        ours: The subjects that are held against it.
    """

    name: str
    streams: int
    figure: str
    rivals: tuple[str, ...]
    bound: float
    is_least: bool
    ours: tuple[str, ...] = ("framewire", "framewire-inline")


@dataclass(frozen=True)
class Verdict:
    """What a target came to for one subject: the ratio's median and range over the rounds, and against whom."""

    median: float
    least: float
    most: float
    rival: str
    is_met: bool


def _against_floor() -> list[Target]:
    targets = [
        Target(name, streams, FRAMES, FLOOR, 0.85, is_least=True)
        for name in (HD_SHARED, JPEG_SHARED)
        for streams in (1, 4, 16)
    ]
    targets += [Target(HD_EMBEDDED, streams, FRAMES, FLOOR, 1.2, is_least=True) for streams in (1, 4, 16)]
    targets += [Target(HD_EMBEDDED, streams, CPU, FLOOR, 0.8, is_least=False) for streams in (1, 4, 16)]
    targets.append(Target(OPEN_LOOP, 16, P99, FLOOR, 1.5, is_least=False))
    return targets


def _against_peers() -> list[Target]:
    targets = []
    for name, streams, speed, tail in (
        (HD_SHARED, 1, 4.0, 1 / 3),
        (SMALL_SHARED, 4, 3.5, 0.4),
        (SMALL_SHARED, 16, 2.8, 0.5),
        (HD_EMBEDDED, 1, 2.0, 0.5),
    ):
        for rivals in (USUAL, TUNED):
            targets.append(Target(name, streams, FRAMES, rivals, speed, is_least=True))
            targets.append(Target(name, streams, P99, rivals, tail, is_least=False))
    return targets


OWN_TARGETS = [
    *_against_floor(),
    Target(MODEL, 16, FRAMES, (), 0.9, is_least=True, ours=("framewire", "framewire-processes-1")),
    Target(PYTHON, 4, FRAMES, ("framewire-processes-1",), 1.6, is_least=True, ours=("framewire-processes-2",)),
]
PEER_TARGETS = _against_peers()


def judge(target: Target, ours: str, subjects: Mapping[str, Any]) -> Verdict | None:
    """Holds one subject against a target.

    Args:
        target: The target.
        ours: Name of the subject.
        subjects: The cell's results by subject.

    Returns:
        None when the subject or all its rivals have no figures.
    """
    own = _figures(subjects, ours, target.figure)
    if not own:
        return None
    rival = ""
    theirs: Sequence[float] = [IDEAL_MODEL] * len(own)
    if target.rivals:
        measured = {name: figures for name in target.rivals if (figures := _figures(subjects, name, target.figure))}
        if not measured:
            return None
        is_more_better = target.figure == FRAMES
        rival = (max if is_more_better else min)(measured, key=lambda name: statistics.median(measured[name]))
        theirs = measured[rival]
    ratios = [mine / other for mine, other in zip(own, theirs, strict=False)]
    middle = statistics.median(ratios)
    is_met = middle >= target.bound if target.is_least else middle <= target.bound
    return Verdict(middle, min(ratios), max(ratios), rival, is_met)


def _figures(subjects: Mapping[str, Any], name: str, figure: str) -> list[float]:
    result = subjects.get(name, {})
    return [] if "cannot" in result else [one[figure] for one in result.get("rounds", ())]
