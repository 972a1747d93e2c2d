"""gRPC over HTTP/2 as a client of one call needs it, without I/O."""

from framewire.client.http2.call import Http2Call
from framewire.client.http2.status import Ending

__all__ = ["Ending", "Http2Call"]
