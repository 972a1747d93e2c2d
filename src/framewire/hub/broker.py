"""One connection to a broker: the only place that knows the MQTT library."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framewire.errors import ConfigurationError, PeerError
from framewire.hub.address import BrokerAddress

try:
    import aiomqtt
    from aiomqtt.exceptions import MqttConnectError
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    from paho.mqtt.subscribeoptions import SubscribeOptions
except ImportError as error:
    raise ConfigurationError(
        f"MQTT needs {error.name}, which is not installed", remedy="pip install 'framewire[pipeline]'"
    ) from None

_TIMEOUT_S = 5.0
"""How long a broker may take to answer a greeting."""

_KEEP_ALIVE_S = 20
"""A connection that is silent for so long is asked whether it is still there."""

_MOST_INCOMING_BYTES = 1 << 20
"""Larger messages are not sent to us: the broker drops them (MQTT 5.0, section 3.1.2.11.4)."""

_CREDENTIALS_CODES = frozenset({0x86, 0x87, 0x8A, 0x8C})
"""Bad user name or password, not authorized, banned, bad authentication method (MQTT 5.0, section 3.2.2.2)."""

_MALFORMED, _PROTOCOL_ERROR, _WRONG_VERSION = 0x81, 0x82, 0x84

_SILENT = logging.getLogger("framewire.hub.library")
_SILENT.disabled = True
"""What the library logs of broken connections, we tell ourselves, in one line and once."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message that came.

    Args:
        topic: Where it was published.
        payload: What it holds.
        properties: Its user properties; of several with one name, the last.
        response_topic: Where an answer is expected; empty for none.
        correlation: What the answer is to carry, so that its receiver knows the request by it.
        is_retained: Whether the broker had kept it for whoever subscribes.
    """

    topic: str
    payload: bytes
    properties: Mapping[str, str] = field(default_factory=dict)
    response_topic: str = ""
    correlation: bytes = b""
    is_retained: bool = False


Incoming = Callable[[Received], None]
"""Takes a message on the loop."""


class BrokerError(PeerError):
    """The broker cannot be reached, refuses us, or has ended the connection.

    Args:
        problem: What happened.
        reason_code: What the broker gave as a reason; None when it gave none.
        is_refusal: Whether only a human can change it.
    """

    def __init__(self, problem: str, *, reason_code: int | None = None, is_refusal: bool = False) -> None:
        super().__init__(problem, status="UNAUTHENTICATED" if is_refusal else "UNAVAILABLE")
        self.reason_code = reason_code
        self.is_refusal = is_refusal


class _TlsSocket(ssl.SSLSocket):
    """The library forgets the socket of a broker that it does not trust; this one closes itself."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class _Client(aiomqtt.Client):
    """The library's client, with what the broker says about each message, which it does not tell."""

    acknowledgements: dict[int, asyncio.Future[int]]
    connect_properties: Any = None
    end_reason: int | None = None
    is_not_understood: bool = False
    incoming: Incoming | None = None

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        self.connect_properties = properties
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        if flags.is_disconnect_packet_from_server:
            self.end_reason = reason_code.value
        elif reason_code.value == _PROTOCOL_ERROR:
            self.is_not_understood = True
        if not self._connected.done():
            # The library would wait for the rest of its time.
            self._connected.set_exception(aiomqtt.MqttError("it closed the connection at once"))
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        """The library's own, which is put off too, takes no notice of a socket that was closed meanwhile."""

        def write() -> None:
            try:
                client.loop_write()
            except Exception as error:  # the library's own does the same: whatever it is, the connection is over
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)

        def register() -> None:
            if (number := sock.fileno()) >= 0:
                self._loop.add_writer(number, write)

        # The library may be connecting in another thread.
        self._loop.call_soon_threadsafe(register)

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        answer = self.acknowledgements.pop(mid, None)
        if answer is not None and not answer.done():
            answer.set_result(reason_code.value)

    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        if self.incoming is not None:
            said = message.properties
            self.incoming(
                Received(
                    message.topic,
                    bytes(message.payload),
                    dict(getattr(said, "UserProperty", ())),
                    getattr(said, "ResponseTopic", ""),
                    getattr(said, "CorrelationData", b""),
                    bool(message.retain),
                )
            )


class Connection:
    """A connection to a broker, MQTT 5. Opened once; another one is another object.

    Args:
        address: Where the broker is, and who we are.
        tls: How to check the broker; None without encryption.
        incoming: Takes messages of topics that are subscribed to.
    """

    def __init__(self, address: BrokerAddress, tls: ssl.SSLContext | None, incoming: Incoming | None = None) -> None:
        self._address = address
        connect = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        connect.MaximumPacketSize = _MOST_INCOMING_BYTES
        self._client = _Client(
            address.host,
            address.port,
            username=address.user if address.user is not None or address.password is None else "",
            password=address.password,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=True,
            keepalive=_KEEP_ALIVE_S,
            properties=connect,
            timeout=_TIMEOUT_S,
            tls_context=tls,
            logger=_SILENT,
        )
        self._client.acknowledgements = {}
        self._client.incoming = incoming
        self._is_open = False

    @property
    def maximum_packet_bytes(self) -> int | None:
        """Largest message that the broker takes, headers included; None when it did not say."""
        value = getattr(self._client.connect_properties, "MaximumPacketSize", None)
        return value if isinstance(value, int) else None

    @property
    def receive_maximum(self) -> int | None:
        """Most unacknowledged messages that the broker takes; None when it did not say."""
        value = getattr(self._client.connect_properties, "ReceiveMaximum", None)
        return value if isinstance(value, int) else None

    async def open(self) -> None:
        """Connects.

        Raises:
            BrokerError: The broker cannot be reached, or does not want us.
        """
        # The library connects in a thread and cannot be interrupted: whoever does not wait for it any more leaves it.
        opening = asyncio.ensure_future(self._client.__aenter__())
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._abandon)
            raise
        except MqttConnectError as error:
            self._client._client.disconnect()
            raise self._refusal(_code_of(error.rc)) from None
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            # One that was silent leaves its socket open.
            self._client._client.disconnect()
            text = " ".join(str(error).split()) or type(error).__name__
            raise BrokerError(f"{self._address} cannot be reached ({text})") from None
        self._is_open = True

    def publish(
        self, topic: str, payload: bytes, properties: Mapping[str, str], correlation: bytes = b""
    ) -> asyncio.Future[int]:
        """Sends a message with QoS 1.

        Args:
            topic: Where to.
            payload: JSON in UTF-8.
            properties: User properties.
            correlation: Of the request that it answers; empty for none.

        Returns:
            Gives the reason code of the acknowledgement; it is cancelled when the connection ends before.

        Raises:
            BrokerError: The connection is gone.
            ValueError: MQTT cannot carry it.
        """
        attributes = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        attributes.PayloadFormatIndicator = 1
        attributes.ContentType = "application/json"
        attributes.UserProperty = list(properties.items())
        if correlation:
            attributes.CorrelationData = correlation
        info = self._client._client.publish(topic, payload, 1, False, attributes)
        if info.rc != 0:
            raise self.ended()
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._client.acknowledgements[info.mid] = answer
        return answer

    async def subscribe(self, topic: str) -> None:
        """Asks for messages of a topic from now on, with QoS 1; not for those that the broker keeps.

        Raises:
            BrokerError: The broker refuses, or the connection is gone.
        """
        try:
            # What is kept on a topic came before: done at each new connection, it would be done again and again.
            later = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
            codes = await self._client.subscribe(topic, options=later)
        except aiomqtt.MqttError:
            raise self.ended() from None
        code = _code_of(codes[0])
        if code is not None and code >= 0x80:
            raise BrokerError(f"{self._address} refuses the topic {topic} (reason {code:#04x})", is_refusal=True)

    async def wait_end(self) -> None:
        """Waits until the connection is lost."""
        await asyncio.wait([self._client._disconnected])

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone."""
        return self._client._disconnected.done()

    def ended(self) -> BrokerError:
        """What to say about the end of the connection."""
        code = self._client.end_reason
        if self._client.is_not_understood:
            # mosquitto 2.0 answers messages that are too large with a reason that MQTT does not allow there.
            return BrokerError(f"{self._address} sent something that is not MQTT", reason_code=_MALFORMED)
        said = "" if code is None else f" (reason {code:#04x})"
        return BrokerError(f"{self._address} has ended the connection{said}", reason_code=code)

    async def close(self) -> None:
        """Says good-bye, if there is still anybody."""
        answers, self._client.acknowledgements = self._client.acknowledgements, {}
        for answer in answers.values():
            answer.cancel()
        if self._is_open:
            self._is_open = False
            end = self._client._disconnected
            if end.done() and not end.cancelled():
                # Looked at, or asyncio complains that nobody did.
                end.exception()
            # How a connection ended is told elsewhere; here it only has to be over.
            with contextlib.suppress(aiomqtt.MqttError, OSError, ValueError):
                await self._client.__aexit__(None, None, None)

    def _refusal(self, code: int | None) -> BrokerError:
        if code in _CREDENTIALS_CODES:
            who = "without credentials" if self._address.user is None else f"as user {self._address.user!r}"
            text = (
                f"{self._address} does not let us in {who} (reason {code:#04x}); check user, password and permissions"
            )
            return BrokerError(text, reason_code=code, is_refusal=True)
        if code == _WRONG_VERSION:
            text = f"{self._address} does not speak MQTT 5; use a broker that does"
            return BrokerError(text, reason_code=code, is_refusal=True)
        said = "" if code is None else f" (reason {code:#04x})"
        return BrokerError(f"{self._address} refuses the connection{said}", reason_code=code)

    def _abandon(self, opening: asyncio.Future[Any]) -> None:
        if not opening.cancelled() and opening.exception() is None:
            self._client._client.disconnect()


def tls_context(address: BrokerAddress, trusted_certificates: Path | None) -> ssl.SSLContext | None:
    """How to check a broker; None for one that is not encrypted.

    Raises:
        ConfigurationError: The certificates cannot be read.
    """
    if not address.is_encrypted:
        return None
    try:
        context = ssl.create_default_context(cafile=None if trusted_certificates is None else str(trusted_certificates))
    except OSError as error:
        reason = "it is no PEM file" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigurationError(f"the certificates {trusted_certificates} cannot be read ({reason})") from None
    context.sslsocket_class = _TlsSocket
    return context


def _code_of(value: object) -> int | None:
    code = getattr(value, "value", value)
    return code if isinstance(code, int) else None
