"""Threads of libraries: so many that all workers together have a core each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from framewire.scheduling.library_threads import share_of_cores

NEEDS_TWO_CORES = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="OpenBLAS has no more threads than cores, whatever it is told"
)

TELLING = """
import cv2, numpy, os
from threadpoolctl import threadpool_info
from framewire.scheduling.library_threads import cap_library_threads
cap_library_threads(1)
pools = {pool["internal_api"]: pool["num_threads"] for pool in threadpool_info()}
print(cv2.getNumThreads(), pools["openblas"], *map(os.environ.get, ("OMP_NUM_THREADS", "MKL_NUM_THREADS")))
"""


@pytest.mark.parametrize(("cores", "workers", "share"), [(1, 1, 1), (8, 1, 8), (8, 3, 2), (2, 5, 1)])
def test_the_cores_are_shared_among_the_workers(
    monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, share: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert share_of_cores(workers, Path("no such file")) == share


@pytest.mark.parametrize(
    ("quota", "workers", "share"),
    [("max 100000", 2, 4), ("200000 100000", 1, 2), ("150000 100000", 1, 2), ("50000 100000", 4, 1), ("?", 1, 8)],
)
def test_a_quota_of_the_container_counts_as_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quota: str, workers: int, share: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert share_of_cores(workers, tmp_path / "cpu.max") == share


@pytest.mark.parametrize(
    ("set_by_operator", "told"),
    [
        ({}, "1 1 1 1"),
        pytest.param({"OMP_NUM_THREADS": "2"}, "1 2 2 None", marks=NEEDS_TWO_CORES),
        pytest.param({"OPENBLAS_NUM_THREADS": "2"}, "1 2 1 1", marks=NEEDS_TWO_CORES),
        pytest.param({"GOTO_NUM_THREADS": "2"}, "1 2 1 1", marks=NEEDS_TWO_CORES),
        ({"NUMEXPR_NUM_THREADS": "2"}, "1 1 1 1"),
        ({"MKL_NUM_THREADS": "2"}, "1 1 1 2"),
        ({"OMP_NUM_THREADS": ""}, "1 1 1 1"),
    ],
)
def test_libraries_that_are_loaded_and_those_that_will_be_are_capped_and_the_operator_has_the_last_word(
    set_by_operator: dict[str, str], told: str
) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.endswith("_THREADS")}
    finished = subprocess.run(
        [sys.executable, "-c", TELLING],
        env={**plain, **set_by_operator},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.stdout.split() == told.split(), finished.stderr
