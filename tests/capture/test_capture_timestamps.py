"""Where pictures are placed in time."""

from hypothesis import given
from hypothesis import strategies as st

from framewire.capture.clock import TICKS_PER_S
from framewire.capture.timestamps import MediaTime

START = 1_700_000_000 * TICKS_PER_S
PERIOD = 3600


def placed(times: MediaTime, shots: list[tuple[int | None, float]]) -> list[int]:
    """Ticks since the start, for pictures with a media time in ticks that came so many seconds after it."""
    return [times.place(media, arrived_s=arrived_s, period=PERIOD) - START for media, arrived_s in shots]


def live() -> MediaTime:
    times = MediaTime(is_live=True)
    times.begin(START, 0.0)
    return times


def recording() -> MediaTime:
    times = MediaTime(is_live=False)
    times.begin(START, 0.0)
    return times


def test_the_first_picture_is_at_the_wall_clock_and_the_others_follow_their_own_time() -> None:
    assert placed(live(), [(77_000, 0.5), (80_600, 0.5), (90_000, 0.9)]) == [0, 3600, 13_000]


def test_a_camera_that_pauses_leaves_a_gap() -> None:
    times = live()
    assert placed(times, [(0, 0.0), (8 * TICKS_PER_S, 8.0), (68 * TICKS_PER_S, 67.5)]) == [0, 720_000, 6_120_000]
    assert times.jumps == 0


def test_a_jump_ahead_counts_anew_from_what_has_really_passed() -> None:
    times = live()
    assert placed(times, [(0, 0.0), (3600, 0.04), (360_000_000, 0.08), (360_003_600, 0.12)]) == [0, 3600, 7200, 10_800]
    assert times.jumps == 1


def test_a_jump_back_counts_anew_from_what_has_really_passed() -> None:
    times = live()
    assert placed(times, [(900_000, 0.0), (903_600, 0.04), (0, 0.08), (3600, 0.12)]) == [0, 3600, 7200, 10_800]
    assert times.jumps == 1


def test_ten_seconds_ahead_may_be_burst_and_more_may_not() -> None:
    assert placed(live(), [(0, 0.0), (900_000, 0.0)]) == [0, 900_000]
    times = live()
    assert placed(times, [(0, 0.0), (900_002, 0.0)]) == [0, 1]
    assert times.jumps == 1


def test_a_picture_out_of_order_comes_one_tick_later_and_changes_nothing_else() -> None:
    times = live()
    assert placed(times, [(0, 0.0), (7200, 0.08), (3600, 0.08), (10_800, 0.12)]) == [0, 7200, 7201, 10_800]
    assert times.jumps == 0


def test_pictures_without_a_time_are_placed_by_their_arrival() -> None:
    assert placed(live(), [(None, 1.0), (None, 1.5), (None, 1.5), (None, 3.5)]) == [0, 45_000, 45_001, 225_001]


def test_one_picture_without_a_time_among_others_keeps_their_rhythm() -> None:
    assert placed(live(), [(0, 0.0), (None, 0.7), (7200, 0.7), (10_800, 0.7)]) == [0, 3600, 7200, 10_800]


def test_a_time_that_comes_late_is_taken_up_where_it_is_due() -> None:
    assert placed(live(), [(None, 0.0), (500_000, 0.04), (503_600, 0.1)]) == [0, 3600, 7200]


def test_a_new_session_starts_at_its_own_wall_clock() -> None:
    times = live()
    placed(times, [(0, 0.0), (3600, 0.04)])
    times.begin(START + 30 * TICKS_PER_S, 30.0)
    assert placed(times, [(123, 30.1), (3723, 30.2)]) == [2_700_000, 2_703_600]
    assert times.jumps == 0


def test_a_wall_clock_that_was_set_back_does_not_set_back_the_pictures() -> None:
    times = live()
    placed(times, [(0, 0.0), (3600, 0.04)])
    times.begin(START - 3600 * TICKS_PER_S, 5.0)
    assert placed(times, [(0, 5.0), (3600, 5.04)]) == [7200, 10_800]


def test_a_recording_that_starts_over_goes_on_one_period_later() -> None:
    times = recording()
    assert placed(times, [(0, 0.0), (3600, 0.0)]) == [0, 3600]
    times.begin(START + 999 * TICKS_PER_S, 999.0)
    assert placed(times, [(0, 999.0), (3600, 999.0)]) == [7200, 10_800]


def test_a_recording_that_jumps_goes_on_one_period_later() -> None:
    times = recording()
    assert placed(times, [(0, 0.0), (90_000_000, 9.0), (90_003_600, 9.0), (0, 9.0)]) == [0, 3600, 7200, 10_800]
    assert times.jumps == 2


def test_a_recording_without_times_has_its_nominal_rate() -> None:
    assert placed(recording(), [(None, 0.0), (None, 7.0), (None, 7.0)]) == [0, 3600, 7200]


MEDIA = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-100_000, 100_000))


@given(
    st.booleans(),
    st.lists(st.tuples(MEDIA, st.floats(0, 100), st.booleans(), st.integers(-(2**40), 2**40)), max_size=60),
)
def test_timestamps_grow_whatever_comes(is_live: bool, shots: list[tuple[int | None, float, bool, int]]) -> None:
    times = MediaTime(is_live=is_live)
    times.begin(START, 0.0)
    arrived_s, last = 0.0, 0
    for media, passed_s, is_new_session, drift in shots:
        arrived_s += passed_s
        if is_new_session:
            times.begin(START + drift, arrived_s)
        now = times.place(media, arrived_s=arrived_s, period=PERIOD)
        assert now > last
        last = now
