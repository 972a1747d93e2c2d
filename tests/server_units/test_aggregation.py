"""The older answers to batches: early ones that say so, and one that carries everything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.errors import ProtocolError, SharedMemoryError
from framewire.frames.content import EmbeddedContent, ReferencedContent
from framewire.frames.shared_memory import SharedMemoryReader
from framewire.model.format import Encoding, VideoFormat
from framewire.model.frame import SessionInfo
from framewire.model.inference import Event, Text
from framewire.model.message import ContentReference, SharedMemory
from framewire.scheduling.task import FrameTask, Lane
from framewire.server.aggregate import AggregateBatch, Aggregation

LANE = Lane(SessionInfo(VideoFormat(Encoding.JPG, 8, 8), 90_000))


def task(number: int, data: bytes = b"frame") -> FrameTask:
    return FrameTask(LANE, number, number * 100, EmbeddedContent(data))


def early(count: int) -> tuple[Event]:
    return (Event(f"Adding image #{count} to batch.", subtype="BatchAggregation"),)


def settled(aggregation: Aggregation, numbers: Sequence[int]) -> list[AggregateBatch | None]:
    return [aggregation.settle(number, [Text(f"{number}a"), Text(f"{number}b")]) for number in numbers]


def words(batch: AggregateBatch | None) -> str:
    assert batch is not None
    return " ".join(item.value for item in batch.inferences())  # type: ignore[union-attr]


def test_all_frames_but_the_last_of_a_batch_are_answered_early() -> None:
    aggregation = Aggregation(3)
    tasks = [task(number) for number in (2, 3, 4)]
    assert aggregation.add(tasks[0]) == (early(1), ())
    assert aggregation.add(tasks[1]) == (early(2), ())
    assert aggregation.is_idle
    assert aggregation.add(tasks[2]) == (None, tasks)
    assert not aggregation.is_idle


@pytest.mark.parametrize("order", [(2, 3, 4), (4, 3, 2), (3, 4, 2)])
def test_the_last_result_completes_the_batch_and_inferences_keep_the_frames_order(order: tuple[int, ...]) -> None:
    aggregation = Aggregation(3)
    for number in (2, 3, 4):
        aggregation.add(task(number))
    first, second, batch = settled(aggregation, order)
    assert (first, second) == (None, None)
    assert words(batch) == "2a 2b 3a 3b 4a 4b"
    assert batch is not None
    assert (batch.acknowledges, batch.last_timestamp) == (4, 400)
    assert aggregation.is_idle


def test_after_a_batch_the_count_begins_anew() -> None:
    aggregation = Aggregation(2)
    answers = [aggregation.add(task(number))[0] for number in range(2, 7)]
    assert answers == [early(1), None, early(1), None, early(1)]


def test_two_batches_may_run_at_once() -> None:
    aggregation = Aggregation(2)
    for number in (2, 3, 4, 5):
        aggregation.add(task(number))
    none, other, batch, last = settled(aggregation, (2, 4, 5, 3))
    assert (none, other) == (None, None)
    assert words(batch) == "4a 4b 5a 5b"
    assert words(last) == "2a 2b 3a 3b"


def test_what_is_left_at_the_end_goes_out_together_and_acknowledges_nothing() -> None:
    aggregation = Aggregation(5)
    tasks = [task(2), task(3)]
    for one in tasks:
        aggregation.add(one)
    assert aggregation.finish(0.0) == tasks
    none, batch = settled(aggregation, (3, 2))
    assert none is None
    assert words(batch) == "2a 2b 3a 3b"
    assert batch is not None
    assert (batch.acknowledges, batch.last_timestamp) == (0, 300)


def test_with_no_frame_left_there_is_nothing_to_finish() -> None:
    aggregation = Aggregation(2)
    assert aggregation.finish(0.0) == ()
    aggregation.add(task(2))
    aggregation.add(task(3))
    assert aggregation.finish(0.0) == ()


def test_a_frame_that_failed_leaves_the_others_theirs() -> None:
    aggregation = Aggregation(2)
    aggregation.add(task(2))
    aggregation.add(task(3))
    aggregation.settle(2, ())
    assert words(aggregation.settle(3, [Text("3a")])) == "3a"


class TestSharedMemory:
    def test_pixels_are_copied_before_the_early_answer_and_their_lease_has_ended(self, tmp_path: Path) -> None:
        path = tmp_path / "ava"
        path.write_bytes(b"onetwo")
        memory = SharedMemoryReader(SharedMemory("ava", 6), folder=tmp_path)
        tasks = [
            FrameTask(LANE, number, 0, ReferencedContent(memory, ContentReference(offset, 3)))
            for number, offset in ((2, 0), (3, 3))
        ]
        aggregation = Aggregation(2)
        aggregation.add(tasks[0])
        with path.open("r+b") as file:
            file.write(b"XXXYYY")  # the client may do so: its first frame is acknowledged
        aggregation.add(tasks[1])
        assert tasks[0].content.open() == b"one"
        # The last frame is not answered early, so it is read where it lies.
        assert tasks[1].content.open() == b"YYY"
        assert tasks[1].content.release()
        memory.close()

    def test_a_file_that_has_become_too_short_is_an_error(self, tmp_path: Path) -> None:
        path = tmp_path / "ava"
        path.write_bytes(b"onetwo")
        memory = SharedMemoryReader(SharedMemory("ava", 6), folder=tmp_path)
        path.write_bytes(b"one")
        with pytest.raises(SharedMemoryError):
            Aggregation(2).add(FrameTask(LANE, 2, 0, ReferencedContent(memory, ContentReference(3, 3))))
        memory.close()


@given(st.integers(2, 5), st.integers(0, 17), st.randoms(use_true_random=False))
def test_every_frame_is_in_exactly_one_batch(batch_size: int, count: int, random: object) -> None:
    aggregation = Aggregation(batch_size)
    due: list[int] = []
    answered_early = 0
    for number in range(2, count + 2):
        answer, tasks = aggregation.add(task(number))
        answered_early += answer is not None
        due += [one.sequence_number for one in tasks]
    due += [one.sequence_number for one in aggregation.finish(0.0)]
    assert due == list(range(2, count + 2))
    random.shuffle(due)  # type: ignore[attr-defined]
    batches = [batch for batch in settled(aggregation, due) if batch is not None]
    assert sorted(len(batch.tasks) for batch in batches if batch.acknowledges) == [batch_size] * (count // batch_size)
    assert [len(batch.tasks) for batch in batches if not batch.acknowledges] == [count % batch_size] * bool(
        count % batch_size
    )
    assert answered_early + sum(bool(batch.acknowledges) for batch in batches) == count
    assert aggregation.is_idle


def test_frames_that_wait_for_their_batch_are_bounded_in_bytes() -> None:
    aggregation = Aggregation(4, max_held_bytes=250)
    for number in (2, 3):
        aggregation.add(task(number, bytes(100)))
    with pytest.raises(ProtocolError, match="3 frames of a batch of 4 take 300 bytes; allowed: up to 250"):
        aggregation.add(task(4, bytes(100)))


def test_frames_count_as_received_when_their_batch_is_complete() -> None:
    aggregation = Aggregation(2)
    tasks = [task(number) for number in (2, 3, 4)]
    for second, one in enumerate(tasks):
        one.received_s = 10.0 + second
    assert [list(aggregation.add(one)[1]) for one in tasks] == [[], tasks[:2], []]
    assert list(aggregation.finish(20.0)) == tasks[2:]
    assert [one.received_s for one in tasks] == [11.0, 11.0, 20.0]
