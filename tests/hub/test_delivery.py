"""What is on its way to a broker: window, acknowledgements in any order, a message over which connections end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.hub.delivery import Delivery, Verdict, verdict_on


def sending(*numbers: int, acked: int = 0, window: int = 4) -> Delivery:
    delivery = Delivery(acked, window)
    delivery.begin()
    for number in numbers:
        delivery.sent(number)
    return delivery


def test_as_many_are_under_way_as_the_window_has() -> None:
    delivery = Delivery(7, 4)
    delivery.begin()
    assert (delivery.last, delivery.room) == (7, 4)
    delivery.sent(8)
    delivery.sent(10)
    assert (delivery.last, delivery.room) == (10, 2)


def test_a_broker_that_takes_fewer_gets_fewer() -> None:
    delivery = Delivery(0, 4)
    delivery.begin(receive_maximum=2)
    assert delivery.room == 2
    delivery.begin(receive_maximum=65_535)
    assert delivery.room == 4


def test_what_is_settled_in_order_is_done_at_once() -> None:
    delivery = sending(1, 2, 3)
    assert [delivery.settled(number) for number in (1, 2, 3)] == [1, 2, 3]
    assert delivery.is_idle


def test_what_is_settled_early_waits_for_the_older_ones() -> None:
    delivery = sending(1, 2, 3)
    assert delivery.settled(2) is None
    assert delivery.settled(3) is None
    assert delivery.settled(1) == 3
    assert delivery.room == 4


def test_an_unknown_number_changes_nothing() -> None:
    delivery = sending(1)
    assert delivery.settled(5) is None
    assert delivery.settled(1) == 1
    assert delivery.settled(1) is None


def test_a_new_connection_begins_with_the_oldest_that_is_not_settled() -> None:
    delivery = sending(1, 2, 3)
    delivery.settled(1)
    delivery.settled(3)
    assert delivery.broken(None) is None
    delivery.begin()
    assert (delivery.last, delivery.room) == (1, 1)


def test_a_connection_that_just_ends_costs_no_message() -> None:
    delivery = sending(1)
    for _ in range(50):
        assert delivery.broken(None) is None
        assert delivery.broken(0x8B) is None  # the broker shuts down
        delivery.begin()
        delivery.sent(1)


def test_after_a_connection_that_ended_in_the_middle_messages_go_one_by_one_until_one_is_through() -> None:
    delivery = sending(1, 2)
    delivery.broken(None)
    delivery.begin()
    assert delivery.room == 1
    # Nor does it help to break before anything was sent.
    delivery.broken(None)
    delivery.begin()
    assert delivery.room == 1
    delivery.sent(1)
    delivery.settled(1)
    assert delivery.room == 4
    delivery.broken(None)
    delivery.begin()
    assert delivery.room == 4


@pytest.mark.parametrize("reason_code", [0x81, 0x90, 0x95, 0x99])
def test_a_message_over_which_the_broker_ends_the_connection_twice_is_given_up(reason_code: int) -> None:
    delivery = sending(1, 2, 3)
    assert delivery.broken(reason_code) is None
    delivery.begin()
    assert delivery.room == 1
    delivery.sent(1)
    assert delivery.room == 0
    assert delivery.settled(1) == 1
    # The first one was not it: at full speed again, until it happens again.
    assert delivery.room == 4
    delivery.sent(2)
    delivery.sent(3)
    assert delivery.broken(reason_code) is None
    delivery.begin()
    delivery.sent(2)
    assert delivery.broken(reason_code) == 2
    delivery.begin()
    assert (delivery.last, delivery.room) == (2, 4)


def test_one_that_is_alone_is_given_up_at_once() -> None:
    assert sending(5).broken(0x95) == 5


def test_nothing_under_way_is_nothing_to_give_up() -> None:
    assert sending().broken(0x95) is None


@pytest.mark.parametrize(
    ("reason_code", "verdict"),
    [
        (0x00, Verdict.TAKEN),
        (0x10, Verdict.TAKEN),  # nobody listens
        (0x80, Verdict.REFUSED),
        (0x87, Verdict.REFUSED),
        (0x95, Verdict.REFUSED),
        (0x97, Verdict.LATER),
    ],
)
def test_what_an_acknowledgement_says(reason_code: int, verdict: Verdict) -> None:
    assert verdict_on(reason_code) is verdict


@given(st.lists(st.sampled_from(["send", "settle", "break"]), max_size=60), st.randoms(use_true_random=False))
def test_every_message_is_settled_once_and_in_order(steps: list[str], random: object) -> None:
    """Against a plain model: a message counts as done when it and all older ones were settled on some connection."""
    delivery, under_way, done, top = Delivery(0, 3), [], 0, 0
    settled: set[int] = set()
    delivery.begin()
    for step in steps:
        if step == "send" and delivery.room:
            number = delivery.last + 1
            delivery.sent(number)
            under_way.append(number)
            top = max(top, number)
        elif step == "settle" and under_way:
            number = under_way.pop(random.randrange(len(under_way)))  # type: ignore[attr-defined]
            settled.add(number)
            answer = delivery.settled(number)
            while done + 1 in settled:
                done += 1
            assert answer in (None, done)
        elif step == "break":
            delivery.broken(None)
            delivery.begin()
            under_way.clear()
            settled = {number for number in settled if number <= done}
            assert delivery.last == done
        assert len(under_way) <= 3
        assert done <= top
