"""Messages to a broker: at least once, in order, and none lost while it is away."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from framewire.errors import ConfigurationError
from framewire.hub.address import BrokerAddress
from framewire.hub.backoff import BackoffOptions
from framewire.hub.broker import BrokerError, Connection, tls_context
from framewire.hub.delivery import NOT_AUTHORIZED, Delivery, Verdict, verdict_on
from framewire.hub.link import BrokerLink, LinkState
from framewire.hub.message import HubMessage
from framewire.hub.outbox import Outbox
from framewire.hub.parcel import pack, unpack
from framewire.hub.statistics import DropCause, PublisherStatistics
from framewire.hub.thread import SideThread

_READ_BYTES = 1 << 20
"""So much is taken out of the outbox at once."""

_MOST_UNSTORED = 8192
_MOST_UNSTORED_BYTES = 8 << 20
"""What waits for the disk; a disk that stands still for longer loses the oldest."""

_MOST_REFUSED_TOPICS = 1000


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """How messages are kept and sent.

    Args:
        outbox_folder: Where they are kept until the broker takes them, in a folder of their own for each broker and
            prefix; None keeps them in memory.
        outbox_mib: Most MiB of them, 0.0625 to 1,048,576.
        trusted_certificates: PEM file of authorities; None for the system's.
        backoff: Pauses between two tries to connect.
    """

    outbox_folder: Path | None = None
    outbox_mib: float = 256.0
    trusted_certificates: Path | None = None
    backoff: BackoffOptions = field(default_factory=BackoffOptions)

    def __post_init__(self) -> None:
        if not 1 / 16 <= self.outbox_mib <= 1 << 20:
            raise ConfigurationError(f"the outbox has {self.outbox_mib:g} MiB", allowed="0.0625 to 1048576")


@dataclass(frozen=True, slots=True)
class _OutboxState:
    """What an outbox said of itself last."""

    waiting: int
    waiting_bytes: int
    dropped: Counter[DropCause]
    is_lasting: bool


class MqttPublisher:
    """Sends messages with QoS 1; see :class:`framewire.hub.Publisher`.

    A message is in the outbox before it is sent, and leaves it when the broker has acknowledged it. A broker that
    refuses a message for good gets no second chance; see :mod:`framewire.hub.delivery`.

    Args:
        address: Where the broker is.
        options: How to keep and send.
        note: Takes a line for the operator, on the loop.
        clock: Seconds of a steady clock.
        dice: Numbers from 0 to 1, for the pauses.

    Raises:
        ConfigurationError: The certificates cannot be read.
    """

    def __init__(
        self,
        address: BrokerAddress,
        options: MqttOptions,
        *,
        note: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._address = address
        self._options = options
        self._note = note
        self._folder = None if options.outbox_folder is None else options.outbox_folder / folder_name(address)
        tls = tls_context(address, options.trusted_certificates)
        self._link = BrokerLink(address, tls, options.backoff, note, changed=self._wake, clock=clock, dice=dice)
        self._unstored: deque[bytes] = deque()
        self._unstored_bytes = 0
        self._storing = 0
        self._published = 0
        self._delivered = 0
        self._dropped: Counter[DropCause] = Counter()
        self._resumed = 0
        self._state = _OutboxState(0, 0, Counter(), True)
        self._given_up: dict[int, DropCause] = {}
        self._told_refusals: set[int] = set()
        self._refused_topics: dict[str, float] = {}
        self._is_put_off = False
        self._has_more = True
        self._to_ack: int | None = None
        self._wakeup: asyncio.Future[None] | None = None
        self._thread: SideThread | None = None
        self._outbox: Outbox | None = None
        self._delivery = Delivery(0)
        self._tasks: list[asyncio.Task[None]] = []
        self._clock = clock
        self._is_closed = False

    async def open(self) -> None:
        """Opens the outbox and begins to connect.

        Raises:
            ConfigurationError: The folder cannot be used, or another process uses it.
        """
        thread = SideThread(f"outbox of {self._address.host}")
        loop = asyncio.get_running_loop()

        def note(text: str) -> None:
            loop.call_soon_threadsafe(self._note, text)

        bound_bytes = int(self._options.outbox_mib * (1 << 20))
        try:
            self._outbox = await thread.call(Outbox, self._folder, bound_bytes, note)
        except BaseException:
            thread.close()
            raise
        self._thread = thread
        self._delivery = Delivery(self._outbox.acked)
        self._resumed = self._outbox.resumed
        self._state = _state_of(self._outbox)
        if self._resumed:
            self._note(f"{self._resumed} messages of an earlier run wait for {self._address}")
        self._tasks = [asyncio.create_task(self._keep()), asyncio.create_task(self._link.run(self._deliver))]

    def publish(self, message: HubMessage) -> None:
        """Takes a message; see :class:`framewire.hub.Publisher`."""
        self._published += 1
        content = None if self._is_closed else pack(message)
        if content is None:
            self._dropped[DropCause.CLOSED if self._is_closed else DropCause.TOO_LARGE] += 1
            return
        self._unstored.append(content)
        self._unstored_bytes += len(content)
        while len(self._unstored) > _MOST_UNSTORED or self._unstored_bytes > _MOST_UNSTORED_BYTES:
            self._unstored_bytes -= len(self._unstored.popleft())
            self._dropped[DropCause.DISK] += 1
        self._wake()

    async def room(self) -> None:
        """Waits until less than half of the outbox is taken, and the disk keeps up."""
        half = self._options.outbox_mib * (1 << 19)
        while not self._is_closed and (
            self._state.waiting_bytes > half
            or len(self._unstored) > _MOST_UNSTORED // 2
            or self._unstored_bytes > _MOST_UNSTORED_BYTES // 2
        ):
            await self._change()

    async def close(self, timeout_s: float) -> None:
        """Delivers what waits, for some seconds at most, and ends.

        What is on the disk stays for the next run; nobody waits for a broker that is away, then.
        """
        if self._is_closed:
            return
        self._is_closed = True
        thread, outbox = self._thread, self._outbox
        if thread is None or outbox is None:
            return
        deadline = asyncio.get_running_loop().time() + timeout_s
        try:
            async with asyncio.timeout_at(deadline):
                while self._unstored or self._storing or (self._state.waiting and not self._may_leave_it):
                    await self._change()
        except TimeoutError:
            pass
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        closing = asyncio.ensure_future(thread.call(_close, outbox))
        await asyncio.wait([closing], timeout=max(timeout_s, 1.0))
        thread.close()
        if closing.done():
            lost, self._state = closing.result()
        else:
            # A disk that stands still is not waited for: what is not written by now, is lost.
            closing.cancel()
            lost = self._state.waiting + self._storing
            self._state = replace(self._state, waiting=0, waiting_bytes=0)
        lost += len(self._unstored)
        self._storing = self._unstored_bytes = 0
        self._unstored.clear()
        self._dropped[DropCause.CLOSED] += lost
        left = self._state.waiting
        if left:
            self._note(f"{left} messages for {self._address} are kept in {self._folder} for the next run")
        if lost:
            self._note(f"{lost} messages for {self._address} are lost: it did not take them in time")

    def statistics(self) -> PublisherStatistics:
        """What became of the messages so far."""
        return PublisherStatistics(
            published=self._published,
            resumed=self._resumed,
            delivered=self._delivered,
            waiting=self._state.waiting + len(self._unstored) + self._storing,
            waiting_bytes=self._state.waiting_bytes + self._unstored_bytes,
            dropped=self._dropped + self._state.dropped,
            is_connected=self._link.state is LinkState.CONNECTED and not self._is_closed,
            connections=self._link.connections,
            last_error=self._link.last_error,
        )

    @property
    def _may_leave_it(self) -> bool:
        return self._state.is_lasting and self._link.state is LinkState.WAITING

    async def _keep(self) -> None:
        """Puts what is published into the outbox."""
        thread, outbox = self._thread, self._outbox
        assert thread is not None
        assert outbox is not None
        while True:
            if not self._unstored:
                await self._change()
                continue
            contents = list(self._unstored)
            self._unstored.clear()
            self._unstored_bytes = 0
            self._storing = len(contents)
            self._state = await thread.call(_append, outbox, contents)
            self._storing = 0
            self._has_more = True
            self._wake()

    async def _deliver(self, connection: Connection) -> None:
        """Sends what is in the outbox, over one connection."""
        self._delivery.begin(connection.receive_maximum)
        self._is_put_off = False
        self._has_more = True
        end = asyncio.ensure_future(connection.wait_end())
        end.add_done_callback(lambda _: self._wake())
        try:
            while True:
                if connection.is_lost:
                    raise connection.ended()
                if self._is_put_off:
                    raise BrokerError(f"{self._address} takes no more messages for now (quota exceeded)")
                # Nothing may happen between the last look and the wait: after each step, all is looked at again.
                if self._to_ack is not None:
                    await self._settle()
                elif self._has_more and self._delivery.room:
                    await self._send(connection)
                else:
                    await self._change()
        except BrokerError as error:
            number = self._delivery.broken(error.reason_code)
            if number is not None:
                self._link.useful()
                self._give_up(number, DropCause.REFUSED, error.reason_code)
                self._to_ack = number
            raise
        finally:
            end.cancel()
            await self._settle()

    async def _send(self, connection: Connection) -> None:
        assert self._thread is not None
        assert self._outbox is not None
        room = self._delivery.room
        self._has_more = False
        try:
            records = await self._thread.call(self._outbox.read, self._delivery.last, room, _READ_BYTES)
        except OSError as error:
            self._has_more = True
            raise BrokerError(f"the outbox {self._folder} cannot be read just now ({error.strerror})") from None
        self._has_more = self._has_more or len(records) == room or sum(len(item) for _, item in records) >= _READ_BYTES
        for number, content in records:
            if connection.is_lost:
                self._has_more = True
                return
            self._delivery.sent(number)
            try:
                parcel = unpack(content)
            except (ValueError, RecursionError):
                self._settled(number, DropCause.UNREADABLE)
                continue
            topic = self._address.messages_topic(parcel.hub_output) if parcel.hub_output else self._address.events_topic
            if self._is_refused(topic):
                self._settled(number, DropCause.REFUSED)
                continue
            try:
                answer = connection.publish(topic, parcel.payload, parcel.properties)
            except ValueError:
                self._settled(number, DropCause.TOO_LARGE)
            else:
                answer.add_done_callback(partial(self._answered, number, topic))

    def _is_refused(self, topic: str) -> bool:
        """Whether a topic was forbidden a short while ago: some brokers end the connection over each message of it."""
        since_s = self._refused_topics.get(topic)
        return since_s is not None and self._clock() - since_s < self._options.backoff.refused_s

    def _answered(self, number: int, topic: str, answer: asyncio.Future[int]) -> None:
        if answer.cancelled():
            return
        reason_code = answer.result()
        self._link.useful()
        if reason_code == NOT_AUTHORIZED:
            if len(self._refused_topics) >= _MOST_REFUSED_TOPICS:
                self._refused_topics.clear()
            self._refused_topics[topic] = self._clock()
        match verdict_on(reason_code):
            case Verdict.TAKEN:
                self._settled(number, None)
            case Verdict.REFUSED:
                self._settled(number, DropCause.REFUSED, reason_code)
            case Verdict.LATER:
                self._is_put_off = True
        self._wake()

    def _settled(self, number: int, cause: DropCause | None, reason_code: int | None = None) -> None:
        if cause is not None:
            self._give_up(number, cause, reason_code)
        up_to = self._delivery.settled(number)
        if up_to is not None:
            self._to_ack = up_to

    def _give_up(self, number: int, cause: DropCause, reason_code: int | None) -> None:
        self._given_up[number] = cause
        if cause is DropCause.REFUSED and reason_code is not None and reason_code not in self._told_refusals:
            self._told_refusals.add(reason_code)
            self._note(
                f"{self._address} refuses a message (reason {reason_code:#04x}); it and others like it are dropped"
            )

    async def _settle(self) -> None:
        """Takes out of the outbox what the broker has."""
        if self._to_ack is not None:
            up_to, self._to_ack = self._to_ack, None
            # To the end even if nobody waits for it any more, so that nothing is counted twice or not at all.
            await asyncio.shield(asyncio.ensure_future(self._acknowledge(up_to)))

    async def _acknowledge(self, up_to: int) -> None:
        assert self._thread is not None
        assert self._outbox is not None
        gone, self._state = await self._thread.call(_acknowledge, self._outbox, up_to)
        for number in [number for number in self._given_up if number <= up_to]:
            cause = self._given_up.pop(number)
            if gone:
                # Otherwise it had to make room meanwhile, and is counted there.
                self._dropped[cause] += 1
                gone -= 1
        self._delivered += gone
        self._wake()

    def _wake(self) -> None:
        if self._wakeup is not None:
            self._wakeup.set_result(None)
            self._wakeup = None

    async def _change(self) -> None:
        """Waits until something has changed."""
        if self._wakeup is None:
            self._wakeup = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._wakeup)


def folder_name(address: BrokerAddress) -> str:
    """The name of the folder, below the outbox, of a broker and prefix."""
    place = f"{address.host}:{address.port}/{address.prefix}"
    # Different places may look alike in what names of files can hold.
    return f"{re.sub('[^A-Za-z0-9.-]', '_', place)[:64]}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def _append(outbox: Outbox, contents: Sequence[bytes]) -> _OutboxState:
    outbox.append(contents)
    return _state_of(outbox)


def _acknowledge(outbox: Outbox, up_to: int) -> tuple[int, _OutboxState]:
    gone = outbox.ack(up_to)
    return gone, _state_of(outbox)


def _close(outbox: Outbox) -> tuple[int, _OutboxState]:
    lost = outbox.close()
    return lost, _state_of(outbox)


def _state_of(outbox: Outbox) -> _OutboxState:
    return _OutboxState(outbox.waiting, outbox.waiting_bytes, outbox.dropped, outbox.is_lasting)
