"""One worker process as its server sees it: started, spoken to, and ended."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from framewire.errors import ProcessorError, UnavailableError
from framewire.frames.arena import Arena
from framewire.frames.shared_memory import SharedMemoryReader
from framewire.model.message import SharedMemory
from framewire.scheduling.library_threads import thread_settings
from framewire.scheduling.process_channel import Channel
from framewire.scheduling.process_messages import ADOPT, CLOSE, FORGET, Failure, Setup, error_of
from framewire.scheduling.process_pickling import pack
from framewire.scheduling.runner import nothing

_log = logging.getLogger(__name__)

OUTLIVED_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""Those of a terminal or a process group: the server drains first, and then ends its worker processes itself."""

_LOOK_S = 1.0
"""How often a process that does not answer is looked at: its end is not heard while a child of its own lives on."""

_REAP_S = 5.0
"""How long the end of a killed process is waited for: one that sits in a driver may not end at all."""

_MOST_FORGOTTEN = 256
"""Most memories of one message, so that it goes as a whole or not at all."""


class LostError(ProcessorError):
    """A worker process has ended, or had to be ended."""


class ChildProcess:
    """A process with one instance of a processor, which answers one request at a time.

    For one thread at a time, but for :meth:`memory_closed`, which may be called by any.

    Args:
        setup: What it is to run.
        threads: Most threads of a library in it.
        frame_timeout_s: The shortest time that it will be given for an answer; None when it has all the time.

    Raises:
        UnavailableError: It cannot be started.
        LostError: It has ended before it could be told what to run.
    """

    def __init__(self, setup: Setup, threads: int, frame_timeout_s: float | None) -> None:
        self._name = setup.name
        self._deadline_s: float | None = None
        self._timeout_s = 0.0
        self._numbers: dict[SharedMemoryReader, int] = {}
        self._last_number = 0
        self._arena: tuple[int, int] = (0, 0)
        self._request = 0
        self._has_group = True
        self._forgotten: deque[int] = deque()
        self._sending = threading.Lock()
        self.is_ready = False
        """Whether its processor is open."""
        try:
            with contextlib.ExitStack() as started:
                ours, theirs = socket.socketpair()
                started.callback(theirs.close)
                kept = started.enter_context(contextlib.ExitStack())
                kept.callback(ours.close)
                read_end, self._lifeline = os.pipe2(os.O_CLOEXEC)
                started.callback(os.close, read_end)
                kept.callback(os.close, self._lifeline)
                self._process = _spawn(theirs.fileno(), read_end, threads)
                kept.pop_all()
        except OSError as error:
            raise UnavailableError(f"no process can be started for processor {self._name}: {error}") from None
        self._channel = Channel(ours)
        # A little later than the time that is over then, because the kernel counts in ticks of its own.
        self._channel.set_tick(min(_LOOK_S, frame_timeout_s or _LOOK_S) + 0.01, self._look)
        try:
            self._send(pack(setup))
        except LostError:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def look_ready(self) -> bool:
        """Whether its processor is open, without waiting for it.

        Raises:
            LostError: It has ended, or is not ready in the time given to :meth:`begin` and was killed.
            ProcessorError: The processor cannot be opened, in the words of the process.
        """
        if not self.is_ready:
            if self._channel.has_come():
                self.await_ready()
            elif self._is_late():
                raise self._late()
            # Its end is heard by the connection, unless a process that it started holds on to that.
            elif not self.is_alive and not self._channel.has_come():
                raise self.lost()
        return self.is_ready

    def await_ready(self) -> None:
        """Waits until its processor is open, until the time given to :meth:`begin` is over.

        Raises:
            LostError: It has ended, or is not ready in time and was killed.
            ProcessorError: The processor cannot be opened, in the words of the process.
        """
        if self.is_ready:
            return
        failure = cast("Failure | None", self._receive())
        if failure is not None:
            self.kill()
            raise error_of(failure)
        self.is_ready = True

    def begin(self, timeout_s: float | None) -> None:
        """From now on, what it is told and asked may take so long."""
        self._set_deadline(timeout_s)

    def ask(self, packed: bytes, begun: Callable[[], None] = nothing) -> Any:  # see process_messages
        """Sends a request and waits for its answer, until the time given to :meth:`begin` is over.

        An answer with another number than the request's is none of it: a process that the processor has forked may
        read and write here as well. Whose answer is whose cannot be known from then on.

        Args:
            packed: The request.
            begun: Called when it is sent.

        Raises:
            LostError: It ended, or did not answer in time, or not what it was asked, and was killed.
            ProcessorError: The answer cannot be read.
        """
        self._request += 1
        self._send(packed, number=self._request)
        begun()
        answer = self._receive()
        if self._forgotten:
            self._tell_forgotten()
        return answer

    def number_of(self, memory: SharedMemoryReader) -> int:
        """The number under which it knows a memory, of which a frame is lent; it is passed on when it is new.

        Raises:
            LostError: It has ended.
        """
        number = self._numbers.get(memory)
        if number is None:
            number = self._adopt(memory.announcement, memory.mode, memory.descriptor)
            self._numbers[memory] = number
            memory.watch(self)
        return number

    def number_of_arena(self, arena: Arena) -> int:
        """The number under which it knows the arena's file.

        Raises:
            LostError: It has ended.
        """
        generation, number = self._arena
        if generation != arena.generation:
            if number:
                self._forgotten.append(number)
            number = self._adopt(arena.announcement, "map", arena.descriptor)
            self._arena = (arena.generation, number)
        return number

    def memory_closed(self, memory: SharedMemoryReader) -> None:
        """A session has ended: its memory is let go of in the process, too."""
        number = self._numbers.pop(memory, None)
        if number is not None:
            self._forgotten.append(number)
            self._tell_forgotten()

    def close(self, timeout_s: float) -> None:
        """Has it close its processor and end; kills it when that takes longer."""
        self._set_deadline(timeout_s)
        try:
            if self.is_ready and self.is_alive:
                self._send(pack((CLOSE,)))
                self._process.wait(timeout_s)
                self._end_group(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            _log.warning("processor %s: its process did not close within %g s and is killed", self._name, timeout_s)
        except LostError:
            pass
        self.kill()

    def lost(self) -> LostError:
        """Ends it if it has not, and says in words how it ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            # It is about to end when its end of the connection is closed, and that counts, not that we kill it.
            self._process.wait(_LOOK_S)
        code = self._process.returncode
        self.kill()
        return LostError(f"processor {self._name}: its process {self.pid} {_ending(code)}")

    def kill(self) -> None:
        """Ends it and what it has started at once. Twice does no harm."""
        self.is_ready = False
        self._end_group(signal.SIGKILL)
        self._process.kill()
        try:
            self._process.wait(_REAP_S)
        except subprocess.TimeoutExpired:
            _log.error("processor %s: its process %d does not end; the system holds it", self._name, self.pid)
        with self._sending:
            self._channel.close()
            if self._lifeline >= 0:
                os.close(self._lifeline)
                self._lifeline = -1
        self._numbers.clear()

    def _end_group(self, number: int) -> None:
        # Once: while there is a process of the group the kernel gives its id to no other, but not later.
        if self._has_group:
            self._has_group = False
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _adopt(self, memory: SharedMemory, mode: str, descriptor: int) -> int:
        self._last_number += 1
        self._send(pack((ADOPT, self._last_number, memory, mode)), descriptor)
        return self._last_number

    def _send(self, packed: bytes, descriptor: int | None = None, number: int = 0) -> None:
        try:
            with self._sending:
                self._channel.send(packed, () if descriptor is None else (descriptor,), number)
        except LostError:
            raise
        except OSError:
            raise self.lost() from None

    def _receive(self) -> object:
        try:
            answer = self._channel.receive()
            self._judge_number()
            return answer
        except LostError:
            raise
        except (EOFError, OSError):
            raise self.lost() from None
        except Exception as error:
            self._judge_number()
            raise ProcessorError(
                f"processor {self._name} answered what cannot be read outside of its process: "
                f"{type(error).__name__}: {error}",
                remedy="answer inferences of framewire's own classes",
            ) from None

    def _judge_number(self) -> None:
        if self._channel.number != self._request:
            self.kill()
            raise LostError(
                f"processor {self._name}: its process {self.pid} answered request {self._channel.number} instead of "
                f"{self._request} and was killed; end a process that the processor forks with os._exit"
            )

    def _tell_forgotten(self) -> None:
        # Whoever holds the lock looks once more after it has let go: see ask.
        while self._forgotten and self._sending.acquire(blocking=False):
            try:
                numbers = [self._forgotten.popleft() for _ in range(min(len(self._forgotten), _MOST_FORGOTTEN))]
                if not self._channel.try_send(pack((FORGET, numbers))):
                    self._forgotten.extend(numbers)
                    return  # it is told after its next answer
            except OSError:
                return  # it has ended, and its mappings with it
            finally:
                self._sending.release()

    def _set_deadline(self, timeout_s: float | None) -> None:
        if timeout_s is None:
            self._deadline_s = None
            return
        self._timeout_s = timeout_s
        self._deadline_s = time.monotonic() + timeout_s

    def _is_late(self) -> bool:
        return self._deadline_s is not None and time.monotonic() >= self._deadline_s

    def _late(self) -> LostError:
        self._process.kill()
        return LostError(
            f"processor {self._name}: its process {self.pid} did not answer within {self._timeout_s:g} s and was killed"
        )

    def _look(self) -> None:
        if self._is_late():
            raise self._late()
        if not self.is_alive:
            raise ChildProcessError("it has ended")  # as if the connection had: whoever waits says how


def _spawn(connection: int, lifeline: int, threads: int) -> subprocess.Popen[bytes]:
    environment = os.environ | thread_settings(threads)
    # -P: the folder where the server was started is no place to import from, unless the server does.
    command = [sys.executable, "-P", "-m", "framewire.scheduling.worker_main", str(connection), str(lifeline)]
    # The process inherits what is blocked here, so that no signal ends it before it has said that it outlives them.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, OUTLIVED_SIGNALS)
    try:
        # In a group of its own, so that what the processor starts can be ended with it.
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, pass_fds=(connection, lifeline), process_group=0
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


_HINTS = {
    int(signal.SIGKILL): "; the machine may be short of memory",
    int(signal.SIGBUS): "; a sender may have shortened its shared memory during a read, which "
    "--shared-memory-read copy survives",
}


def _ending(code: int | None) -> str:
    if code is None:
        return "closed its connection and was killed"
    if code >= 0:
        return f"ended with exit status {code}"
    number = -code
    name = signal.Signals(number).name if number in {*signal.Signals} else f"signal {number}"
    return f"was ended by {name} ({signal.strsignal(number) or 'unknown'}){_HINTS.get(number, '')}"
