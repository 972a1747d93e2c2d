"""A process for each live pipeline: started, watched, started again, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from framewire.hub import HubMessage, InputMessage
from framewire.hub.backoff import Backoff, BackoffOptions
from framewire.pipeline.figures import Figures
from framewire.runner.answers import Json, MethodError
from framewire.runner.inputs import Delivery
from framewire.runner.jobs import MOST_LINE_BYTES, Job, line_of_input
from framewire.runner.totals import Totals
from framewire.scheduling.library_threads import thread_settings

_log = logging.getLogger(__name__)

_START_S = 30.0
"""How long a process may take to become active: libraries are loaded meanwhile."""

_SILENT_S = 15.0
"""A process that has not said how it is for so long hangs."""

_END_S = 20.0
"""How long a pipeline may take to deactivate: its source is given five seconds, and so are its extensions, together."""

_AGAIN = BackoffOptions(first_s=1.0, longest_s=60.0)
"""Pauses before a process that ended is started again."""

_MOST_UNREAD_BYTES = 1 << 20
"""Messages from outside that a process has not taken; it is stuck then, and a trigger that comes late is none."""


class LiveProcess:
    """One live pipeline, as long as it is to be active.

    Args:
        job: What it runs.
        publish: Takes its messages.
    """

    def __init__(self, job: Job, publish: Callable[[HubMessage], None]) -> None:
        self._job = job
        self._publish = publish
        self._process: Process | None = None
        self._is_ending = False
        self._is_active = asyncio.Event()
        self._has_shown = asyncio.Event()  # that it can be active, or that it cannot at once
        self._keeps_trying = False
        self._task: asyncio.Task[None] | None = None
        self._heard_s = 0.0
        self._silent_s = _START_S  # until it says anything: a machine at work takes its time to load libraries
        self._reason: str | None = None  # why this process ends, beside what it complained about before
        self.status: Json = {}
        """What the process has said last."""
        self.last_error: str | None = None
        """Why its process ended or what that complained about last."""
        self.inputs_missed = 0
        """Messages from outside that it could not take."""
        self.totals = Totals(job.name)
        """What all its processes have counted."""
        self.restarts = 0
        """How often it was started again."""

    @property
    def state(self) -> str:
        """Where it is in its life."""
        if self._is_ending:
            return "deactivating"
        return "active" if self._is_active.is_set() else "activating"

    def has_input(self, name: str) -> bool:
        """Whether its topology has a source for messages of that input."""
        inputs = self.status.get("inputs", {}).values()
        return not self._is_ending and any(one["hubInputName"] == name for one in inputs)

    def receive(self, line: bytes) -> bool:
        """Hands a message from outside to the process; whether it can take it. Never waits."""
        process = self._process
        pipe = None if process is None or process.returncode is not None else process.stdin
        # What is said of a process that is gone, says nothing of the next one before it is active.
        if (
            pipe is None
            or pipe.is_closing()
            or self.status.get("state") != "active"
            or pipe.transport.get_write_buffer_size() + len(line) > _MOST_UNREAD_BYTES
        ):
            self.inputs_missed += 1
            return False
        pipe.write(line)
        return True

    async def start(self, *, keeps_trying: bool = False) -> None:
        """Starts it and waits until it is active.

        Args:
            keeps_trying: Whether it is started again until it is active, when it cannot be at once.

        Raises:
            MethodError: It cannot be activated, now that is.
        """
        self._keeps_trying = keeps_trying
        self._task = asyncio.create_task(self._keep())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_START_S):
                    await self._has_shown.wait()
        except asyncio.CancelledError:
            self._is_ending = True
            self._task.cancel()  # and its process with it
            await asyncio.wait({self._task})
            raise
        if not self._is_active.is_set():
            if not keeps_trying:
                await self.end()
            raise self._not_active()

    async def end(self) -> None:
        """Has it deactivate, and waits for that."""
        self._is_ending = True
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        if self._task is not None:
            if self._process is not None and self._process.returncode is None:
                await asyncio.wait({self._task}, timeout=_END_S)
            self._task.cancel()  # the pause before the next process, if anything
            await asyncio.wait({self._task})
        self._kill()

    async def until_active(self) -> None:
        """Waits until it is active, for as long as a start may take, or until it is given up.

        Raises:
            MethodError: It is not.
        """
        assert self._task is not None
        becoming = asyncio.ensure_future(self._is_active.wait())
        await asyncio.wait({becoming, self._task}, timeout=_START_S, return_when=asyncio.FIRST_COMPLETED)
        becoming.cancel()
        if not self._is_active.is_set():
            raise self._not_active()

    def _not_active(self) -> MethodError:
        reason = self.last_error or f"it was not active within {_START_S:g} s"
        if self._keeps_trying:
            reason += "; it is tried again"
        return MethodError("InternalServerError", f"the live pipeline {self._job.name} cannot be activated: {reason}")

    async def _keep(self) -> None:
        try:
            await self._run_again_and_again()
        finally:
            self._has_shown.set()  # whoever waits for it need not wait any longer

    async def _run_again_and_again(self) -> None:
        backoff = Backoff(_AGAIN)
        while not self._is_ending:
            backoff.connected(time.monotonic())
            try:
                await self._run()
            except Exception as error:
                self.last_error = f"its process was given up ({type(error).__name__}: {error})"
                _log.exception("live pipeline %s; this is a fault of framewire", self._job.name)
            self._has_shown.set()
            if self._is_ending or not (self._keeps_trying or self._is_active.is_set()):
                return
            self.restarts += 1
            pause_s = backoff.pause_s(time.monotonic())
            _log.error("live pipeline %s: %s; started again in %.1f s", self._job.name, self.last_error, pause_s)
            await asyncio.sleep(pause_s)

    async def _run(self) -> None:
        """One process from its start to its end."""
        command = [sys.executable, "-P", "-m", "framewire.runner.child"]
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=PIPE,
                stdout=PIPE,
                limit=MOST_LINE_BYTES,
                # A pipeline has no use for the threads that NumPy's BLAS starts, and spins in, for each core.
                env={**os.environ, **thread_settings(1)},
            )
        except OSError as error:  # no memory, no descriptors: that passes
            self.last_error = f"its process cannot be started: {error.strerror}"
            return
        self._reason = None
        self._silent_s = _START_S
        assert process.stdin is not None
        self._heard_s = time.monotonic()
        self.status = {**self.status, "state": "activating"}
        watching = asyncio.create_task(self._watch())
        try:
            process.stdin.write(self._job.to_line())
            with contextlib.suppress(ConnectionError):
                await process.stdin.drain()
            await self._read(process)
            code = await process.wait()
            if not self._is_ending and code:
                how = f"signal {-code}" if code < 0 else f"status {code}"
                self.last_error = self._reason or f"its process ended with {how}"
        finally:
            watching.cancel()
            self.totals.end()
            self._kill()
            assert process.stdout is not None
            # Its end is not known before that of its pipe is, which nobody may have read to its end.
            while await process.stdout.read(1 << 16):
                pass
            await process.wait()

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self._heard_s, self._silent_s = time.monotonic(), _SILENT_S
            if not line.endswith(b"\n"):
                return  # it was killed in the middle of it
            document = json.loads(line)
            match document:
                case {"message": [body, properties, output]}:
                    self._publish(HubMessage(body, properties, output))
                case {"status": status}:
                    self.status = status
                    self.totals.note(status)
                    self.last_error = status["last_error"] or self.last_error
                    if status["state"] == "active":
                        self._is_active.set()
                        self._has_shown.set()
                case {"note": note}:
                    _log.warning("live pipeline %s: %s", self._job.name, note)
                case {"error": error}:
                    self.last_error = self._reason = error

    async def _watch(self) -> None:
        while (left_s := self._heard_s + self._silent_s - time.monotonic()) > 0:  # noqa: ASYNC110 # each line moves it on
            await asyncio.sleep(min(left_s, _SILENT_S))
        self.last_error = self._reason = f"its process was silent for {self._silent_s:g} s and was killed"
        self._kill()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


class Processes:
    """Runs live pipelines; what :class:`framewire.runner.methods.Activations` asks for.

    Args:
        module: The module's name in the subjects of messages.
        publish: Takes the messages of all pipelines.
    """

    def __init__(self, module: str, publish: Callable[[HubMessage], None]) -> None:
        self._module = module
        self._publish = publish
        self._running: dict[str, LiveProcess] = {}

    def state(self, name: str) -> str:
        """Where a pipeline is in its life."""
        live = self._running.get(name)
        return "inactive" if live is None else live.state

    def report(self, name: str) -> dict[str, Any]:
        """What is known of a pipeline at work."""
        live = self._running.get(name)
        if live is None:
            return {"state": "inactive"}
        return {
            **live.status,
            "state": live.state,
            "restarts": live.restarts,
            "inputs_missed": live.inputs_missed,
            "last_error": live.last_error,
        }

    def figures(self) -> Iterator[Figures]:
        """The figures of the pipelines at work."""
        for live in self._running.values():
            if (found := live.totals.figures(is_active=live.state == "active")) is not None:
                yield found

    async def activate(
        self, name: str, topology: str, settings: Mapping[str, str], *, keeps_trying: bool = False
    ) -> None:
        """Starts a pipeline; see :class:`framewire.runner.methods.Activations`."""
        if (running := self._running.get(name)) is not None:
            await running.until_active()
            return
        live = self._running[name] = LiveProcess(Job(name, self._module, topology, settings), self._publish)
        try:
            await live.start(keeps_trying=keeps_trying)
        except MethodError:
            if not keeps_trying:
                self._running.pop(name, None)  # it may have been ended meanwhile
            raise
        except BaseException:
            self._running.pop(name, None)
            raise

    def receive(self, message: InputMessage) -> Delivery:
        """Hands a message from outside to all active pipelines that have its input; never waits."""
        line = line_of_input(message)
        having = {name: live for name, live in self._running.items() if live.has_input(message.hub_input)}
        taken = tuple(name for name, live in having.items() if live.receive(line))
        return Delivery(taken, tuple(name for name in having if name not in taken))

    async def deactivate(self, name: str) -> None:
        """Ends a pipeline; returns when all that it had is written."""
        live = self._running.get(name)
        if live is not None:
            await live.end()
            self._running.pop(name, None)

    async def close(self) -> None:
        """Ends all of them at once."""
        async with asyncio.TaskGroup() as tasks:
            for name in list(self._running):
                tasks.create_task(self.deactivate(name))
