"""The extension server: grpc.aio around sessions, frames and scheduling."""

from framewire.server.options import ServerOptions
from framewire.server.server import BindError, Server

__all__ = ["BindError", "Server", "ServerOptions"]
