"""The direct methods of the edge module (topologies, section 7), whoever carries the requests."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Protocol
from weakref import WeakValueDictionary

from framewire.errors import FramewireError
from framewire.runner.answers import Answer, Json, MethodError, invalid
from framewire.runner.showing import (
    is_as_shown,
    member,
    secrets_left_out,
    secrets_of,
    shown_pipeline,
    shown_topology,
)
from framewire.runner.store import Store, StoredPipeline
from framewire.topology import (
    LivePipelineDocument,
    RtspSource,
    WrongValueError,
    hidden_logins,
    load_live_pipeline,
    load_topology,
    read_name,
)

_log = logging.getLogger(__name__)

API_VERSIONS = ("1.0", "1.1")

_STARTS_AT_ONCE = min(4, os.cpu_count() or 1)
"""Pipelines that are started together when a runner begins: each loads its libraries first, which takes a core."""

METHODS = (
    "pipelineTopologySet",
    "pipelineTopologyGet",
    "pipelineTopologyList",
    "pipelineTopologyDelete",
    "livePipelineSet",
    "livePipelineGet",
    "livePipelineList",
    "livePipelineActivate",
    "livePipelineDeactivate",
    "livePipelineDelete",
)


class Activations(Protocol):
    """Runs live pipelines."""

    def state(self, name: str) -> str:
        """Where a pipeline is in its life: inactive, activating, active or deactivating."""

    async def activate(
        self, name: str, topology: str, settings: Mapping[str, str], *, keeps_trying: bool = False
    ) -> None:
        """Starts a pipeline; returns when it is active.

        Raises:
            MethodError: It cannot be activated; with `keeps_trying` it is tried again, nevertheless, and is no longer
                inactive.
        """

    async def deactivate(self, name: str) -> None:
        """Ends a pipeline; returns when all that it had is written."""


class Methods:
    """Judges requests, keeps what was set, and has pipelines run.

    Args:
        store: What was set.
        activations: Runs them.
        allow_files: The folder below which sources may be files or devices; None for nowhere.
        now: The time.
    """

    def __init__(
        self,
        store: Store,
        activations: Activations,
        *,
        allow_files: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._activations = activations
        self._allow_files = None if allow_files is None else allow_files.resolve()
        self._now = now
        # What is set, activated and deleted at once comes one after the other. A pipeline's turn is taken first.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._topologies = asyncio.Lock()
        self._held_up: dict[str, str] = {}
        self._handlers: Mapping[str, Callable[[Json], Awaitable[Answer]]] = MappingProxyType(
            {name.lower(): getattr(self, "_" + _snake(name)) for name in METHODS}
        )

    async def call(self, method: str, request: object) -> Answer:
        """Does what a request asks for. Never raises for what is in it."""
        handler = self._handlers.get(method.lower())
        try:
            if handler is None:
                raise MethodError("NotFound", f"there is no method {method[:80]!r}; allowed: {', '.join(METHODS)}")
            if not isinstance(request, dict):
                raise MethodError("BadRequest", "the request is no JSON object")
            version = member(request, "@apiVersion")
            if version not in (None, *API_VERSIONS):
                detail = ("ApiVersionNotSupported", f"allowed: {', '.join(API_VERSIONS)}", "/@apiVersion")
                raise MethodError("BadRequest", "the version of the request is not supported", [detail])
            return await handler(request)
        except MethodError as error:
            return error.answer()
        except FramewireError as error:  # of the store: a full disk
            return MethodError("InternalServerError", str(error)).answer()

    async def resume(self, tell: Callable[[str], None]) -> None:
        """Activates what was active when the last process ended.

        Nobody waits for this as for a request: what cannot be active now, is tried until it is.

        Args:
            tell: Takes a line about each that is not active yet.
        """
        at_once = asyncio.Semaphore(_STARTS_AT_ONCE)

        async def one(name: str) -> None:
            async with at_once, self._turn(name):
                stored = self._store.pipeline(name)
                if stored is None or not stored.is_active:
                    return  # somebody has ended it meanwhile
                try:
                    await self._start(stored, keeps_trying=True)
                except (MethodError, FramewireError) as error:
                    if self._activations.state(name) == "inactive":
                        # Its topology's values, or where files may be, have changed: trying again is no help.
                        self._held_up[name] = str(error)
                    tell(f"{name}: {error}")
                except Exception as error:  # the others are to be activated all the same
                    _log.exception("live pipeline %s; this is a fault of framewire", name)
                    self._held_up[name] = f"{type(error).__name__}: {error}"

        names = [stored.name for stored in self._store.pipelines() if stored.is_active]
        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(one(name))

    def held_up(self, name: str) -> str | None:
        """Why a pipeline that was active when the last process ended cannot be; None when it can."""
        return self._held_up.get(name)

    async def _pipeline_topology_set(self, request: Json) -> Answer:
        name, text = _name(request), json.dumps(request, ensure_ascii=False)
        stored = self._store.topology(name)
        if stored is not None and is_as_shown(request, shown := shown_topology(stored)):
            return Answer(200, shown)
        loaded = load_topology(text, may_be_unset=True)
        if any(problem.severity == "error" for problem in loaded.problems):
            raise invalid(f"the topology {name}", loaded.problems)
        async with self._topologies:
            before = self._store.topology(name)
            if lost := secrets_left_out(request, before):
                details = [("PipelineValidationError", message, pointer) for pointer, message in lost]
                raise MethodError("BadRequest", f"the topology {name} lacks secrets that were not answered", details)
            if before is not None and before.document != text:
                active = [one.name for one in self._store.pipelines(name) if self._state(one) != "inactive"]
                if active:
                    raise _in_use(name, active, "active")
            if before is None or before.document != text:
                self._store.put_topology(name, text, self._time())
            stored = self._store.topology(name)
        assert stored is not None
        return Answer(201 if before is None else 200, shown_topology(stored))

    async def _pipeline_topology_get(self, request: Json) -> Answer:
        name = _name(request)
        stored = self._store.topology(name)
        if stored is None:
            raise MethodError("NotFound", f"there is no topology {name}")
        return Answer(200, shown_topology(stored))

    async def _pipeline_topology_list(self, _: Json) -> Answer:
        return Answer(200, {"value": [shown_topology(one) for one in self._store.topologies()]})

    async def _pipeline_topology_delete(self, request: Json) -> Answer:
        name = _name(request)
        async with self._topologies:
            if self._store.topology(name) is None:
                return Answer(204)
            if users := [one.name for one in self._store.pipelines(name)]:
                raise _in_use(name, users, "set")
            self._store.delete_topology(name)
        return Answer(200, {})

    async def _live_pipeline_set(self, request: Json) -> Answer:
        name, text = _name(request), json.dumps(request, ensure_ascii=False)
        stored = self._store.pipeline(name)
        if stored is not None and is_as_shown(request, shown := self._shown(stored)):
            return Answer(200, shown)
        loaded = load_live_pipeline(text)
        if loaded.live_pipeline is None:
            raise invalid(f"the live pipeline {name}", loaded.problems)
        if pointers := list(hidden_logins(request)):
            message = "the password is ***, as it is answered; give the password itself"
            details = [("PipelineValidationError", message, pointer) for pointer in pointers]
            raise MethodError("BadRequest", f"the live pipeline {name} lacks secrets that were not answered", details)
        async with self._turn(name), self._topologies:
            self._check(loaded.live_pipeline)
            before = self._store.pipeline(name)
            if before is not None and before.document != text and self._state(before) != "inactive":
                raise _not_now(name, self._state(before), "changed")
            if before is None or before.document != text:
                self._store.put_pipeline(name, loaded.live_pipeline.topology_name, text, self._time())
            stored = self._store.pipeline(name)
        assert stored is not None
        return Answer(201 if before is None else 200, self._shown(stored))

    async def _live_pipeline_get(self, request: Json) -> Answer:
        return Answer(200, self._shown(self._stored(_name(request))))

    async def _live_pipeline_list(self, _: Json) -> Answer:
        return Answer(200, {"value": [self._shown(one) for one in self._store.pipelines()]})

    async def _live_pipeline_activate(self, request: Json) -> Answer:
        name = _name(request)
        async with self._turn(name):
            stored = self._stored(name)
            # Noted first: after a crash it is better to run what was asked for than to forget it.
            self._store.set_active(name, is_active=True)
            try:
                await self._start(stored)
            except MethodError:
                if self._activations.state(name) == "inactive":
                    self._store.set_active(name, is_active=False)
                raise
            finally:
                self._held_up.pop(name, None)
        return Answer(200, {})

    async def _live_pipeline_deactivate(self, request: Json) -> Answer:
        name = _name(request)
        async with self._turn(name):
            self._stored(name)
            self._held_up.pop(name, None)
            self._store.set_active(name, is_active=False)
            await self._activations.deactivate(name)
        return Answer(200, {})

    async def _live_pipeline_delete(self, request: Json) -> Answer:
        name = _name(request)
        async with self._turn(name):
            stored = self._store.pipeline(name)
            if stored is None:
                return Answer(204)
            if (state := self._state(stored)) != "inactive":
                raise _not_now(name, state, "deleted")
            self._store.delete_pipeline(name)
        return Answer(200, {})

    def _stored(self, name: str) -> StoredPipeline:
        stored = self._store.pipeline(name)
        if stored is None:
            raise MethodError("NotFound", f"there is no live pipeline {name}")
        return stored

    def _turn(self, name: str) -> asyncio.Lock:
        """Held while something is done with a pipeline; it lasts as long as somebody holds it or waits for it."""
        return self._turns.setdefault(name.lower(), asyncio.Lock())

    def _state(self, stored: StoredPipeline) -> str:
        state = self._activations.state(stored.name)
        # One that waits for its turn after a restart is not free to be changed.
        return "activating" if stored.is_active and state == "inactive" else state

    def _shown(self, stored: StoredPipeline) -> Json:
        return shown_pipeline(stored, self._state(stored), secrets_of(self._store.topology(stored.topology)))

    def _check(self, pipeline: LivePipelineDocument) -> str:
        """Puts a pipeline's values into its topology; returns the topology's text.

        Raises:
            MethodError: There is no such topology, or they do not go together.
        """
        stored = self._store.topology(pipeline.topology_name)
        if stored is None:
            message = f"there is no topology {pipeline.topology_name}"
            detail = ("PipelineValidationError", message, "/properties/topologyName")
            raise MethodError("BadRequest", message, [detail])
        loaded = load_topology(stored.document, pipeline.parameters, pipeline_name=pipeline.name)
        if loaded.topology is None:
            raise invalid(f"the topology {stored.name} with the parameters of {pipeline.name}", loaded.problems)
        for source in loaded.topology.sources:
            if isinstance(source, RtspSource):
                self._check_address(source.endpoint.url)
        return stored.document

    def _check_address(self, address: str) -> None:
        """Who may call a method is not thereby somebody who may read this machine's files."""
        anybodys = ("rtsp://", "rtsps://", "test:")
        if address.startswith(anybodys):
            return
        # Loads libraries that most runners have no other use for.
        from framewire.capture import plain_address

        place = plain_address(address)
        if place.startswith(anybodys):
            return
        allowed = "rtsp://, rtsps:// or test:"
        if self._allow_files is not None and "://" not in place and "\0" not in place:
            if _is_below(Path(place), self._allow_files):
                return
            allowed += f", or what lies below {self._allow_files}"
        message = f"the source's address may not be of this kind here; allowed: {allowed}"
        raise MethodError("BadRequest", message, [("PipelineValidationError", message, "/properties/sources")])

    async def _start(self, stored: StoredPipeline, *, keeps_trying: bool = False) -> None:
        pipeline = load_live_pipeline(stored.document).live_pipeline
        assert pipeline is not None  # it was checked before it was stored
        topology = self._check(pipeline)
        await self._activations.activate(stored.name, topology, pipeline.parameters, keeps_trying=keeps_trying)

    def _time(self) -> str:
        return self._now().replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _is_below(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder)
    except (OSError, RuntimeError):  # the latter for links that lead in a circle
        return False


def _name(request: Json) -> str:
    name = member(request, "name")
    if not isinstance(name, str) or not name:
        raise MethodError("BadRequest", "the request has no name", [("PipelineValidationError", "required", "/name")])
    try:
        return read_name(name)
    except WrongValueError as wrong:
        detail = ("PipelineValidationError", f"{wrong.message}; allowed: {wrong.allowed}", "/name")
        raise MethodError("BadRequest", f"the name of the request is {wrong.message}", [detail]) from None


def _in_use(name: str, users: list[str], what: str) -> MethodError:
    message = f"the topology {name} is used by live pipelines that are {what}: {', '.join(users[:10])}"
    return MethodError("Conflict", message, [("PipelineTopologyInUse", message, "")])


def _not_now(name: str, state: str, what: str) -> MethodError:
    message = f"the live pipeline {name} is {state}; it can be {what} only while it is inactive"
    return MethodError("Conflict", message, [("OperationNotAllowedInState", message, "")])


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)
