"""One processor instance and the batches that it runs: leases, retries, and the judgement of its answers."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from framewire.errors import FrameError, FramewireError, ProcessorError, ProtocolError
from framewire.frames.decode import read_frame
from framewire.model.format import Encoding
from framewire.model.frame import Frame, SessionInfo
from framewire.model.inference import INFERENCE_KINDS, Inference
from framewire.model.layout import Layout
from framewire.processors.api import Processor
from framewire.processors.catalogue import ProcessorKind
from framewire.scheduling.task import FrameTask, Outcome

_E = TypeVar("_E", bound=FramewireError)

_log = logging.getLogger(__name__)


def nothing() -> None:
    """For whom nobody waits."""


class Runner(Protocol):
    """Runs batches for one worker, on one thread at a time: here, in a process, or on another machine."""

    replaced: int
    """How often what it runs on was lost and replaced."""

    tends: bool
    """Whether :meth:`tend` is to be called."""

    @property
    def is_opening(self) -> bool:
        """Whether it is only being made ready again: frames wait for it, whatever else there is. Any thread."""

    def open(self) -> None:
        """Makes the processor ready; raises ProcessorError when it cannot be."""

    def close(self) -> None:
        """Ends it; never raises."""

    def open_session(self, info: SessionInfo) -> object:
        """A state for a session, which comes back with its frames; raises ProcessorError."""

    def close_session(self, state: object) -> None:
        """Gives a state back; never raises."""

    def rest_s(self) -> float:
        """Seconds for which no batch can be run, because what it runs on was lost; 0 as a rule. Any thread.

        While it opens again, that is more than 0, too.
        """

    def tend(self) -> None:
        """Sees after what it runs on; never raises.

        Called on the worker's thread while it has nothing to do, at least every second, and sooner when a rest ends.
        """

    def run(self, tasks: Sequence[FrameTask], begun: Callable[[], None] = nothing) -> list[Outcome]:
        """Processes a batch: one outcome per task, in order, with all leases ended.

        Args:
            tasks: The batch.
            begun: Called on this thread before whatever may take long, as often as that is; never when nothing does.
        """


class ProcessorRunner:
    """Owns one instance of a processor. Synchronous; used by one thread at a time.

    Whatever the processor raises is caught, SystemExit too: one that calls sys.exit must not take the server with it.
    A process that it forks, and that comes back here, ends here: it must not go on as if it were the one that we serve.

    Args:
        kind: The processor.
        options: Its options.
        library_threads: How many threads its libraries may use.
    """

    tends = False
    is_opening = False

    def __init__(self, kind: ProcessorKind, options: Any, *, library_threads: int = 1) -> None:
        self._name = kind.name
        self._factory = kind.factory
        self._options = options
        self._library_threads = library_threads
        self._processor: Processor | None = None
        self._pid = os.getpid()
        self.replaced = 0
        self._has_warned_of_kept_view = False

    def open(self) -> None:
        """Makes and opens the instance.

        Raises:
            ProcessorError: Its constructor or its ``open`` raised.
        """
        self._pid = os.getpid()
        try:
            processor = self._factory(self._options)
            processor.library_threads = self._library_threads
            processor.open()
        except BaseException as error:
            raise self._failed("cannot be opened", error) from error
        self._end_fork()
        self._processor = processor

    def close(self) -> None:
        """Closes the instance; an error in it is logged, as nobody is left to be told."""
        if self._processor is None:
            return
        try:
            self._processor.close()
        except BaseException as error:
            self._end_fork(error)
            _log.exception("processor %s failed to close", self._name)
        self._end_fork()
        self._processor = None

    def open_session(self, info: SessionInfo) -> object:
        """The processor's state for a new session.

        Raises:
            ProcessorError: The processor raised.
        """
        try:
            state = self._opened.open_session(info)
        except BaseException as error:
            self._end_fork(error)
            _log.exception("processor %s failed to open a session", self._name)
            raise self._failed("cannot open a session", error) from error
        self._end_fork()
        return state

    def close_session(self, state: object) -> None:
        """Gives the state of an ended session back; an error is logged."""
        try:
            self._opened.close_session(state)
        except BaseException as error:
            self._end_fork(error)
            _log.exception("processor %s failed to close a session", self._name)
        self._end_fork()

    def rest_s(self) -> float:
        """Nothing: it runs here."""
        return 0.0

    def tend(self) -> None:
        """Nothing to see after."""

    def run(self, tasks: Sequence[FrameTask], begun: Callable[[], None] = nothing) -> list[Outcome]:
        """Processes a batch: see :meth:`Runner.run`."""
        outcomes = [Outcome(task) for task in tasks]
        frames: list[Frame] = []
        framed: list[Outcome] = []
        try:
            for outcome in outcomes:
                if outcome.task.lane.info.video_format.encoding is not Encoding.RAW:
                    begun()
                try:
                    frames.append(self._frame(outcome.task))
                    framed.append(outcome)
                except (FrameError, ProtocolError, ProcessorError) as error:
                    outcome.error = _bare(error)
            if frames:
                begun()
                self._process(frames, framed)
        finally:
            # An array of a frame must be gone before its lease is, so that a kept one is noticed.
            frames.clear()
            for outcome in outcomes:
                if not outcome.task.content.release():
                    self._warn_of_kept_view()
        return outcomes

    def _frame(self, task: FrameTask) -> Frame:
        info = task.lane.info
        try:
            layout = Layout(self._factory.layout_for(info.video_format))
        except BaseException as error:
            raise self._failed("cannot choose a layout", error) from None
        pixels = read_frame(task.content.open(), info.video_format, layout)
        # The same whether the frame was decoded or lies in the camera's memory: a processor finds out at once.
        pixels.flags.writeable = False
        return Frame(pixels, info, task.sequence_number, task.timestamp, task.upstream, task.state)

    def _process(self, frames: list[Frame], outcomes: list[Outcome]) -> None:
        try:
            answers = self._answers(frames)
        except ProcessorError as error:
            if len(frames) == 1:
                outcomes[0].error = _bare(error)
                return
            # One camera cannot spoil another's batch: each frame has a second chance on its own.
            _log.warning("processor %s failed on a batch of %d; trying its frames one by one", self._name, len(frames))
            for frame, outcome in zip(frames, outcomes, strict=True):
                self._process([frame], [outcome])
            return
        for outcome, answer in zip(outcomes, answers, strict=True):
            try:
                outcome.inferences = self._judged(answer)
            except ProcessorError as error:
                outcome.error = _bare(error)

    def _answers(self, frames: list[Frame]) -> Sequence[Sequence[Inference]]:
        try:
            answers = self._opened.process(frames)
            count = len(answers)
        except BaseException as error:
            raise self._failed("raised", error) from None
        self._end_fork()
        if count != len(frames):
            raise ProcessorError(
                f"processor {self._name} answered {count} results for {len(frames)} frames",
                allowed="one list of inferences per frame",
            )
        return answers

    def _judged(self, answer: Sequence[Inference]) -> Sequence[Inference]:
        if not isinstance(answer, list | tuple):
            raise ProcessorError(
                f"processor {self._name} answered a {type(answer).__name__} for a frame", allowed="a list of inferences"
            )
        for inference in answer:
            if not isinstance(inference, INFERENCE_KINDS):
                raise ProcessorError(
                    f"processor {self._name} answered a {type(inference).__name__} as an inference",
                    allowed=", ".join(kind.__name__ for kind in INFERENCE_KINDS),
                )
        return answer

    @property
    def _opened(self) -> Processor:
        if self._processor is None:
            raise ProcessorError(f"processor {self._name} is not open")
        return self._processor

    def _end_fork(self, error: BaseException | None = None) -> None:
        """Ends this process if the processor has forked it, with the exit status that `error` asks for."""
        if os.getpid() != self._pid:
            code = error.code if isinstance(error, SystemExit) else None if error is None else 1
            os._exit(code & 0xFF if isinstance(code, int) else 0 if code is None else 1)

    def _failed(self, what: str, error: BaseException) -> ProcessorError:
        self._end_fork(error)
        if isinstance(error, ProcessorError):
            return error
        text = "".join(traceback.format_exception(error))
        return ProcessorError(f"processor {self._name} {what}: {type(error).__name__}: {error}\n{text}")

    def _warn_of_kept_view(self) -> None:
        if not self._has_warned_of_kept_view:
            self._has_warned_of_kept_view = True
            _log.warning(
                "processor %s kept a view of a frame after process returned; the camera will overwrite it: "
                "copy what is kept (frame.pixels.copy())",
                self._name,
            )


def _bare(error: _E) -> _E:
    """The error without what led to it: a traceback holds local variables, and they hold arrays in leased memory."""
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error
