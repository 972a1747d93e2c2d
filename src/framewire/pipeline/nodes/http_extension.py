"""Extensions that take one image in a POST (topologies, section 4)."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from framewire.client.http_extension import Busy, ExtensionError, HttpExtensionClient, NetworkError
from framewire.client.trust import Trust
from framewire.errors import FramewireError
from framewire.hub.backoff import Backoff
from framewire.model.format import Encoding
from framewire.pipeline.node import Surroundings
from framewire.pipeline.nodes.extension import AGAIN, AWAY, BROKEN, UNANSWERED, Entry, ExtensionNode
from framewire.topology.nodes import HttpExtension
from framewire.topology.parts import HttpHeaderCredentials, TlsEndpoint, UsernamePasswordCredentials

IN_FLIGHT = 2
"""Requests at once: the next image is on its way while the extension works on one."""

PAUSED = "extension-asked-for-a-pause"
"""Cause: the extension answered 503 a moment ago."""

REFUSED = "extension-refused"
"""Cause: the extension answered with an error."""

_log = logging.getLogger(__name__)

_CONTENT_TYPES = {
    Encoding.JPG: "image/jpeg",
    Encoding.PNG: "image/png",
    Encoding.BMP: "image/bmp",
    Encoding.RAW: "image/x-raw",
}


class HttpExtensionNode(ExtensionNode):
    """Posts images, and waits when it is told to or when nobody is there.

    Args:
        definition: What the topology says.
        surroundings: What the pipeline gives it.
    """

    def __init__(self, definition: HttpExtension, surroundings: Surroundings) -> None:
        super().__init__(definition.name, surroundings, definition.image, definition.sampling_options, IN_FLIGHT)
        self._client = _client_of(definition)
        # No more frames than there are places; None ends a task.
        self._waiting: asyncio.Queue[Entry | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._backoff = Backoff(AGAIN)
        self._pause_cause = AWAY
        self._paused_until_s = 0.0
        self._told: str | None = None  # the kind of fault that was told last, until it is over

    async def open(self) -> None:
        await super().open()
        self._tasks = {asyncio.create_task(self._run()) for _ in range(IN_FLIGHT)}

    async def finish(self) -> None:
        for _ in self._tasks:
            self._waiting.put_nowait(None)
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks = set()
        while not self._waiting.empty():
            if (entry := self._waiting.get_nowait()) is not None:
                self.fail(entry, UNANSWERED)
        await self._client.close()

    def submit(self, entry: Entry) -> None:
        if not self._tasks:
            self.fail(entry, UNANSWERED)
        elif self._pause_left_s() > 0 and not self._surroundings.is_lossless:
            self.fail(entry, self._pause_cause)
        else:
            self._waiting.put_nowait(entry)

    async def _run(self) -> None:
        while (entry := await self._waiting.get()) is not None:
            try:
                while not await self._is_done(entry):
                    while (left_s := self._pause_left_s()) > 0:  # noqa: ASYNC110 # another task may make it longer
                        await asyncio.sleep(left_s)
            except Exception as error:
                _log.exception("%s broke; this is a fault of framewire", self.name)
                self.complain(f"the node broke ({type(error).__name__}: {error})")
                if not entry.is_settled:
                    self.fail(entry, BROKEN)
            except asyncio.CancelledError:
                if not entry.is_settled:
                    self.fail(entry, UNANSWERED)
                raise

    async def _is_done(self, entry: Entry) -> bool:
        """Posts a frame; False when it is to be posted once more, after the pause."""
        if self._pause_left_s() > 0:
            return self._is_given_up(entry)
        image = entry.image
        assert image is not None
        data = image.data if isinstance(image.data, bytes) else image.data.tobytes()
        try:
            answer = await self._client.post(data, _CONTENT_TYPES[image.video_format.encoding])
        except Busy as busy:
            return self._pause(entry, PAUSED, busy.retry_after_s)
        except NetworkError as error:
            if self._told != AWAY:
                self._surroundings.tell(
                    "Diagnostics.NetworkError", self.group, self.name, _network_body(error, self._client.address)
                )
            self._say(AWAY, error)
            return self._pause(entry, AWAY, None)
        except ExtensionError as error:
            # Every answer of this kind is told, as the edge module did.
            self._surroundings.tell("Diagnostics.ProtocolError", self.group, self.name, error.body)
            self._say(REFUSED, error)
            self.fail(entry, REFUSED)
            return True
        self._backoff.useful()
        if self._told is not None:
            self._told = None
            self._surroundings.note(f"{self.name}: {self._client.address} answers again")
        self.settle(entry, answer.inferences, answer.problems)
        return True

    def _pause_left_s(self) -> float:
        return self._paused_until_s - time.monotonic()

    def _pause(self, entry: Entry, cause: str, asked_s: float | None) -> bool:
        """Has nothing posted for a while: as long as was asked for, or longer each time."""
        now_s = time.monotonic()
        if asked_s is not None:
            pause_s = max(asked_s, AGAIN.first_s)
        elif self._pause_left_s() > 0:
            pause_s = 0.0  # another request has met the same fault already
        else:
            pause_s = self._backoff.pause_s(now_s)
        if now_s + pause_s > self._paused_until_s:
            self._paused_until_s, self._pause_cause = now_s + pause_s, cause
        return self._is_given_up(entry)

    def _is_given_up(self, entry: Entry) -> bool:
        """A frame that meets a pause is dropped, unless the source waits for it."""
        if self._surroundings.is_lossless:
            return False
        self.fail(entry, self._pause_cause)
        return True

    def _say(self, kind: str, error: FramewireError) -> None:
        """Once for each kind of fault, until it answers again."""
        if self._told != kind:
            self._told = kind
            self.complain(error)


def _network_body(error: FramewireError, address: str) -> dict[str, Any]:
    return {
        "code": "UNAVAILABLE",
        "target": address,
        "protocol": "http",
        "details": [{"code": "HttpExtensionError", "message": str(error)}],
    }


def _client_of(definition: HttpExtension) -> HttpExtensionClient:
    endpoint, credentials = definition.endpoint, definition.endpoint.credentials
    user: str | None = None
    password = ""
    header: tuple[str, str] | None = None
    trust: Trust | None = None
    if isinstance(credentials, UsernamePasswordCredentials):
        user, password = credentials.username, credentials.password.get_secret_value()
    elif isinstance(credentials, HttpHeaderCredentials):
        header = (credentials.header_name, credentials.header_value.get_secret_value())
    if isinstance(endpoint, TlsEndpoint):
        trusted, options = endpoint.trusted_certificates, endpoint.validation_options
        trust = Trust(trusted.certificates if trusted else (), options.ignore_hostname, options.ignore_signature)
    return HttpExtensionClient(endpoint.url, user=user, password=password, header=header, trust=trust)
