"""Sessions without a state: a process is told of them with their first frame, and nobody waits for that before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import process_toys as toys
import pytest
from process_runners import frame_of, info_of, opened, words

from framewire.frames.content import EmbeddedContent
from framewire.model.frame import Frame
from framewire.model.inference import Inference, Text
from framewire.model.terms import Terms
from framewire.processors.api import Processor
from framewire.processors.catalogue import ProcessorKind
from framewire.scheduling import process
from framewire.scheduling.executor import PoolOptions
from framewire.scheduling.executors import ExecutorKind, make_executor
from framewire.scheduling.process import ProcessRunner
from framewire.scheduling.task import FrameTask, Lane


def frames_of(lanes: Sequence[Lane]) -> list[FrameTask]:
    """A frame of each session, without a state."""
    return [FrameTask(lane, 1, 100, EmbeddedContent(bytes(6))) for lane in lanes]


def lanes(names: str) -> list[Lane]:
    return [Lane(info_of(name)) for name in names]


def numbers(runner: ProcessRunner) -> list[int]:
    return [session.number for session in runner._stateless.values()]


def test_frames_without_a_state_come_with_their_session() -> None:
    with opened(toys.Configured) as runner:
        a, b, c = lanes("abc")
        assert words(runner.run(frames_of([a, b, a]))) == ["a None", "b None", "a None"]
        assert words(runner.run(frames_of([c, b]))) == ["c None", "b None"]
        assert numbers(runner) == [1, 2, 3]


def test_the_next_process_is_told_of_the_sessions_as_well() -> None:
    with opened(toys.Configured) as runner:
        (a,) = lanes("a")
        runner.run(frames_of([a]))
        runner.run([FrameTask(a, 1, 100, EmbeddedContent(bytes([toys.EXITED]) * 6))])
        assert words(runner.run(frames_of([a]))) == ["a None"]
        assert runner.replaced == 1


def test_sessions_that_were_forgotten_are_told_of_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_MOST_STATELESS", 2)
    with opened(toys.Configured) as runner:
        a, b, c, d = lanes("abcd")
        # All of a batch are known while it runs.
        assert words(runner.run(frames_of([a, b, c]))) == ["a None", "b None", "c None"]
        assert numbers(runner) == [2, 3]
        assert words(runner.run(frames_of([d, c]))) == ["d None", "c None"]
        assert numbers(runner) == [3, 1]
        assert words(runner.run(frames_of([a, b, c, d]))) == ["a None", "b None", "c None", "d None"]
        assert max(numbers(runner)) == 4


def test_long_configurations_are_not_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_MOST_CONFIGURATION", 5)
    with opened(toys.Configured) as runner:
        a, b, c = Lane(info_of("a" * 3)), Lane(info_of("b" * 3)), Lane(info_of("c" * 6))
        assert words(runner.run(frames_of([a, b]))) == ["aaa None", "bbb None"]
        assert list(runner._stateless) == [b]
        assert words(runner.run(frames_of([c]))) == ["cccccc None"]
        assert list(runner._stateless) == []
        assert words(runner.run(frames_of([c, a, b]))) == ["cccccc None", "aaa None", "bbb None"]


def test_sessions_with_and_without_a_state_do_not_mix() -> None:
    with opened(toys.Moody) as runner:
        state = runner.open_session(info_of("a"))
        (b,) = lanes("b")
        assert words(runner.run([frame_of(state, 1), *frames_of([b])])) == ["1 a#1", "0 b#2"]


class Stateless(Processor):
    """Never runs here."""

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [[Text("")] for _ in frames]


class Stateful(Stateless):
    def open_session(self, session: object) -> object:
        return session


class Ending(Stateless):
    def close_session(self, state: object) -> None:
        pass


@pytest.mark.parametrize(("factory", "is_told"), [(Stateless, False), (Stateful, True), (Ending, True)])
@pytest.mark.parametrize("kind", [ExecutorKind.THREADS, ExecutorKind.PROCESSES])
def test_a_session_waits_for_a_worker_only_if_its_processor_makes_or_ends_a_state(
    kind: ExecutorKind, factory: type[Processor], is_told: bool
) -> None:
    loop = asyncio.new_event_loop()
    executor = make_executor(
        kind, ProcessorKind("toy", factory), factory.Options(), PoolOptions(), deliver=lambda _: None, loop=loop
    )
    # Its worker is not even started: all that it must be asked waits.
    assert executor.open_lane(info_of("a"), Terms()).done() is not is_told
    loop.close()
