"""The runner: one outcome per frame whatever the processor does, and every lease ended."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from toy_tasks import FRAME_BYTES, INFO, CountedContent, Named, kind_of, level_of, runner_of, task

from framewire.errors import FrameError, ProcessorError, SharedMemoryError
from framewire.frames.content import ReferencedContent
from framewire.frames.shared_memory import SharedMemoryReader
from framewire.model.format import VideoFormat
from framewire.model.frame import Frame, SessionInfo
from framewire.model.inference import Event, Inference, Text
from framewire.model.layout import Layout
from framewire.model.message import ContentReference, SharedMemory
from framewire.processors.api import NoOptions, Processor
from framewire.scheduling.runner import ProcessorRunner
from framewire.scheduling.task import FrameTask, Lane, Outcome


def words(outcomes: Sequence[Outcome]) -> list[str]:
    """What came of each frame: its text, or the type of its error."""
    return [
        type(outcome.error).__name__ if outcome.error else ",".join(item.value for item in outcome.inferences)  # type: ignore[union-attr]
        for outcome in outcomes
    ]


def check_leases(tasks: Sequence[FrameTask]) -> None:
    for one in tasks:
        assert isinstance(one.content, CountedContent)
        assert (one.content.opened, one.content.released) == (1, 1)


def test_a_batch_has_one_outcome_per_frame_in_order() -> None:
    tasks = [task(level) for level in (3, 1, 2)]
    outcomes = runner_of(Named).run(tasks)
    assert [outcome.task for outcome in outcomes] == tasks
    assert words(outcomes) == ["3", "1", "2"]
    check_leases(tasks)


def test_a_frame_carries_what_its_task_says() -> None:
    seen: list[Frame] = []

    class Looking(Processor):
        layout = Layout.BGR

        def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
            seen.extend(frames)
            assert [frame.pixels.tolist() for frame in frames] == [[[[3, 2, 1], [6, 5, 4]]]]
            return [()]

    content = CountedContent(0)
    content._data = bytes([1, 2, 3, 4, 5, 6])
    upstream = (Event("x"),)
    runner_of(Looking).run([FrameTask(Lane(INFO), 9, 900, content, upstream, state="state")])
    (frame,) = seen
    assert (frame.session, frame.sequence_number, frame.timestamp) == (INFO, 9, 900)
    assert (frame.upstream, frame.state) == (upstream, "state")


class FailingOn(Named):
    """Raises when a batch holds one of these levels."""

    levels: ClassVar[set[int]] = {2}
    kind: ClassVar[type[BaseException]] = ValueError

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        answers = super().process(frames)
        if self.levels & {level_of(frame) for frame in frames}:
            raise self.kind("no twos")
        return answers


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, MemoryError, StopIteration])
def test_a_batch_that_raises_is_tried_once_more_one_by_one(kind: type[BaseException]) -> None:
    runner = runner_of(type("Failing", (FailingOn,), {"kind": kind}))
    tasks = [task(level) for level in (1, 2, 3)]
    assert words(runner.run(tasks)) == ["1", "ProcessorError", "3"]
    assert runner._processor.batches == [[1, 2, 3], [1], [2], [3]]  # type: ignore[union-attr]
    check_leases(tasks)


def test_a_single_frame_that_raises_is_not_tried_again() -> None:
    runner = runner_of(FailingOn)
    (outcome,) = runner.run([task(2)])
    assert runner._processor.batches == [[2]]  # type: ignore[union-attr]
    assert isinstance(outcome.error, ProcessorError)
    assert outcome.error.problem.startswith("processor toy raised: ValueError: no twos\nTraceback")
    assert outcome.inferences == ()


def test_the_error_of_a_frame_holds_no_traceback_that_holds_frames() -> None:
    for error in [outcome.error for outcome in runner_of(FailingOn).run([task(2), task(1, CountedContent(1, 5))])]:
        assert error is not None
        assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ([], "processor toy answered 0 results for 1 frames; allowed: one list of inferences per frame"),
        ([(), ()], "processor toy answered 2 results for 1 frames; allowed: one list of inferences per frame"),
        ([None], "processor toy answered a NoneType for a frame; allowed: a list of inferences"),
        ([Text("x")], "processor toy answered a Text for a frame; allowed: a list of inferences"),
        (["text"], "processor toy answered a str for a frame; allowed: a list of inferences"),
        (
            [["text"]],
            "processor toy answered a str as an inference; allowed: Classification, Motion, Entity, Text, Event, Other",
        ),
        ([iter([])], "processor toy answered a list_iterator for a frame; allowed: a list of inferences"),
    ],
)
def test_an_answer_of_another_form_is_an_error_by_name(answer: Any, text: str) -> None:
    class Odd(Processor):
        def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
            return answer  # type: ignore[no-any-return]

    tasks = [task(1)]
    (outcome,) = runner_of(Odd).run(tasks)
    assert str(outcome.error) == text
    check_leases(tasks)


@pytest.mark.parametrize("answer", [None, 7, (item for item in ())])
def test_an_answer_that_cannot_be_counted_is_an_error(answer: Any) -> None:
    class Odd(Processor):
        def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
            return answer  # type: ignore[no-any-return]

    (outcome,) = runner_of(Odd).run([task(1)])
    assert isinstance(outcome.error, ProcessorError)


def test_an_illegal_answer_for_one_frame_leaves_the_others_theirs() -> None:
    class Odd(Named):
        def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
            answers = list(super().process(frames))
            answers[1] = ["text"]  # type: ignore[list-item]
            return answers

    runner = runner_of(Odd)
    assert words(runner.run([task(1), task(2), task(3)])) == ["1", "ProcessorError", "3"]
    assert runner._processor.batches == [[1, 2, 3]]  # type: ignore[union-attr]


def test_a_wrong_number_of_results_is_tried_once_more_one_by_one() -> None:
    class Forgetful(Named):
        def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
            return super().process(frames)[:1]

    assert words(runner_of(Forgetful).run([task(1), task(2)])) == ["1", "2"]


def test_a_bad_frame_never_reaches_the_processor_and_spoils_no_other() -> None:
    runner = runner_of(Named)
    tasks = [task(1), task(2, CountedContent(2, FRAME_BYTES - 1)), task(3)]
    outcomes = runner.run(tasks)
    assert words(outcomes) == ["1", "FrameError", "3"]
    assert runner._processor.batches == [[1, 3]]  # type: ignore[union-attr]
    check_leases(tasks)


def test_a_batch_of_bad_frames_alone_does_not_call_the_processor() -> None:
    runner = runner_of(Named)
    assert words(runner.run([task(1, CountedContent(1, 5))])) == ["FrameError"]
    assert runner._processor.batches == []  # type: ignore[union-attr]


def test_a_layout_that_cannot_be_chosen_is_an_error_of_its_frame() -> None:
    class Picky(Named):
        @classmethod
        def layout_for(cls, video_format: VideoFormat) -> Layout:
            raise LookupError("no layout")

    (outcome,) = runner_of(Picky).run([task(1)])
    assert isinstance(outcome.error, ProcessorError)
    assert outcome.error.problem.startswith("processor toy cannot choose a layout: LookupError: no layout")


class TestSharedMemory:
    @pytest.fixture
    def memory(self, tmp_path: Path) -> Iterator[SharedMemoryReader]:
        """Three frames of levels 1, 2 and 3."""
        (tmp_path / "ava").write_bytes(bytes([1] * 6 + [2] * 6 + [3] * 6))
        reader = SharedMemoryReader(SharedMemory("ava", 18), folder=tmp_path)
        yield reader
        reader.close()

    @staticmethod
    def tasks(memory: SharedMemoryReader) -> list[FrameTask]:
        return [
            task(level, ReferencedContent(memory, ContentReference(6 * level - 6, FRAME_BYTES))) for level in (1, 2, 3)
        ]

    def test_frames_are_read_where_they_lie(self, memory: SharedMemoryReader) -> None:
        assert words(runner_of(Named).run(self.tasks(memory))) == ["1", "2", "3"]

    def test_a_file_that_has_become_too_short_is_an_error_that_ends_its_session(
        self, memory: SharedMemoryReader, tmp_path: Path
    ) -> None:
        os.truncate(tmp_path / "ava", 13)
        outcomes = runner_of(Named).run(self.tasks(memory))
        assert words(outcomes) == ["1", "2", "SharedMemoryError"]
        assert isinstance(outcomes[2].error, SharedMemoryError)

    @pytest.mark.parametrize(("keeps", "warnings"), [("pixels", 1), ("frame", 1), ("view", 1), ("copy", 0), ("", 0)])
    def test_a_kept_view_is_noticed_once(
        self, keeps: str, warnings: int, memory: SharedMemoryReader, caplog: pytest.LogCaptureFixture
    ) -> None:
        kept: list[object] = []

        class Keeping(Named):
            def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
                for frame in frames:
                    match keeps:
                        case "pixels":
                            kept.append(frame.pixels)
                        case "frame":
                            kept.append(frame)
                        case "view":
                            kept.append(frame.pixels[0, :1])
                        case "copy":
                            kept.append(frame.pixels.copy())
                return super().process(frames)

        runner = runner_of(Keeping)
        with caplog.at_level(logging.WARNING):
            assert words(runner.run(self.tasks(memory))) == ["1", "2", "3"]
            runner.run(self.tasks(memory))
        told = [record.getMessage() for record in caplog.records]
        assert (
            told
            == [
                "processor toy kept a view of a frame after process returned; the camera will overwrite it: "
                "copy what is kept (frame.pixels.copy())"
            ]
            * warnings
        )

    def test_an_error_does_not_count_as_keeping(
        self, memory: SharedMemoryReader, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Failing(FailingOn):
            def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
                pixels = [frame.pixels for frame in frames]  # lives on in the traceback
                assert len(pixels) == len(frames)
                return super().process(frames)

        assert words(runner_of(Failing).run(self.tasks(memory))) == ["1", "ProcessorError", "3"]
        assert [record.getMessage() for record in caplog.records] == [
            "processor toy failed on a batch of 3; trying its frames one by one"
        ]

    def test_frames_cannot_be_written_to(self, memory: SharedMemoryReader) -> None:
        class Painting(Processor):
            def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
                frames[0].pixels[:] = np.uint8(9)
                return [()]

        (outcome,) = runner_of(Painting).run(self.tasks(memory)[:1])
        assert isinstance(outcome.error, ProcessorError)
        assert "read-only" in outcome.error.problem


class Breaking(Processor):
    """Raises in the method of that name."""

    where: ClassVar[str] = ""

    def __init__(self, options: object = None) -> None:
        super().__init__(options)
        self._raise_in("__init__")

    def _raise_in(self, name: str) -> None:
        if self.where == name:
            raise RuntimeError("broken")

    def open(self) -> None:
        self._raise_in("open")

    def close(self) -> None:
        self._raise_in("close")

    def open_session(self, session: SessionInfo) -> object:
        self._raise_in("open_session")
        return "state"

    def close_session(self, state: object) -> None:
        assert state == "state"
        self._raise_in("close_session")


def breaking(where: str) -> ProcessorRunner:
    return ProcessorRunner(kind_of(type("Broken", (Breaking,), {"where": where})), NoOptions())


@pytest.mark.parametrize("where", ["__init__", "open"])
def test_a_processor_that_cannot_be_opened_is_an_error_with_its_traceback(where: str) -> None:
    with pytest.raises(ProcessorError) as caught:
        breaking(where).open()
    assert caught.value.problem.startswith("processor toy cannot be opened: RuntimeError: broken\nTraceback")


def test_a_session_that_cannot_be_opened_is_an_error() -> None:
    runner = breaking("open_session")
    runner.open()
    with pytest.raises(ProcessorError, match="processor toy cannot open a session: RuntimeError: broken"):
        runner.open_session(INFO)


@pytest.mark.parametrize("where", ["close", "close_session"])
def test_what_fails_while_closing_is_logged_and_no_more(where: str, caplog: pytest.LogCaptureFixture) -> None:
    runner = breaking(where)
    runner.open()
    runner.close_session(runner.open_session(INFO))
    runner.close()
    text = {"close": "processor toy failed to close", "close_session": "processor toy failed to close a session"}
    assert [record.getMessage() for record in caplog.records] == [text[where]]


def test_a_processor_is_closed_once() -> None:
    closed: list[str] = []

    class Once(Named):
        def close(self) -> None:
            closed.append("closed")

    runner = runner_of(Once)
    runner.close()
    runner.close()
    assert closed == ["closed"]


def test_without_an_open_processor_frames_are_answered_with_an_error() -> None:
    runner = ProcessorRunner(kind_of(Named), NoOptions())
    (outcome,) = runner.run([task(1)])
    assert str(outcome.error) == "processor toy is not open"
    assert not isinstance(outcome.error, FrameError)


def test_a_processor_knows_how_many_threads_its_libraries_may_use_when_it_opens() -> None:
    class Asking(Named):
        def open(self) -> None:
            seen.append(self.library_threads)

    seen: list[int] = []
    ProcessorRunner(kind_of(Asking), NoOptions(), library_threads=3).open()
    assert seen == [3]
