import pytest

from framewire.sources.timeline import Timeline


def placed(*times: float | None, period_s: float = 0.1) -> list[float]:
    timeline = Timeline(period_s)
    return [timeline.place(time) for time in times]


def test_times_count_from_the_first_frame() -> None:
    assert placed(7.0, 7.5, 9.0) == pytest.approx([0.0, 0.5, 2.0])


def test_frames_without_a_time_follow_at_the_nominal_rate() -> None:
    assert placed(None, None, None) == pytest.approx([0.0, 0.1, 0.2])


def test_a_single_frame_without_a_time_does_not_upset_the_others() -> None:
    assert placed(1.0, None, 1.2, 1.3) == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_a_jump_back_counts_on_one_frame_later() -> None:
    assert placed(0.0, 0.1, 0.2, 0.0, 0.1, 0.2) == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_a_time_that_comes_twice_still_grows() -> None:
    assert placed(0.0, 0.5, 0.5, 0.6) == pytest.approx([0.0, 0.5, 0.6, 0.7])


def test_the_first_known_time_joins_those_that_were_not_known() -> None:
    assert placed(None, 100.0, 100.4) == pytest.approx([0.0, 0.1, 0.5])
