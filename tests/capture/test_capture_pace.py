"""When the pictures of a recording are due."""

import pytest

from framewire.capture.pace import Pace


def test_pictures_are_due_when_as_much_time_has_passed_as_between_them() -> None:
    pace = Pace()
    assert pace.wait_s(1_000_000, 50.0) == 0.0
    assert pace.wait_s(1_045_000, 50.1) == pytest.approx(0.4)
    assert pace.wait_s(1_090_000, 50.5) == pytest.approx(0.5)


def test_who_is_late_catches_up() -> None:
    pace = Pace()
    pace.wait_s(0, 0.0)
    assert pace.wait_s(90_000, 3.0) == 0.0
    assert pace.wait_s(180_000, 3.0) == 0.0
    assert pace.wait_s(360_000, 3.0) == pytest.approx(1.0)


def test_who_is_very_late_goes_on_from_there() -> None:
    pace = Pace()
    pace.wait_s(0, 0.0)
    assert pace.wait_s(90_000, 3600.0) == 0.0
    assert pace.wait_s(180_000, 3600.0) == pytest.approx(1.0)
