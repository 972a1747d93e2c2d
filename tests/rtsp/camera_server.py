"""A camera that speaks RTSP and misbehaves on command, in plain Python.

    with RtspServer(street_clip()) as server:
        play(server.url)

RTP goes over the connection itself, over UDP, or through an HTTP tunnel, as the client asks. See :class:`Behaviour` for
what can go wrong. It is a test double: it trusts its one client, and knows of RTSP what clients of cameras use.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from ssl import SSLContext
from types import TracebackType
from typing import Self

from camera_behaviour import Behaviour
from camera_clips import EncodedClip
from camera_session import CameraSession, Request


@dataclass(frozen=True)
class Asked:
    """A request as it came, and on which connection, counted from 0."""

    connection: int
    request: Request


class RtspServer:
    """A camera.

    Args:
        clip: What it sends.
        behaviours: How its first connection behaves, the second and so on; the last is for all that follow.
        tls: For `rtsps`.
        port: Where it listens; 0 for any free port.

    Attributes:
        port: Where it listens.
        asked: All requests so far, in their order.
    """

    def __init__(self, clip: EncodedClip, *behaviours: Behaviour, tls: SSLContext | None = None, port: int = 0) -> None:
        self.clip = clip
        self.behaviours = list(behaviours or [Behaviour()])
        self.asked: list[Asked] = []
        self._tls = tls
        self._changed = threading.Condition()
        self._connections = 0
        self._sessions: dict[int, CameraSession] = {}
        self._tunnels: dict[str, CameraSession] = {}
        self._threads: list[threading.Thread] = []
        self.port = port
        self._listener: socket.socket | None = None
        self.listen()

    @property
    def url(self) -> str:
        """The address of its only stream."""
        return f"rtsp{'s' if self._tls else ''}://127.0.0.1:{self.port}/street"

    @property
    def connections(self) -> int:
        """How many were accepted so far; a tunnel counts as one."""
        return self._connections

    @property
    def frames_sent(self) -> int:
        """How many frames all sessions have sent so far."""
        with self._changed:
            return sum(session.frames_sent for session in self._sessions.values())

    def methods(self, connection: int = 0) -> list[str]:
        """What one connection was asked for, in order."""
        return [asked.request.method for asked in self.asked if asked.connection == connection]

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> bool:
        """Waits until something holds; it is looked at when a connection or a request came."""
        with self._changed:
            return self._changed.wait_for(condition, timeout_s)

    def listen(self) -> None:
        """Takes connections, after :meth:`refuse` again and at the same port."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._start(lambda: self._accept(listener))

    def refuse(self) -> None:
        """Refuses connections, and breaks those that are open."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # A thread that waits in accept is woken by this, and not by a close.
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.drop()

    def drop(self) -> None:
        """Breaks the connections that are open."""
        with self._changed:
            sessions = list(self._sessions.values())
        for session in sessions:
            session.abort()

    def close(self) -> None:
        """Ends everything."""
        self.refuse()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), f"{thread.name} hangs"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, target: Callable[[], None]) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=target, name="test camera", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._start(lambda connection=connection: self._serve(connection))  # type: ignore[misc]

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with self._changed:
                number = self._connections
                self._connections += 1
                behaviour = self.behaviours[min(number, len(self.behaviours) - 1)]
                session = CameraSession(connection, self.clip, behaviour, self._tunnels)
                self._sessions[number] = session
                self._changed.notify_all()
            session.serve(lambda request: self._note(number, request))
        except OSError:
            return  # the other side is gone, or a test has had enough
        finally:
            connection.close()

    def _note(self, number: int, request: Request) -> None:
        with self._changed:
            if request.method == "POST":
                # The second half of a tunnel: what comes in belongs to the first.
                self._connections -= 1
                self._sessions.pop(number, None)
            self.asked.append(Asked(number, request))
            self._changed.notify_all()
