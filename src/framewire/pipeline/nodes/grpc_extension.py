"""Extensions that speak the gRPC contract."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from typing import Any

from framewire.client import Client, ClientOptions, Match, Result
from framewire.errors import ConfigurationError, FrameError, FramewireError, PeerError
from framewire.hub.backoff import Backoff
from framewire.model.format import VideoFormat
from framewire.model.inference import scale_inferences
from framewire.model.message import GraphIdentifier
from framewire.pipeline.node import Surroundings
from framewire.pipeline.nodes.extension import AGAIN, AWAY, BROKEN, UNANSWERED, UNREADABLE, Entry, ExtensionNode
from framewire.topology.nodes import GrpcExtension
from framewire.topology.parts import TlsEndpoint, UsernamePasswordCredentials

IN_FLIGHT = 8
"""Frames with the extension at once: enough for one that works in batches; what is more waits too long to be live."""

_MOST_ANSWER_MIB = 16.0
"""An extension is somebody else's program: what it says is bounded."""

_ANSWER_S = 30.0
"""How long an answer may take before the connection is taken for dead."""

_log = logging.getLogger(__name__)

_EVENTS = {
    "UNAVAILABLE": "Diagnostics.NetworkError",
    "DEADLINE_EXCEEDED": "Diagnostics.NetworkError",
    "UNAUTHENTICATED": "Diagnostics.AuthenticationError",
    "PERMISSION_DENIED": "Diagnostics.AuthorizationError",
}
"""Event by gRPC status; all others are protocol errors."""


class GrpcExtensionNode(ExtensionNode):
    """Plays the camera of the contract: one session after the other, as long as the pipeline is active.

    A session ends when the extension goes away, or when the form of the images changes. Frames that were with an
    extension that went away are counted as dropped; of a source that waits they are sent again.

    Args:
        definition: What the topology says.
        surroundings: What the pipeline gives it.
    """

    def __init__(self, definition: GrpcExtension, surroundings: Surroundings) -> None:
        super().__init__(definition.name, surroundings, definition.image, definition.sampling_options, IN_FLIGHT)
        self._address = definition.endpoint.url
        self._options = _client_options(definition, surroundings.pipeline)
        self._waiting: deque[Entry] = deque()
        self._changed = asyncio.Event()
        # Who brings a frame sends it, as long as nothing is before it. That may be another thread than the loop's.
        self._lock = threading.Lock()
        self._sent: dict[int, tuple[Entry, float]] = {}
        self._coming = 0  # frames on their way into `_waiting`
        self._client: Client | None = None  # None: frames go into `_waiting`
        self._client_format: VideoFormat | None = None
        self._backoff = Backoff(AGAIN)
        self._task: asyncio.Task[None] | None = None
        self._is_away = False
        self._leaving_since: float | None = None
        self._told: str | None = None  # status of the fault that was told last, until it is over
        self._finishing = asyncio.Event()

    async def open(self) -> None:
        await super().open()
        self._task = asyncio.create_task(self._run(), name=f"framewire node {self.name}")

    async def finish(self) -> None:
        self._finishing.set()
        self._changed.set()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
        for entry in (*self._unanswered(), *self._waiting):
            self.fail(entry, UNANSWERED)
        self._waiting.clear()

    def submit(self, entry: Entry) -> None:
        with self._lock:
            self._coming -= 1
        if self._task is None:
            self.fail(entry, UNANSWERED)
        elif self._is_away and not self._surroundings.is_lossless:
            self.fail(entry, AWAY)
        else:
            self._waiting.append(entry)
            self._changed.set()

    def has_left_at_once(self, entry: Entry) -> bool:
        with self._lock:
            if self._client is not None and self._has_left(self._client, entry):
                return True
            self._client = None  # what comes next is behind it
            self._coming += 1
            return False

    def _has_left(self, client: Client, entry: Entry) -> bool:
        image = entry.image
        if image is None or image.video_format != self._client_format:
            return False
        try:
            entry.sent = scale_inferences(entry.sample.inferences, image.scaling)
            number = client.send_at_once(image.data, entry.sample.timestamp, entry.sent)
        except Exception:
            return False  # the task meets it again, and tells it
        if number is None:
            return False
        self._sent[number] = (entry, time.monotonic())
        return True

    def _leave_it_to_others(self, client: Client) -> None:
        """The task has nothing to send: who brings the next frame may, if none is under way to the task."""
        with self._lock:
            if not self._coming:
                self._client = client

    async def _run(self) -> None:
        while True:
            while not self._waiting:
                if self._finishing.is_set():
                    return
                self._changed.clear()
                await self._changed.wait()
            try:
                await self._session(_form_of(self._waiting[0]))
                self._lose(None)
            except FramewireError as error:
                self._lose(error)
                self._is_away = True
                await self._pause()
                self._is_away = False
            except Exception as error:
                _log.exception("%s broke; this is a fault of framewire", self.name)
                self.complain(f"the node broke ({_words(error)})")
                self._lose(None, BROKEN)
                await self._pause()

    async def _pause(self) -> None:
        """Between two sessions; a pipeline that ends and has nothing to send does not wait for its end."""
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError  # a group that failed at the same moment has swallowed it
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._backoff.pause_s(time.monotonic())):
                await (asyncio.Event() if self._waiting else self._finishing).wait()

    async def _session(self, video_format: VideoFormat) -> None:
        """One session, from its first frame until its form changes, the pipeline ends, or it breaks."""
        failure: FramewireError | None = None
        async with Client(self._address, video_format, self._options) as client:
            self._client_format = video_format
            try:
                async with asyncio.TaskGroup() as tasks:
                    sending = tasks.create_task(self._send(client, video_format))
                    watching = tasks.create_task(self._watch())
                    await client.deliver(self._take)
                    sending.cancel()
                    watching.cancel()
            except* FramewireError as errors:
                failure = _first(errors)
            finally:
                with self._lock:
                    self._client = None
        if failure is not None:
            raise failure

    async def _send(self, client: Client, video_format: VideoFormat) -> None:
        while True:
            while not self._waiting and not self._finishing.is_set():
                self._changed.clear()
                self._leave_it_to_others(client)
                await self._changed.wait()
            if not self._waiting or _form_of(self._waiting[0]) != video_format:
                await client.finish()
                return
            entry = self._waiting.popleft()
            image = entry.image
            assert image is not None
            try:
                entry.sent = scale_inferences(entry.sample.inferences, image.scaling)
                self._leaving_since = time.monotonic()
                number = await client.send(image.data, entry.sample.timestamp, entry.sent)
            except FrameError as error:
                self.complain(error)
                self.fail(entry, UNREADABLE)
                continue
            except (FramewireError, asyncio.CancelledError):
                self._waiting.appendleft(entry)
                raise
            except Exception:
                self.fail(entry, BROKEN)
                raise
            finally:
                self._leaving_since = None
            with self._lock:
                self._sent[number] = (entry, time.monotonic())

    def _take(self, result: Result) -> None:
        if result.match is not Match.MATCHED:
            if result.match is Match.UNKNOWN:
                self.complain_of_answer(f"it acknowledges frame {result.sequence_number}, which it was not sent")
            return
        # Whoever sends at once holds the lock until the number is written down. When the task sends, the client gives
        # an answer only after `send` has told us the number, unless sending it failed after all.
        with self._lock:
            entry, _ = self._sent.pop(result.sequence_number, (None, 0.0))
        if entry is None:
            return
        self._backoff.useful()
        if self._told is not None:
            # Not before: one that takes a session and dies of its first frame is not back.
            self._told = None
            self._surroundings.note(f"{self.name}: {self._address} is back")
        try:
            self.settle(entry, result.inferences, result.problems)
        except Exception:
            if not entry.is_settled:
                self.fail(entry, BROKEN)  # what waits behind it goes on
            raise

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            if self._leaving_since is not None and now - self._leaving_since > _ANSWER_S:
                raise PeerError(
                    f"{self._address} has not taken a frame for {_ANSWER_S:g} s", status="DEADLINE_EXCEEDED"
                )
            with self._lock:
                first_since = min((since for _, since in self._sent.values()), default=now)
            if now - first_since > _ANSWER_S:
                raise PeerError(
                    f"{self._address} has not answered a frame for {_ANSWER_S:g} s", status="DEADLINE_EXCEEDED"
                )

    def _lose(self, error: FramewireError | None, cause: str = AWAY) -> None:
        """The session is over: what was not answered is sent again or counted."""
        lost = self._unanswered()
        if self._surroundings.is_lossless:
            self._waiting.extendleft(reversed(lost))
        else:
            if error is not None:
                lost += self._waiting
                self._waiting.clear()
            for entry in lost:
                self.fail(entry, cause)
        if error is None:
            return
        status = error.status if isinstance(error, PeerError) else "INVALID_ARGUMENT"
        if status == self._told:
            return
        self._told = status
        self.complain(f"{error}; trying again")
        self._surroundings.tell(
            _EVENTS.get(status, "Diagnostics.ProtocolError"), self.group, self.name, self._event_body(status, error)
        )

    def _event_body(self, status: str, error: FramewireError) -> dict[str, Any]:
        return {
            # An extension that ends well and in the wrong place has broken the contract: that is no "OK".
            "code": "INTERNAL" if status == "OK" else status,
            "target": self._address,
            "protocol": "grpc",
            "details": [{"code": "GrpcExtensionError", "message": str(error)}],
        }

    def _unanswered(self) -> list[Entry]:
        with self._lock:
            entries = [entry for entry, _ in self._sent.values()]
            self._sent.clear()
        return entries


def _client_options(definition: GrpcExtension, pipeline: str) -> ClientOptions:
    endpoint, transfer = definition.endpoint, definition.data_transfer
    user, password = None, ""
    if isinstance(endpoint.credentials, UsernamePasswordCredentials):
        user, password = endpoint.credentials.username, endpoint.credentials.password.get_secret_value()
    certificates = None
    if isinstance(endpoint, TlsEndpoint) and endpoint.trusted_certificates is not None:
        certificates = "\n".join(endpoint.trusted_certificates.certificates).encode()
    return ClientOptions(
        shared_memory_bytes=transfer.shared_memory_size_mib << 20 if transfer.mode == "sharedMemory" else 0,
        in_flight=IN_FLIGHT,
        max_message_mib=_MOST_ANSWER_MIB,
        configuration=definition.extension_configuration,
        identifier=GraphIdentifier("", pipeline, definition.name),
        user=user,
        password=password,
        is_encrypted=isinstance(endpoint, TlsEndpoint),
        trusted_certificates=certificates,
    )


def _form_of(entry: Entry) -> VideoFormat:
    assert entry.image is not None
    return entry.image.video_format


def _words(error: BaseException) -> str:
    """The first error of a group, or the error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def _first(errors: BaseExceptionGroup[FramewireError]) -> FramewireError:
    for error in errors.exceptions:
        if isinstance(error, FramewireError):
            return error
        with contextlib.suppress(AttributeError):
            return _first(error)
    return ConfigurationError("nothing is known of the failure")
