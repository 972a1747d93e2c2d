"""gRPC over HTTP/2 as a client of one call needs it, without I/O."""

from framewire.client.http2.call import WINDOW_BYTES, Http2Call
from framewire.client.http2.status import STATUSES, Ending

__all__ = ["STATUSES", "WINDOW_BYTES", "Ending", "Http2Call"]
