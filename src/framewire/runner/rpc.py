"""The direct methods and the inputs over MQTT: who may publish there, may use them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from framewire.hub import BrokerAddress, InputError
from framewire.hub.backoff import BackoffOptions
from framewire.hub.broker import BrokerError, Received
from framewire.hub.complaints import Complaints
from framewire.hub.input import read_json
from framewire.hub.listener import MqttListener
from framewire.hub.message import encoded
from framewire.runner.answers import Answer, MethodError
from framewire.runner.inputs import Inputs
from framewire.runner.methods import Methods

_log = logging.getLogger(__name__)

MOST_UNDER_WAY = 32
"""Requests that are worked on at once; more are answered with ServerBusy."""

MOST_UNACKNOWLEDGED = 128
"""Answers that the broker has not acknowledged; more are dropped, as whoever floods us waits for none of them."""

_LAST_REQUESTS_S = 5.0
"""How long requests that are under way may take at the end."""

_LAST_ANSWERS_S = 2.0
"""How long the broker may take for the answers that are under way at the end."""

_HEADER_BYTES = 256
"""What an answer has beside its topic, its correlation data and its payload, at most."""


class RpcDrop(Enum):
    """Why a message was not worked on, or its answer not delivered."""

    NO_RESPONSE_TOPIC = "no-response-topic"
    """A request that does not say where the answer is to go."""
    REPEATED = "repeated"
    """The same request is being worked on: it is answered once."""
    UNANSWERABLE = "unanswerable"
    """The response topic is none, the broker refuses it or the answer, or the connection broke meanwhile."""
    FLOODED = "flooded"
    """So many answers were under way that no more were sent."""


class MqttControl:
    """Takes requests on `<prefix>/rpc/<method>` and messages on `<prefix>/inputs/<hubInputName>`.

    An answer is JSON on the request's response topic, with its correlation data and a user property `status`.
    Methods are idempotent, so that a request that comes twice does no harm. Whoever wants an order waits for answers.

    An asynchronous context manager. At its end requests that are under way are finished, within a few
    seconds.

    Args:
        address: Where the broker is.
        methods: Work on the requests.
        inputs: Take the messages.
        note: Takes a line for the operator, on the loop.
        trusted_certificates: PEM file of authorities; None for the system's.
        backoff: Pauses between two tries to connect.

    Raises:
        ConfigurationError: The certificates cannot be read.
    """

    def __init__(
        self,
        address: BrokerAddress,
        methods: Methods,
        inputs: Inputs,
        *,
        note: Callable[[str], None],
        trusted_certificates: Path | None = None,
        backoff: BackoffOptions | None = None,
    ) -> None:
        self._address = address
        self._note = note
        self._methods = methods
        self._inputs = inputs
        self._complaints = Complaints(lambda line: note(f"mqtt: {line}"))
        self._input_complaints = Complaints(lambda line: note(f"mqtt: {line}"))
        self._listener = MqttListener(
            address,
            {"rpc": self._take_request, "inputs": self._take_input},
            note=note,
            trusted_certificates=trusted_certificates,
            backoff=backoff,
        )
        self.listening = self._listener.listening
        """Set while the broker has agreed to send."""
        self._under_way: dict[asyncio.Task[None], Received] = {}
        self._sending: set[asyncio.Future[int]] = set()
        self._is_ending = False
        self.answered = 0
        """Requests and messages whose answer the broker has taken."""
        self.dropped: Counter[RpcDrop] = Counter()

    async def __aenter__(self) -> Self:
        await self._listener.__aenter__()
        self._note(f"methods are taken at {self._address}/rpc/+, messages for pipelines at {self._address}/inputs/+")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_ending = True
        try:
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=_LAST_REQUESTS_S)
            if self._sending:
                await asyncio.wait(self._sending, timeout=_LAST_ANSWERS_S)
        finally:
            for task in self._under_way:
                task.cancel()
            await self._listener.__aexit__(kind, error, trace)
        causes = ", ".join(f"{count} {cause.value}" for cause, count in self.dropped.items())
        self._note(f"mqtt: {self.answered} answered" + (f" (dropped: {causes})" if causes else ""))

    def _take_request(self, method: str, received: Received) -> None:
        if not received.response_topic:
            self._drop(RpcDrop.NO_RESPONSE_TOPIC, f"a request for {method[:80]!r} has no response topic")
            return
        if received.correlation and received in self._under_way.values():
            self.dropped[RpcDrop.REPEATED] += 1
            return
        if self._is_ending or len(self._under_way) >= MOST_UNDER_WAY:
            reason = "the runner ends" if self._is_ending else f"{MOST_UNDER_WAY} requests are under way"
            self._answer(received, MethodError("ServerBusy", reason).answer())
            return
        try:
            # Nothing at all stands for an empty object: lists need no more.
            request = read_json(received.payload or b"{}", "a request")
        except InputError as error:
            self._answer(received, MethodError("BadRequest", str(error)).answer())
            return
        task = asyncio.create_task(self._call(method, request, received), name=f"framewire rpc {method[:80]}")
        self._under_way[task] = received
        task.add_done_callback(self._under_way.pop)

    async def _call(self, method: str, request: object, received: Received) -> None:
        try:
            answer = await self._methods.call(method, request)
        except Exception as error:
            _log.exception("a request over MQTT failed")
            answer = MethodError(
                "InternalServerError", f"the runner failed; its log says why: {type(error).__name__}"
            ).answer()
        self._answer(received, answer)

    def _take_input(self, name: str, received: Received) -> None:
        answer = self._inputs.post(name, received.payload, received.properties)
        if received.response_topic:
            self._answer(received, answer)
        elif answer.is_error and answer.body is not None:
            self._input_complaints.tell(f"input {name[:80]!r}: {answer.body['error']['message']}")

    def _answer(self, request: Received, answer: Answer) -> None:
        if len(self._sending) >= MOST_UNACKNOWLEDGED:
            self._drop(RpcDrop.FLOODED, f"{MOST_UNACKNOWLEDGED} answers wait for the broker; further ones are dropped")
            return
        payload = _payload(answer)
        most = self._listener.maximum_packet_bytes
        head_bytes = _HEADER_BYTES + len(request.response_topic.encode()) + len(request.correlation)
        if most is not None and head_bytes + len(payload) > most:
            message = f"the answer has {len(payload)} bytes, and the broker takes messages of {most}"
            answer = MethodError("InternalServerError", message).answer()
            payload = _payload(answer)
        try:
            sending = self._listener.answer(request, payload, {"status": str(answer.status)})
        except (BrokerError, ValueError) as error:
            self._drop(RpcDrop.UNANSWERABLE, f"an answer for {request.response_topic[:80]!r} cannot be sent: {error}")
            return
        self._sending.add(sending)
        sending.add_done_callback(lambda done: self._acknowledged(request, done))

    def _acknowledged(self, request: Received, sending: asyncio.Future[int]) -> None:
        self._sending.discard(sending)
        if sending.cancelled():
            self.dropped[RpcDrop.UNANSWERABLE] += 1
        elif sending.result() >= 0x80:
            line = f"the broker refuses an answer for {request.response_topic[:80]!r} (reason {sending.result():#04x})"
            self._drop(RpcDrop.UNANSWERABLE, line)
        else:
            self.answered += 1

    def _drop(self, cause: RpcDrop, line: str) -> None:
        self.dropped[cause] += 1
        self._complaints.tell(line)


def _payload(answer: Answer) -> bytes:
    body: Mapping[str, Any] = answer.body or {}
    return encoded(json.dumps(body, ensure_ascii=False, separators=(",", ":")))
