"""Places in shared memory: never two that overlap, never one outside, and all of it free again in the end."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from framewire.client.slots import SlotAllocator
from framewire.errors import ClosedError


def test_places_follow_each_other_and_the_first_gap_that_fits_is_reused() -> None:
    slots = SlotAllocator(100)
    assert [slots.take(40), slots.take(30), slots.take(30), slots.take(1)] == [0, 40, 70, None]
    slots.free(40)
    assert slots.take(31) is None
    assert [slots.take(10), slots.take(20), slots.take(1)] == [40, 50, None]


def test_neighbours_that_are_free_are_one_place() -> None:
    slots = SlotAllocator(90)
    assert [slots.take(30), slots.take(30), slots.take(30)] == [0, 30, 60]
    slots.free(60)
    slots.free(30)
    assert slots.take(60) == 30


def test_the_whole_memory_is_one_place_and_a_byte_more_is_none() -> None:
    slots = SlotAllocator(10)
    assert slots.take(11) is None
    assert slots.take(10) == 0
    slots.free(0)
    assert slots.take(10) == 0


def test_frames_of_no_bytes_have_places_of_their_own() -> None:
    slots = SlotAllocator(3)
    assert [slots.take(0), slots.take(0), slots.take(1), slots.take(0)] == [0, 1, 2, None]
    slots.free(0)
    assert slots.take(1) == 0


@pytest.mark.parametrize("offset", [5, 0, -1, 100])
def test_a_place_that_is_not_taken_cannot_be_freed(offset: int) -> None:
    slots = SlotAllocator(10)
    slots.take(5)
    slots.free(0)
    with pytest.raises(ClosedError, match=f"no slot is taken at offset {offset}"):
        slots.free(offset)


class AnyUse(RuleBasedStateMachine):
    """Beside a slow model: one set of bytes per place."""

    @initialize(length=st.integers(0, 40))
    def make(self, length: int) -> None:
        self.length = length
        self.slots = SlotAllocator(length)
        self.places: dict[int, set[int]] = {}

    @rule(length=st.integers(0, 20))
    def take(self, length: int) -> None:
        offset = self.slots.take(length)
        bytes_needed = max(1, length)
        taken = set().union(*self.places.values())
        starts = [
            start
            for start in range(self.length - bytes_needed + 1)
            if not taken & set(range(start, start + bytes_needed))
        ]
        assert offset == (starts[0] if starts else None)
        if offset is not None:
            self.places[offset] = set(range(offset, offset + bytes_needed))

    @precondition(lambda self: self.places)
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.places)))
        self.slots.free(offset)
        del self.places[offset]
        with pytest.raises(ClosedError):
            self.slots.free(offset)

    @invariant()
    def no_two_places_overlap_and_none_is_outside(self) -> None:
        taken = [byte for place in self.places.values() for byte in place]
        assert len(taken) == len(set(taken))
        assert set(taken) <= set(range(self.length))

    def teardown(self) -> None:
        if hasattr(self, "slots"):
            for offset in self.places:
                self.slots.free(offset)
            assert self.slots.take(self.length) == (0 if self.length else None)


AnyUse.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestAnyUse = AnyUse.TestCase
