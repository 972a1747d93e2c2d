"""Pauses before the next try."""

from __future__ import annotations

import pytest

from framewire.errors import ConfigurationError
from framewire.hub.backoff import Backoff, BackoffOptions

OPTIONS = BackoffOptions(first_s=1, longest_s=8, refused_s=60, stable_s=30)


def backoff(dice: float = 1.0) -> Backoff:
    return Backoff(OPTIONS, lambda: dice)


def test_pauses_double_up_to_the_longest() -> None:
    pauses = backoff()
    assert [pauses.pause_s(0) for _ in range(6)] == [1, 2, 4, 8, 8, 8]


def test_the_dice_take_off_up_to_half() -> None:
    assert backoff(0.0).pause_s(0) == 0.5
    assert backoff(0.5).pause_s(0) == 0.75


def test_a_connection_that_held_starts_over() -> None:
    pauses = backoff()
    pauses.pause_s(0)
    pauses.pause_s(0)
    pauses.connected(100)
    assert pauses.pause_s(130) == 1


def test_a_connection_that_did_not_hold_changes_nothing() -> None:
    pauses = backoff()
    pauses.pause_s(0)
    pauses.connected(100)
    assert pauses.pause_s(129.9) == 2
    # Nor does the one of long ago.
    assert pauses.pause_s(1000) == 4


def test_a_connection_that_got_something_done_starts_over_however_short_it_was() -> None:
    pauses = backoff()
    pauses.pause_s(0)
    pauses.pause_s(0)
    pauses.connected(100)
    pauses.useful()
    assert [pauses.pause_s(100), pauses.pause_s(101)] == [1, 2]


def test_a_refusal_is_tried_again_slowly() -> None:
    pauses = backoff()
    assert pauses.pause_s(0, is_refusal=True) == 60
    assert pauses.pause_s(0) == 2


@pytest.mark.parametrize(("first", "longest"), [(0, 1), (2, 1), (1, float("inf")), (float("nan"), 1)])
def test_pauses_that_cannot_be(first: float, longest: float) -> None:
    with pytest.raises(ConfigurationError, match="the pauses before a new try are"):
        BackoffOptions(first_s=first, longest_s=longest)
