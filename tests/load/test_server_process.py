"""Who listens on an address, and what it uses."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from framewire.load.server_process import find_server

LISTENER = """
import os, socket, sys, time
kind, where, children = sys.argv[1], sys.argv[2], int(sys.argv[3])
if kind == "unix":
    server = socket.socket(socket.AF_UNIX)
    server.bind(where)
else:
    server = socket.socket(socket.AF_INET6 if kind == "6" else socket.AF_INET)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    server.bind((where, 0))
server.listen()
for _ in range(children):
    if os.fork() == 0:
        server.close()
        break
# Each of them burns a little, then says so.
while time.process_time() < 0.2:
    pass
os.write(1, b"%d\\n" % (server.getsockname()[1] if kind != "unix" and server.fileno() >= 0 else 0))
sys.stdin.read()
"""


@contextmanager
def listening(kind: str, where: str, children: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that listens and has used some time; gives it and its port."""
    process = subprocess.Popen(
        (sys.executable, "-c", LISTENER, kind, where, str(children)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process, max(int(process.stdout.readline()) for _ in range(children + 1))
    finally:
        # Its children end with their input.
        process.stdin.close()
        process.stdout.close()
        process.wait()


@pytest.mark.parametrize(
    ("kind", "where", "target"),
    [
        ("4", "127.0.0.1", "127.0.0.1:PORT"),
        ("4", "127.0.0.1", "localhost:PORT"),
        ("4", "0.0.0.0", "127.0.0.1:PORT"),
        ("6", "::", "127.0.0.1:PORT"),
        ("6", "::1", "[::1]:PORT"),
        ("6", "::", "[::1]:PORT"),
    ],
)
def test_a_server_on_a_port_is_found(kind: str, where: str, target: str) -> None:
    with listening(kind, where) as (_, port):
        server = find_server(target.replace("PORT", str(port)))
        assert server is not None
        usage = server.usage()
    assert usage is not None
    assert usage.processes == 1
    assert 0.15 <= usage.cpu_s < 5
    assert 1 << 20 < usage.rss_bytes < 1 << 30


@pytest.mark.parametrize("form", ["unix:{}", "unix://{}"])
def test_a_server_on_a_unix_socket_is_found(tmp_path: Path, form: str) -> None:
    path = tmp_path / "socket"
    with listening("unix", str(path)):
        server = find_server(form.format(path))
        assert server is not None
        assert server.usage() is not None


def test_its_child_processes_count_too() -> None:
    with listening("4", "127.0.0.1", children=2) as (_, port):
        server = find_server(f"127.0.0.1:{port}")
        assert server is not None
        usage = server.usage()
    assert usage is not None
    assert usage.processes == 3
    assert usage.cpu_s >= 0.45


def test_a_server_that_is_gone_has_no_usage() -> None:
    with listening("4", "127.0.0.1") as (process, port):
        server = find_server(f"127.0.0.1:{port}")
        process.kill()
        process.wait()
        assert server is not None
        assert server.usage() is None


def test_a_server_on_another_machine_is_not_looked_for_here() -> None:
    # The port is taken here as well; 192.0.2.0/24 is nobody's (RFC 5737).
    with listening("4", "0.0.0.0") as (_, port):
        assert find_server(f"192.0.2.1:{port}") is None


def test_a_name_that_nobody_knows() -> None:
    assert find_server("no-such-host.invalid:5001") is None


def test_who_listens_on_the_very_address_gets_the_connection() -> None:
    with listening("4", "127.0.0.1") as (_, port), socket.socket() as everywhere:
        everywhere.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        everywhere.bind(("0.0.0.0", port))
        everywhere.listen()
        assert find_server(f"127.0.0.1:{port}") is not None
        # This very process, which could not be told from its own load.
        assert find_server(f"127.0.0.2:{port}") is None


def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    assert find_server(f"127.0.0.1:{port}") is None
