"""The life of connections, moment by moment."""

import pytest

from framewire.capture import CaptureOptions, CaptureState
from framewire.capture.faults import AUTHENTICATION, ENDED, NO_PICTURE, Fault
from framewire.capture.policy import ConnectionPolicy

OPTIONS = CaptureOptions("rtsp://camera/stream")
REFUSED = Fault(AUTHENTICATION, "401", "Unauthorized", "the camera refuses user and password (401)", is_refusal=True)


def new_policy(options: CaptureOptions = OPTIONS, *, draw: float = 0.0) -> ConnectionPolicy:
    return ConnectionPolicy(options, now=100.0, draw=lambda: draw)


def test_a_capture_begins_by_connecting() -> None:
    policy = new_policy()
    assert policy.state is CaptureState.CONNECTING
    assert policy.reconnects == 0
    assert policy.last_fault is None


def test_pauses_double_up_to_a_minute() -> None:
    policy = new_policy()
    pauses = []
    for _ in range(9):
        pauses.append(policy.lose(ENDED, 100.0))
        policy.connect(100.0)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(("draw", "pauses"), [(0.0, [1.0, 2.0]), (0.5, [0.875, 1.75]), (1.0, [0.75, 1.5])])
def test_pauses_are_shortened_by_up_to_a_quarter(draw: float, pauses: list[float]) -> None:
    policy = new_policy(draw=draw)
    assert [policy.lose(ENDED, 100.0) for _ in range(2)] == pauses


@pytest.mark.parametrize(("session_s", "pause_s"), [(59.9, 8.0), (60.0, 1.0)])
def test_a_minute_of_peace_starts_the_pauses_over(session_s: float, pause_s: float) -> None:
    policy = new_policy()
    for _ in range(3):
        policy.lose(ENDED, 100.0)
    policy.connect(110.0)
    policy.establish(111.0)
    assert policy.lose(ENDED, 111.0 + session_s) == pause_s


def test_a_connection_that_never_stood_is_no_peace() -> None:
    policy = new_policy()
    policy.lose(ENDED, 100.0)
    policy.connect(101.0)
    assert policy.lose(ENDED, 1000.0) == 2.0


@pytest.mark.parametrize(("draw", "pause_s"), [(0.0, 60.0), (1.0, 66.0)])
def test_who_is_refused_waits_a_minute_and_never_less(draw: float, pause_s: float) -> None:
    policy = new_policy(draw=draw)
    assert [policy.lose(REFUSED, 100.0) for _ in range(3)] == [pytest.approx(pause_s)] * 3
    assert policy.last_fault is REFUSED


def test_a_refusal_leaves_the_other_pauses_as_they_were() -> None:
    policy = new_policy()
    policy.lose(ENDED, 100.0)
    policy.lose(REFUSED, 100.0)
    assert policy.lose(ENDED, 100.0) == 2.0


@pytest.mark.parametrize(
    ("silent_s", "blind_s", "state", "code"),
    [
        (0.0, 0.0, CaptureState.STREAMING, None),
        (4.9, 4.9, CaptureState.STREAMING, None),
        (5.0, 5.0, CaptureState.STALLED, None),
        (9.9, 9.9, CaptureState.STALLED, None),
        (10.0, 10.0, CaptureState.STALLED, "stalled"),
        (0.0, 89.9, CaptureState.STREAMING, None),
        (0.0, 90.0, CaptureState.STREAMING, "unsupportedVideoFormat"),
    ],
)
def test_silence_is_seen_and_then_ends_the_connection(
    silent_s: float, blind_s: float, state: CaptureState, code: str | None
) -> None:
    policy = new_policy()
    policy.establish(100.0)
    fault = policy.watch(200.0, silent_s=silent_s, blind_s=blind_s)
    assert (fault.code if fault else None) == code
    assert policy.state is state


def test_a_camera_that_speaks_again_streams_again() -> None:
    policy = new_policy()
    policy.establish(100.0)
    policy.watch(107.0, silent_s=7.0, blind_s=7.0)
    assert policy.state is CaptureState.STALLED
    assert policy.watch(108.0, silent_s=0.0, blind_s=0.0) is None
    assert policy.state is CaptureState.STREAMING


def test_the_words_of_a_stall_say_how_long() -> None:
    policy = new_policy()
    policy.establish(100.0)
    fault = policy.watch(110.0, silent_s=10.0, blind_s=0.0)
    assert fault is not None
    assert fault.words == "the camera sent nothing for 10 s"
    assert fault.event == "Diagnostics.NetworkError"


def test_video_without_pictures_is_a_matter_of_the_format() -> None:
    policy = new_policy()
    policy.establish(100.0)
    assert policy.watch(190.0, silent_s=0.0, blind_s=90.0) is NO_PICTURE
    assert NO_PICTURE.event == "Diagnostics.MediaFormatError"


@pytest.mark.parametrize(("waited_s", "is_given_up"), [(10.9, False), (11.0, True)])
def test_connecting_is_given_up_a_second_after_its_own_timeout(waited_s: float, is_given_up: bool) -> None:
    policy = new_policy()
    fault = policy.watch(100.0 + waited_s, silent_s=0.0, blind_s=0.0)
    assert (fault is not None) == is_given_up
    if fault is not None:
        assert fault.words == "no answer within 10 s"


@pytest.mark.parametrize(
    ("fault", "waited_s", "code"),
    [(ENDED, 9.9, "ended"), (ENDED, 10.0, "timeout"), (REFUSED, 10.0, "401")],
)
def test_whatever_ends_a_late_connection_it_was_late(fault: Fault, waited_s: float, code: str) -> None:
    assert new_policy().blame(fault, 100.0 + waited_s).code == code


def test_a_session_that_stood_for_long_was_not_late() -> None:
    policy = new_policy()
    policy.establish(101.0)
    assert policy.blame(ENDED, 1000.0) is ENDED


def test_nobody_watches_during_a_pause_or_after_the_end() -> None:
    policy = new_policy()
    policy.lose(ENDED, 100.0)
    assert policy.watch(999.0, silent_s=99.0, blind_s=99.0) is None
    assert policy.state is CaptureState.BACKING_OFF
    policy.end(999.0)
    assert policy.watch(9999.0, silent_s=99.0, blind_s=99.0) is None
    assert policy.state is CaptureState.ENDED


def test_time_is_counted_state_by_state() -> None:
    policy = new_policy()
    policy.establish(103.0)
    policy.watch(110.0, silent_s=6.0, blind_s=6.0)
    policy.watch(114.0, silent_s=10.0, blind_s=10.0)
    policy.lose(ENDED, 115.0)
    policy.connect(116.0)
    policy.establish(118.5)
    assert policy.seconds(120.0) == {
        CaptureState.CONNECTING: 5.5,
        CaptureState.STREAMING: 8.5,
        CaptureState.STALLED: 5.0,
        CaptureState.BACKING_OFF: 1.0,
        CaptureState.ENDED: 0.0,
    }
    assert policy.reconnects == 1
