"""What may be in flight: reading stops at either limit, and whoever waits is woken when there is room."""

from __future__ import annotations

import asyncio

import pytest

from framewire.server.budget import Budget, BudgetStatistics


async def waiting(budget: Budget, count: int = 1) -> list[asyncio.Task[None]]:
    """Tasks that have come to wait in `room`."""
    tasks = [asyncio.create_task(budget.room()) for _ in range(count)]
    await turn()
    assert not any(task.done() for task in tasks)
    return tasks


async def turn() -> None:
    """Lets everything that can go on go on."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("taken", "has_room"),
    [([], True), ([10], True), ([10, 10], False), ([99], True), ([100], False), ([500], False), ([0, 0], False)],
)
def test_there_is_room_below_both_limits(taken: list[int], has_room: bool) -> None:
    budget = Budget(max_frames=2, max_bytes=100)
    for length in taken:
        budget.take(length)
    assert (budget.frames, budget.bytes, budget.has_room) == (len(taken), sum(taken), has_room)


def test_what_is_given_back_makes_room_again() -> None:
    budget = Budget(1, 100)
    budget.take(100)
    budget.give(100)
    assert (budget.frames, budget.bytes, budget.has_room) == (0, 0, True)


async def test_with_room_nobody_waits() -> None:
    await Budget(1, 1).room()


@pytest.mark.parametrize("budget", [Budget(1, 1000), Budget(10, 100)])
async def test_without_room_one_waits_until_a_frame_is_given_back(budget: Budget) -> None:
    budget.take(100)
    (task,) = await waiting(budget)
    budget.give(100)
    await task


async def test_a_frame_given_back_that_makes_no_room_wakes_nobody() -> None:
    budget = Budget(10, 100)
    budget.take(10)
    budget.take(200)
    (task,) = await waiting(budget)
    budget.give(10)
    await turn()
    assert not task.done()
    budget.give(200)
    await task


async def test_one_who_gave_up_waiting_does_not_take_the_turn_of_another() -> None:
    budget = Budget(1, 100)
    budget.take(1)
    gone, staying = await waiting(budget, 2)
    gone.cancel()
    budget.give(1)
    await staying
    assert gone.cancelled()


async def test_one_who_is_woken_and_gives_up_does_not_take_the_turn_of_another() -> None:
    budget = Budget(1, 100)
    budget.take(1)
    gone, staying = await waiting(budget, 2)
    budget.give(1)
    gone.cancel()
    await staying


async def test_one_who_is_woken_after_the_room_was_taken_again_goes_on_waiting() -> None:
    budget = Budget(1, 100)
    budget.take(1)
    (task,) = await waiting(budget)
    budget.give(1)
    budget.take(1)
    await turn()
    assert not task.done()
    budget.give(1)
    await task


async def test_a_hundred_who_wait_share_three_places() -> None:
    budget = Budget(3, 1000)
    most = finished = 0

    async def stream() -> None:
        nonlocal most, finished
        await budget.room()
        budget.take(10)
        most = max(most, budget.frames)
        await asyncio.sleep(0)
        budget.give(10)
        finished += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(100):
            tasks.create_task(stream())
    assert (most, finished) == (3, 100)
    assert (budget.frames, budget.bytes) == (0, 0)


async def test_statistics_tell_what_is_used_what_was_at_most_and_who_waits() -> None:
    budget = Budget(2, 1000)
    budget.take(10)
    budget.take(300)
    budget.give(10)
    assert budget.statistics() == BudgetStatistics(frames=1, most_frames=2, bytes=300, most_bytes=310, waiting=0)
    budget.take(5)
    tasks = await waiting(budget, 3)
    assert budget.statistics() == BudgetStatistics(frames=2, most_frames=2, bytes=305, most_bytes=310, waiting=3)
    budget.give(5)
    await asyncio.gather(*tasks)
    assert budget.statistics().waiting == 0
