"""How figures are held against targets, and what the document says of it."""

from __future__ import annotations

from typing import Any

import pytest
import report
from cells import HD_SHARED, JPEG_SHARED, MODEL, PYTHON
from targets import FRAMES, P99, TUNED, USUAL, Target, judge


def rounds(*figures: tuple[float, float]) -> dict[str, Any]:
    """Results of a subject: frames/s and p99 of each round."""
    return {
        "rounds": [
            {
                "frames_per_second": speed,
                "p50_ms": 1.0,
                "p99_ms": p99,
                "max_ms": 9.0,
                "server_cpu_ms": 0.5,
                "client_cpu_ms": 0.2,
                "frames": 100,
            }
            for speed, p99 in figures
        ],
        "failures": [],
    }


SUBJECTS = {
    "floor": rounds((100, 10), (200, 10), (400, 10)),
    "framewire": rounds((90, 5), (170, 4), (400, 3)),
    "triton-callable": rounds((10, 50), (20, 40), (30, 30)),
    "triton-backend": rounds((40, 8), (40, 8), (40, 8)),
    "ray": rounds((15, 20), (15, 20), (15, 20)),
    "mlserver": {"cannot": "UNIMPLEMENTED: Method not found!"},
}


def test_ratios_are_formed_round_by_round() -> None:
    verdict = judge(Target(HD_SHARED, 1, FRAMES, ("floor",), 0.85, is_least=True), "framewire", SUBJECTS)
    assert verdict is not None
    assert (verdict.median, verdict.least, verdict.most) == (0.9, 0.85, 1.0)
    assert verdict.is_met


@pytest.mark.parametrize(
    ("figure", "rivals", "rival", "median"),
    [
        (FRAMES, USUAL, "triton-callable", 9.0),
        (P99, USUAL, "ray", 0.2),
        (FRAMES, TUNED, "triton-backend", 4.25),
        (P99, TUNED, "triton-backend", 0.5),
    ],
)
def test_the_rival_is_whoever_is_better_in_the_figure(
    figure: str, rivals: tuple[str, ...], rival: str, median: float
) -> None:
    verdict = judge(Target(HD_SHARED, 1, figure, rivals, 1.0, is_least=figure == FRAMES), "framewire", SUBJECTS)
    assert verdict is not None
    assert (verdict.rival, verdict.median) == (rival, median)


def test_the_model_is_held_against_a_worker_that_never_waits() -> None:
    subjects = {"framewire": rounds((800, 1))}
    verdict = judge(Target(MODEL, 16, FRAMES, (), 0.9, is_least=True), "framewire", subjects)
    assert verdict is not None
    assert round(verdict.median, 3) == 0.9


def test_who_has_no_figures_gets_no_verdict() -> None:
    target = Target(HD_SHARED, 1, FRAMES, ("floor",), 0.85, is_least=True)
    assert judge(target, "mlserver", SUBJECTS) is None
    assert judge(target, "framewire-inline", SUBJECTS) is None
    assert judge(target, "framewire", {"framewire": rounds((90, 5))}) is None


RESULTS = {
    "made": "2026-11-22",
    "command": "python benchmarks/run.py",
    "machine": "2 cores",
    "took_s": 120,
    "load_at_start": 0.5,
    "rounds": 3,
    "seconds": 3.0,
    "in_flight": 4,
    "cells": [{"name": HD_SHARED, "streams": 1, "offered": None, "subjects": SUBJECTS}],
    "idle_cpu_s": {"floor": 0.0},
    "versions": {"own": {"grpcio": "1.85.1"}},
}


def test_the_document_shows_targets_medians_and_what_could_not_be_done() -> None:
    text = report.document(RESULTS)
    lines = text.splitlines()
    assert (
        "| 1080p RGB24, shared memory | 1 | frames/s | floor | at least 0.85 | 0.90 (0.85 to 1.00) met |  |  |  |"
        in lines
    )
    assert (
        "| 1080p RGB24, shared memory | 1 | p99 | either form: Triton, model.py | at most 0.33 | "
        "0.50 (0.38 to 0.62) **missed** |  |" in lines
    )
    assert (
        "| 1080p RGB24, shared memory, 1 stream | 200 (10.0) | 170 (4.0) | 40 (8.0) | 20 (40.0) | 15 (20.0) | cannot |"
        in lines
    )
    assert "| 1080p RGB24, shared memory | 1 | 200 | 170 | 40 | 20 | 15 | cannot |" in lines
    assert "- MLServer cannot: `UNIMPLEMENTED: Method not found!`: 1080p RGB24, shared memory (1)" in lines
    assert (
        "| 10 ms of pure Python | 4 | frames/s | framewire, 1 process | at least 1.6 |  |  |  | not measured |" in lines
    )
    assert "- floor, framewire and the load: grpcio 1.85.1" in lines


def cell(name: str, streams: int, subjects: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "streams": streams, "offered": None, "subjects": subjects, **more}


def test_each_figure_stands_below_the_server_that_was_measured() -> None:
    processes = {"framewire-processes-1": rounds((90, 1)), "framewire-processes-2": rounds((180, 1))}
    model = {"framewire": rounds((800, 1)), "framewire-processes-1": rounds((400, 1))}
    results = {"cells": [cell(PYTHON, 4, processes), cell(MODEL, 16, model)]}
    lines = report.target_table(results, report.OWN_TARGETS).splitlines()
    assert lines[0] == (
        "| load | streams | figure | against | target | framewire | framewire, inline | framewire, 1 process | "
        "framewire, 2 processes |"
    )
    assert lines[1] == "|---|---|---|---|---|---|---|---|---|"
    assert lines[-2:] == [
        "| 5 ms + 0.5 ms model, batch 8 | 16 | frames/s | the ideal, 889 | at least 0.9 | 0.90 (0.90 to 0.90) met |  | "
        "0.45 (0.45 to 0.45) **missed** |  |",
        "| 10 ms of pure Python | 4 | frames/s | framewire, 1 process | at least 1.6 |  |  |  | "
        "2.00 (2.00 to 2.00) met |",
    ]
    peers = report.target_table(results, report.PEER_TARGETS).splitlines()
    assert peers[0] == "| load | streams | figure | against | target | framewire | framewire, inline |"


def test_nothing_is_judged_by_an_ideal_that_the_machine_did_not_keep_to() -> None:
    def model_row(drift: float) -> str:
        results = {"cells": [cell(MODEL, 16, {"framewire": rounds((800, 1))}, drift=drift)]}
        return next(line for line in report.target_table(results, report.OWN_TARGETS).splitlines() if MODEL in line)

    assert model_row(0.05).endswith("| 0.90 (0.90 to 0.90) met |  |  |  |")
    assert model_row(0.12).endswith("| 0.90 (0.90 to 0.90) not judged: calibrations differ by 12% |  |  |  |")


@pytest.mark.parametrize(
    ("drift", "beginning"),
    [
        ({}, "How fast the machine was when this was measured is not known"),
        ({"drift": 0.012}, "The calibrations that say how much work a millisecond is, before the run, "),
        ({"drift": 0.051}, "**The machine did not keep its pace**: "),
    ],
    ids=["older", "steady", "unsteady"],
)
def test_the_document_says_whether_the_machine_kept_its_pace(drift: dict[str, float], beginning: str) -> None:
    assert report.pace_note([cell(MODEL, 16, {}, **drift)], MODEL).startswith(beginning)
    results = RESULTS | {"cells": [cell(MODEL, 16, SUBJECTS, **drift)]}
    assert beginning in report.document(results)


def test_figures_of_a_floor_that_decoded_colours_are_shown_and_not_judged() -> None:
    results = RESULTS | {"cells": [cell(JPEG_SHARED, 1, SUBJECTS)]}
    beginning = "| 416x416 JPEG, shared memory | 1 | frames/s | floor | at least 0.85 | 0.90 (0.85 to 1.00) "
    older, newer = report.document(results), report.document(results | {"floor_jpeg": "luma"})
    assert f"{beginning}not judged: the floor decoded colours |  |  |  |" in older.splitlines()
    assert "**When these figures were made the floor still decoded the colours of a JPEG**" in older
    assert f"{beginning}met |  |  |  |" in newer.splitlines()
    assert "Of a JPEG everybody decodes the luma alone" in newer


def test_a_server_that_needed_another_try_is_told() -> None:
    result = rounds((10, 1)) | {"failures": ["its answers stay away"]}
    cells = [{"name": HD_SHARED, "streams": 4, "offered": None, "subjects": {"ray": result}}]
    assert report.cannot_list(cells) == (
        "- Ray Serve failed in a round and got another try: `its answers stay away`: 1080p RGB24, shared memory (4)"
    )
