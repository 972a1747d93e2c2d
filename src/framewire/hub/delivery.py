"""Which messages are on their way to the broker, and what follows from its answers. Pure: no socket, no clock."""

from __future__ import annotations

from enum import Enum

WINDOW = 16
"""Most messages that wait for their acknowledgement: enough to hide the way there and back, few enough that little is
sent twice after a connection broke."""

MALFORMED_PACKET = 0x81
NOT_AUTHORIZED = 0x87
TOPIC_NAME_INVALID = 0x90
PACKET_TOO_LARGE = 0x95
QUOTA_EXCEEDED = 0x97
PAYLOAD_FORMAT_INVALID = 0x99

_FIRST_FAILURE = 0x80

_FAULTS_OF_A_MESSAGE = frozenset({MALFORMED_PACKET, TOPIC_NAME_INVALID, PACKET_TOO_LARGE, PAYLOAD_FORMAT_INVALID})
"""Reasons with which a connection ends over one message (MQTT 5.0, section 3.14.2.1)."""


class Verdict(Enum):
    """What a broker said about a message."""

    TAKEN = "taken"
    REFUSED = "refused"
    """For good: the same message would be refused again."""
    LATER = "later"
    """Not now."""


def verdict_on(reason_code: int) -> Verdict:
    """Reads the reason code of an acknowledgement (MQTT 5.0, section 3.4.2.1).

    A message that the broker does not want is not kept: those behind it would wait, for as long as a topic's
    permissions are wrong. Exceeded quotas pass.
    """
    if reason_code < _FIRST_FAILURE:
        return Verdict.TAKEN
    return Verdict.LATER if reason_code == QUOTA_EXCEEDED else Verdict.REFUSED


class Delivery:
    """Messages on their way, by number, over one connection after the other.

    Args:
        acked: Number up to which all are delivered.
        window: Most messages that wait for their acknowledgement.
    """

    def __init__(self, acked: int, window: int = WINDOW) -> None:
        self._acked = acked
        self._window = window
        self._most = window
        self._is_careful = False
        self._under_way: dict[int, bool] = {}
        self._last = acked

    @property
    def last(self) -> int:
        """Number of the last one that was sent, or need not be."""
        return self._last

    @property
    def room(self) -> int:
        """How many more may be sent now."""
        return max(0, (1 if self._is_careful else self._most) - len(self._under_way))

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way

    def begin(self, receive_maximum: int | None = None) -> None:
        """There is a new connection: all that is not acknowledged is sent again.

        Args:
            receive_maximum: Most unacknowledged messages that the broker takes (MQTT 5.0, section 3.2.2.3.3).
        """
        self._under_way.clear()
        self._last = self._acked
        self._most = self._window if receive_maximum is None else min(self._window, max(1, receive_maximum))

    def sent(self, number: int) -> None:
        """A message is on its way. Numbers grow."""
        self._under_way[number] = False
        self._last = number

    def settled(self, number: int) -> int | None:
        """A message is taken, or refused for good.

        Returns:
            The number up to which all are settled now; None when older ones are still under way.
        """
        if number not in self._under_way:
            return None
        self._under_way[number] = True
        before = self._acked
        for first, is_settled in list(self._under_way.items()):
            if not is_settled:
                break
            del self._under_way[first]
            self._acked = first
        if self._acked == before:
            return None
        # The one that was suspected is through.
        self._is_careful = False
        return self._acked

    def broken(self, reason_code: int | None) -> int | None:
        """The connection has ended.

        A message over which the broker ends the connection would end the next one, too, and everything behind it would
        wait for ever. So messages go one by one, until one is through. One by one, too, the broker's last words arrive:
        they are lost when it hangs up on messages that it has not read (mosquitto 2.0 does, after each one that it
        refuses). The one over which the broker says that it ends the connection, is given up.

        Args:
            reason_code: With which the broker ended it; None when it did not say.

        Returns:
            The number of the message to give up, if any; it counts as settled.
        """
        unsettled = [number for number, is_settled in self._under_way.items() if not is_settled]
        self._under_way.clear()
        self._is_careful = self._is_careful or bool(unsettled)
        if reason_code not in _FAULTS_OF_A_MESSAGE or len(unsettled) != 1:
            return None
        self._is_careful = False
        self._acked = self._last = unsettled[0]
        return unsettled[0]
