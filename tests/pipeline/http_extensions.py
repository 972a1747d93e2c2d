"""HTTP extensions for tests: a real server on a real socket, which answers as it is told."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CAR = {"tag": {"value": "car", "confidence": 0.5}, "box": {"l": 0, "t": 0.25, "w": 1, "h": 0.5}}
FOUND = {"inferences": [{"type": "entity", "entity": CAR}]}

Reply = Callable[[int], tuple[int, dict[str, str], bytes]]


class Requests:
    """What an extension was sent."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []


@contextmanager
def extension(reply: Reply, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, Requests]]:
    """A server that answers the n-th request as it is told, encrypted on demand."""
    requests = Requests()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                number = len(requests.bodies)
                requests.bodies.append(body)
                requests.headers.append(dict(self.headers.items()))
            status, headers, answer = reply(number)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if tls is not None:
        # The handshake belongs to a request's own thread: one that fails must not hold up the server.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/score", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def found() -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(FOUND).encode()
