"""A processor in a process of its own: what it does to that process, its server survives."""

from __future__ import annotations

import itertools
import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from framewire.errors import (
    BusyError,
    FrameError,
    FramewireError,
    ProcessorError,
    ProtocolError,
    UnavailableError,
)
from framewire.frames.arena import Arena
from framewire.frames.content import ReferencedContent
from framewire.model.frame import SessionInfo
from framewire.processors.catalogue import ProcessorKind
from framewire.scheduling.executor import reopen_limit_s
from framewire.scheduling.process_backoff import Backoff
from framewire.scheduling.process_child import ChildProcess, LostError
from framewire.scheduling.process_logs import log_settings
from framewire.scheduling.process_messages import (
    CLOSE_SESSION,
    OPEN_SESSION,
    RUN,
    Failure,
    FrameRecord,
    OpenSession,
    RunAnswer,
    Setup,
    error_of,
)
from framewire.scheduling.process_origin import loadable_text
from framewire.scheduling.process_pickling import pack
from framewire.scheduling.runner import nothing
from framewire.scheduling.task import FrameTask, Lane, Outcome

_E = TypeVar("_E", bound=FramewireError)

_log = logging.getLogger(__name__)

_CLOSE_S = 2.0
"""How long a processor may take to close."""

_LOOK_S = 0.02
"""How often a process that opens is looked at."""


_MOST_STATELESS = 1024
"""Most sessions without a state that a process is to know: another one takes the place of the first, which is told of
anew with its next frame."""

_MOST_CONFIGURATION = 1 << 24
"""Most characters of the configurations of all of them."""


class _Session:
    """A session as the process knows it that opened it; its state lies there."""

    __slots__ = ("child", "info", "number")

    def __init__(self, number: int, info: SessionInfo) -> None:
        self.number = number
        self.info = info
        self.child: ChildProcess | None = None


class ProcessRunner:
    """Owns one process with one instance of a processor. Synchronous; used by one thread at a time.

    A process that ends, or does not answer in time, is replaced: the frames that it held have failed, the states of
    sessions are made anew. One that cannot open its processor again is tried again later, after 0.5 s, 1 s and so on
    up to 30 s; until then all frames fail with UnavailableError.

    :meth:`tend` replaces one that has ended while nobody asked anything of it, and sees the next one open. Frames and
    sessions that come before it is open wait for it here.

    Frames may come without a state, where the processor makes none: their sessions are opened with their first frame.

    Args:
        kind: The processor.
        options: Its options.
        frame_timeout_s: How long one call may take, but for the opening of the processor; None for as long as it does.
        threads: Most threads of a library (OpenCV, BLAS) in the process.
        clock: Seconds of a steady clock, for the pauses between tries.
    """

    tends = True

    def __init__(
        self,
        kind: ProcessorKind,
        options: Any,  # an instance of the processor's Options: only its author knows the type
        *,
        frame_timeout_s: float | None,
        threads: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kind = kind
        self._name = kind.name
        self._options = options
        self._frame_timeout_s = frame_timeout_s
        self._threads = threads
        self._clock = clock
        self._backoff = Backoff()
        self._setup: Setup | None = None
        self._child: ChildProcess | None = None
        self._failure = ""
        self.replaced = 0
        """How many processes were lost, those among them that were only opening."""
        self._reopen_s = reopen_limit_s(0.0)
        self._numbers = itertools.count(1)
        self._sessions: set[_Session] = set()
        self._stateless: dict[Lane, _Session] = {}
        self._configuration = 0
        self._unused: list[int] = []
        self._arena = Arena()

    @property
    def pid(self) -> int | None:
        """Id of the process in use; None while there is none."""
        return None if self._child is None else self._child.pid

    @property
    def is_opening(self) -> bool:
        """Whether there is a process whose processor is not open yet."""
        child = self._child
        return child is not None and not child.is_ready

    def open(self) -> None:
        """Starts the process and waits until the processor is open in it.

        Raises:
            ProcessorError: The class or the options cannot be had in another process, or the processor's constructor or
                its ``open`` raised.
        """
        setup = self._made_setup()
        began_s = time.monotonic()
        child = ChildProcess(setup, self._threads, self._frame_timeout_s)
        try:
            child.await_ready()
        except BaseException:
            child.kill()
            raise
        self._reopen_s = reopen_limit_s(time.monotonic() - began_s)
        self._setup, self._child = setup, child

    def close(self) -> None:
        """Has the processor closed and ends the process, within two seconds."""
        self._setup = None
        if self._child is not None:
            self._child.close(_CLOSE_S)
            self._child = None
        self._sessions.clear()
        self._stateless.clear()
        self._configuration = 0
        self._arena.close()

    def open_session(self, info: SessionInfo) -> object:
        """Has the processor make its state for a new session.

        Returns:
            What stands for that state in this process.

        Raises:
            UnavailableError: There is no process for the moment.
            ProcessorError: The processor raised, or its process was lost.
        """
        child = self._ready()
        session = _Session(next(self._numbers), info)
        try:
            child.begin(self._frame_timeout_s)
            failure = cast("Failure | None", child.ask(pack((OPEN_SESSION, session.number, info))))
        except LostError as error:
            self._replace(child, error)
            raise
        if failure is not None:
            raise error_of(failure)
        session.child = child
        self._sessions.add(session)
        return session

    def close_session(self, state: object) -> None:
        """Gives the state of an ended session back; an error is logged."""
        session = cast(_Session, state)
        self._sessions.discard(session)
        child = self._child
        if child is None or session.child is not child or not child.is_ready:
            return  # its state went with the process that held it
        try:
            child.begin(self._frame_timeout_s)
            child.ask(pack((CLOSE_SESSION, session.number)))
        except LostError as error:
            self._replace(child, error)

    def rest_s(self) -> float:
        """Seconds until the next try to start the process, or until the next look at one that opens; 0 when it runs."""
        child = self._child
        if child is None:
            return self._backoff.wait_s(self._clock())
        return 0.0 if child.is_ready else _LOOK_S

    def tend(self) -> None:
        """Replaces a process that has ended meanwhile, and sees one open that was started; waits for nothing."""
        try:
            child = self._living()
            if child is not None and not child.is_ready and child.look_ready():
                self._tell_ready(child)
        except ProcessorError as error:
            self._lose(error)

    def run(self, tasks: Sequence[FrameTask], begun: Callable[[], None] = nothing) -> list[Outcome]:
        """Processes a batch: see :meth:`Runner.run`."""
        outcomes = [Outcome(task) for task in tasks]
        try:
            self._run(self._ready(begun), outcomes, begun)
        except ProcessorError as error:
            _bare(error)
            for outcome in outcomes:
                outcome.error = outcome.error or error
        finally:
            # Not before the process has answered or is no more: it may read a frame until then.
            for outcome in outcomes:
                outcome.task.content.release()
        return outcomes

    def _run(self, child: ChildProcess, outcomes: list[Outcome], begun: Callable[[], None]) -> None:
        """Has the process run what can be run; raises ProcessorError for all that have no error yet."""
        child.begin(self._frame_timeout_s)
        try:
            framed, places = self._places(child, outcomes)
            if not framed:
                return
            sessions: dict[int, _Session] = {}
            records: list[FrameRecord] = []
            for outcome, (memory, offset, length) in zip(framed, places, strict=True):
                task = outcome.task
                session = self._stateless_of(task.lane) if task.state is None else cast(_Session, task.state)
                if session.child is not child:
                    sessions[session.number] = session
                records.append(
                    (session.number, task.sequence_number, task.timestamp, memory, offset, length, task.upstream)
                )
            fresh: list[OpenSession] = [(session.number, session.info) for session in sessions.values()]
            answers, failures, unopened = cast(RunAnswer, child.ask(pack((RUN, fresh, records)), begun))
        except LostError as error:
            self._replace(child, error)
            raise
        for number, session in sessions.items():
            if number not in unopened:
                session.child = child
        for outcome, answer in zip(framed, answers, strict=True):
            outcome.inferences = answer
        for index, failure in failures:
            framed[index].error = error_of(failure)
        while len(self._stateless) > _MOST_STATELESS or self._configuration > _MOST_CONFIGURATION:
            forgotten = self._stateless.pop(next(iter(self._stateless)))
            self._configuration -= len(forgotten.info.configuration)
            self._unused.append(forgotten.number)

    def _stateless_of(self, lane: Lane) -> _Session:
        session = self._stateless.get(lane)
        if session is None:
            # Under the number of one that is forgotten, which the process forgets when it opens this one.
            number = self._unused.pop() if self._unused else next(self._numbers)
            session = self._stateless[lane] = _Session(number, lane.info)
            self._configuration += len(lane.info.configuration)
        return session

    def _places(self, child: ChildProcess, outcomes: list[Outcome]) -> tuple[list[Outcome], list[tuple[int, int, int]]]:
        """Takes the leases.

        Returns:
            The frames that can be run, and for each the number of its memory, its offset and its length there.
        """
        framed: list[Outcome] = []
        places: list[tuple[int, int, int]] = []
        embedded: list[tuple[int, memoryview]] = []
        used = 0
        for outcome in outcomes:
            content = outcome.task.content
            try:
                if isinstance(content, ReferencedContent):
                    memory, reference = content.lend()
                    places.append((child.number_of(memory), reference.offset_bytes, reference.length_bytes))
                else:
                    data = content.open()
                    embedded.append((len(places), data))
                    places.append((0, used, data.nbytes))
                    used += Arena.room_for(data.nbytes)
            except (FrameError, ProtocolError) as error:
                outcome.error = _bare(error)
            else:
                framed.append(outcome)
        if embedded:
            try:
                self._arena.reserve(used)
            except BusyError as error:
                raise ProcessorError(f"processor {self._name}: {error}") from None
            number = child.number_of_arena(self._arena)
            for index, data in embedded:
                _, offset, length = places[index]
                self._arena.write(offset, data)
                places[index] = (number, offset, length)
        return framed, places

    def _made_setup(self) -> Setup:
        text = loadable_text(self._kind)
        try:
            options = pack(self._options)
        except Exception as error:  # whatever an option's own code raises
            raise ProcessorError(
                f"options of processor {self._name} cannot be sent to a process: {type(error).__name__}: {error}",
                allowed="options whose class stands at the top level of a module or in its processor, of plain values",
                remedy="or run the processor in threads",
            ) from None
        return Setup(text, self._name, options, tuple(sys.path), self._threads, log_settings())

    def _ready(self, begun: Callable[[], None] = nothing) -> ChildProcess:
        """The process, once its processor is open; raises ProcessorError when there is none."""
        if self._setup is None:
            raise ProcessorError(f"processor {self._name} is not open")
        child = self._living()
        if child is None:
            wait_s = self._backoff.wait_s(self._clock())
            raise UnavailableError(self._failure + (f"; it is tried again in {wait_s:.1f} s" if wait_s else ""))
        if not child.is_ready:
            begun()
            try:
                child.await_ready()
            except ProcessorError as error:
                self._lose(error)
                raise UnavailableError(str(error)) from None
            self._tell_ready(child)
        return child

    def _living(self) -> ChildProcess | None:
        """The process, open or not, started if it is time to; None while there cannot be one."""
        child = self._child
        if child is not None and child.is_ready and not child.is_alive:
            self._replace(child, child.lost())
        elif child is None and self._setup is not None and not self._backoff.wait_s(self._clock()):
            self._start(self._setup)
        return self._child

    def _tell_ready(self, child: ChildProcess) -> None:
        self._backoff.reset()
        _log.warning("processor %s: its new process %d is ready", self._name, child.pid)

    def _lose(self, error: ProcessorError) -> None:
        """A process did not open: the next one is tried after a pause."""
        if self._child is not None:
            self._child.kill()
            self._child = None
        if isinstance(error, LostError):
            self.replaced += 1
        self._fail(error)

    def _replace(self, child: ChildProcess, error: LostError) -> None:
        """Sees to it that a lost process is no more, and starts the next one at once."""
        child.kill()
        lost = sum(session.child is child for session in self._sessions)
        _log.error("%s; it is replaced; sessions that get a new state: %d", error, lost)
        self._child = None
        self.replaced += 1
        if self._setup is not None:
            self._start(self._setup)

    def _start(self, setup: Setup) -> None:
        try:
            child = ChildProcess(setup, self._threads, self._frame_timeout_s)
        except ProcessorError as error:
            self._lose(error)
        else:
            child.begin(self._reopen_s if self._frame_timeout_s is not None else None)
            self._child = child

    def _fail(self, error: ProcessorError) -> None:
        is_first = not self._backoff.pause_s
        self._backoff.fail(self._clock())
        self._failure = str(error).partition("\n")[0]
        # Its traceback is told once.
        text = str(error).rstrip() if is_first else self._failure
        _log.error(
            "processor %s cannot be opened again, it is tried again in %g s: %s",
            self._name,
            self._backoff.pause_s,
            text,
        )


def _bare(error: _E) -> _E:
    """The error without what led to it: a traceback holds local variables, and they hold views of frames."""
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error
