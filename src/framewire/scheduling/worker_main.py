"""The worker process: ``python -m framewire.scheduling.worker_main CONNECTION LIFELINE``, both open files.

Started by :mod:`framewire.scheduling.process_child`, never by hand.
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
import pickle
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, cast

from framewire.errors import FramewireError, ProcessorError, SharedMemoryError
from framewire.frames.content import FrameContent, ReferencedContent
from framewire.frames.shared_memory import ReadMode, SharedMemoryReader
from framewire.model.frame import SessionInfo
from framewire.model.inference import Inference
from framewire.model.message import ContentReference, SharedMemory
from framewire.processors.catalogue import Catalogue
from framewire.scheduling.process_channel import Channel
from framewire.scheduling.process_child import OUTLIVED_SIGNALS
from framewire.scheduling.process_logs import apply_log_settings
from framewire.scheduling.process_messages import (
    ADOPT,
    CLOSE,
    CLOSE_SESSION,
    FORGET,
    OPEN_SESSION,
    RUN,
    Failure,
    FrameRecord,
    OpenSession,
    Setup,
    failure_of,
)
from framewire.scheduling.process_pickling import pack
from framewire.scheduling.runner import ProcessorRunner
from framewire.scheduling.task import FrameTask, Lane

_F_SETSIG = 10
"""Of Linux; Python's fcntl has no name for it."""


def main() -> None:
    """Serves one server until it closes this process, or is no more."""
    pid, connection, lifeline = os.getpid(), int(sys.argv[1]), int(sys.argv[2])
    for descriptor in (connection, lifeline):
        os.set_inheritable(descriptor, False)
    _tie_to(lifeline)
    for number in OUTLIVED_SIGNALS:
        # Not SIG_IGN: what a processor starts itself would inherit that.
        signal.signal(number, _outlive)
    _let_forks_be_ended()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, OUTLIVED_SIGNALS)
    channel = Channel(socket.socket(fileno=connection), takes_descriptors=True)
    try:
        setup = cast(Setup, channel.receive())
        try:
            runner = _opened(setup)
        except ProcessorError as error:
            _end_fork(pid)
            channel.send(pack(failure_of(error)))
            return
        _end_fork(pid)
        channel.send(pack(None))
        _Worker(channel, runner, setup.name).serve()
    except (EOFError, ConnectionError):
        # The server is no more; the lifeline says so, too.
        os._exit(1)


def _tie_to(lifeline: int) -> None:
    """Has the kernel end this process when the other end of a pipe is closed, by whatever ended the server.

    And its group, of which it is the first: whatever the processor has started itself, unless that left the group.

    A thread that waits for it would have to wait for the GIL as well, and a processor may never give that back.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpid())
    fcntl.fcntl(lifeline, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(lifeline, 0)  # it tells of an end that was closed without being asked
    if poll.poll(0):
        os._exit(1)


def _end_fork(pid: int) -> None:
    """Ends this process if it is not `pid` but a fork of it: only one may answer.

    The runner does so where a processor's methods come back; other code of its author is its module and its pickling.
    """
    if os.getpid() != pid:
        os._exit(1)


def _let_forks_be_ended() -> None:
    """Has SIGTERM end what a processor forks, as usual: with multiprocessing it waits for that."""
    forking = threading.local()

    def block() -> None:
        # One that comes before the fork has forgotten our handler would be lost.
        forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, forking.mask)

    def restore() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        unblock()

    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=restore)


def _outlive(_: int, __: FrameType | None) -> None:
    """The server ends this process when it has drained."""


def _opened(setup: Setup) -> ProcessorRunner:
    """The processor, open; raises ProcessorError, with a traceback in its text."""
    import cv2

    sys.path[:] = setup.path
    apply_log_settings(setup.logs)
    cv2.setNumThreads(setup.threads)
    try:
        kind = dataclasses.replace(Catalogue().load(setup.text), name=setup.name)
        # After the module of the processor, which is theirs as a rule.
        options = pickle.loads(setup.options)
    except BaseException as error:
        text = "".join(traceback.format_exception(error))
        raise ProcessorError(
            f"processor {setup.name} cannot be loaded in its process: {type(error).__name__}: {error}\n{text}"
        ) from None
    runner = ProcessorRunner(kind, options, library_threads=setup.threads)
    runner.open()
    return runner


class _MissingContent:
    """A frame in a memory that is not to be had here."""

    held_bytes = 0

    def __init__(self, error: FramewireError) -> None:
        self._error = error

    def open(self) -> memoryview:
        raise self._error

    def release(self) -> bool:
        return True


class _Worker:
    """Answers requests, one after the other.

    Args:
        channel: Where they come from.
        runner: The open processor.
        name: The processor's name.
    """

    def __init__(self, channel: Channel, runner: ProcessorRunner, name: str) -> None:
        self._channel = channel
        self._runner = runner
        self._name = name
        self._pid = os.getpid()
        self._memories: dict[int, SharedMemoryReader | FramewireError] = {}
        self._sessions: dict[int, tuple[Lane, object]] = {}

    def serve(self) -> None:
        """Returns when the server closes this process."""
        answering: dict[int, Callable[..., bytes]] = {
            RUN: self._run,
            OPEN_SESSION: self._open_session,
            CLOSE_SESSION: self._close_session,
        }
        while True:
            kind, *arguments = cast("tuple[Any, ...]", self._channel.receive())
            if (answer := answering.get(kind)) is not None:
                number = self._channel.number
                packed = answer(*arguments)
                _end_fork(self._pid)
                self._channel.send(packed, number=number)
            elif kind == ADOPT:
                self._adopt(*arguments)
            elif kind == FORGET:
                for number in arguments[0]:
                    self._forget(number)
            elif kind == CLOSE:
                self._runner.close()
                return

    def _adopt(self, number: int, memory: SharedMemory, mode: ReadMode) -> None:
        try:
            descriptor = self._channel.take_descriptor()
            self._memories[number] = SharedMemoryReader(memory, mode, descriptor=descriptor)
        except SharedMemoryError as error:
            self._memories[number] = error
        except OSError as error:
            self._memories[number] = ProcessorError(
                f"the process of processor {self._name} cannot open the memory of a session: {error.strerror}",
                remedy="raise the limit on open files (ulimit -n)",
            )

    def _forget(self, number: int) -> None:
        memory = self._memories.pop(number, None)
        if isinstance(memory, SharedMemoryReader):
            memory.close()

    def _open_session(self, number: int, info: SessionInfo) -> bytes:
        return pack(self._session_failure(number, info))

    def _session_failure(self, number: int, info: SessionInfo) -> Failure | None:
        try:
            self._sessions[number] = (Lane(info), self._runner.open_session(info))
        except ProcessorError as error:
            return failure_of(error)
        return None

    def _close_session(self, number: int) -> bytes:
        _, state = self._sessions.pop(number)
        self._runner.close_session(state)
        return pack(None)

    def _run(self, sessions: Sequence[OpenSession], records: Sequence[FrameRecord]) -> bytes:
        unopened: dict[int, Failure] = {}
        for number, info in sessions:
            failure = self._session_failure(number, info)
            if failure is not None:
                unopened[number] = failure
        answers: list[Sequence[Inference]] = [()] * len(records)
        failures: list[tuple[int, Failure]] = []
        indexes: list[int] = []
        tasks: list[FrameTask] = []
        for index, (number, sequence_number, timestamp, memory, offset, length, upstream) in enumerate(records):
            if number in unopened:
                failures.append((index, unopened[number]))
                continue
            lane, state = self._sessions[number]
            content = self._content(memory, offset, length)
            indexes.append(index)
            tasks.append(FrameTask(lane, sequence_number, timestamp, content, upstream, state=state))
        for index, outcome in zip(indexes, self._runner.run(tasks) if tasks else (), strict=True):
            answers[index] = outcome.inferences
            if outcome.error is not None:
                failures.append((index, failure_of(outcome.error)))
        try:
            return pack((answers, failures, list(unopened)))
        except Exception:
            return pack((self._picklable(answers, failures), failures, list(unopened)))

    def _picklable(
        self, answers: list[Sequence[Inference]], failures: list[tuple[int, Failure]]
    ) -> list[Sequence[Inference]]:
        """The answers that can be sent; the others are failures."""
        kept: list[Sequence[Inference]] = []
        for index, answer in enumerate(answers):
            try:
                pack(answer)
            except Exception as error:  # whatever the code of an inference's own values raises
                failures.append((index, failure_of(self._unpicklable(error))))
                kept.append(())
            else:
                kept.append(answer)
        return kept

    def _unpicklable(self, error: Exception) -> FramewireError:
        return ProcessorError(
            f"processor {self._name} answered what cannot be sent from its process: {type(error).__name__}: {error}",
            remedy="answer inferences of framewire's own classes, with plain values",
        )

    def _content(self, memory: int, offset: int, length: int) -> FrameContent:
        reader = self._memories[memory]
        if isinstance(reader, FramewireError):
            return _MissingContent(reader)
        return ReferencedContent(reader, ContentReference(offset, length))


if __name__ == "__main__":
    main()
