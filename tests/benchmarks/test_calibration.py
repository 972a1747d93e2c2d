"""How fast a machine is, and whether it stays so."""

from __future__ import annotations

import calibration
import pytest
from calibration import Calibration, calibrate, drift
from cells import Work


def test_the_best_of_several_series_is_taken_of_either_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds, turns = iter((2628.0, 4409.0, 3100.0)), iter((190.0, 150.0, 170.0))
    monkeypatch.setattr(calibration, "rounds_per_ms", lambda: next(rounds))
    monkeypatch.setattr(calibration, "turns_per_ms", lambda: next(turns))
    assert calibrate(series=3, pause_s=0.0) == Calibration(4409.0, 190.0)


@pytest.mark.parametrize(("work", "expected"), [("model", 0.25), ("python", 0.1), ("intensity", 0.0)])
def test_drift_is_of_the_rate_that_sizes_the_work(work: Work, expected: float) -> None:
    found = [Calibration(1000, 110), Calibration(800, 100), Calibration(900, 105)]
    assert drift(work, found) == pytest.approx(expected)


def test_a_machine_of_even_pace_does_not_drift() -> None:
    assert drift("model", [Calibration(1000, 10)] * 3) == 0.0
