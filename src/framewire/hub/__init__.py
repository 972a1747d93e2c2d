"""Messages and where they go: to a terminal, a file or a broker, and from a broker to us.

What needs MQTT is loaded when it is used: :func:`open_publisher` for messages that leave, and
:mod:`framewire.hub.inputs` for those that come.
"""

from framewire.hub.address import BrokerAddress, is_broker, parse_broker, topic_level
from framewire.hub.envelope import Envelope, event_time
from framewire.hub.input import InputError, InputMessage, read_input
from framewire.hub.message import HubMessage
from framewire.hub.publisher import Publisher, open_publisher
from framewire.hub.statistics import DropCause, PublisherStatistics

__all__ = [
    "BrokerAddress",
    "DropCause",
    "Envelope",
    "HubMessage",
    "InputError",
    "InputMessage",
    "Publisher",
    "PublisherStatistics",
    "event_time",
    "is_broker",
    "open_publisher",
    "parse_broker",
    "read_input",
    "topic_level",
]
