"""The camera side of the contract, as a library."""

from framewire.client.client import Client
from framewire.client.options import ClientOptions, Result
from framewire.session.client import Match

__all__ = ["Client", "ClientOptions", "Match", "Result"]
