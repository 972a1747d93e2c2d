"""Sockets of native code, found from outside."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from framewire.capture.connections import Connections


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def connect(listener: socket.socket, stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.create_connection(listener.getsockname()))


def url_of(listener: socket.socket) -> str:
    return f"rtsp://admin:geheim@127.0.0.1:{listener.getsockname()[1]}/live"


def is_severed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False


def test_what_connects_while_a_session_is_opened_is_severed_and_nothing_else(listener: socket.socket) -> None:
    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as elsewhere:
        before = connect(listener, stack)
        connections = Connections(url_of(listener))
        with connections.opening():
            mine = connect(listener, stack)
            other = connect(elsewhere, stack)
        after = connect(listener, stack)
        connections.sever()
        assert [is_severed(each) for each in (before, mine, other, after)] == [False, True, False, False]
        connections.sever()


def test_a_number_that_went_to_another_socket_is_left_alone(listener: socket.socket) -> None:
    with ExitStack() as stack:
        connections = Connections(url_of(listener))
        with connections.opening():
            mine = connect(listener, stack)
        number = mine.fileno()
        mine.close()
        successor = connect(listener, stack)
        assert successor.fileno() == number
        connections.sever()
        assert not is_severed(successor)


def test_sessions_that_are_opened_at_once_leave_each_other_alone(listener: socket.socket) -> None:
    with ExitStack() as stack:
        first, second = Connections(url_of(listener)), Connections(url_of(listener))
        with first.opening():
            one = connect(listener, stack)
            with second.opening():
                two = connect(listener, stack)
        first.sever()
        second.sever()
        assert not is_severed(one)
        assert not is_severed(two)
        third = Connections(url_of(listener))
        with third.opening():
            three = connect(listener, stack)
        third.sever()
        assert is_severed(three)


@pytest.mark.parametrize("url", ["file:clip.mp4", "rtsp://[::1/live", "rtsp://camera:port/live", "", "file://[x"])
def test_what_leads_nowhere_has_no_connections(url: str) -> None:
    connections = Connections(url)
    with connections.opening():
        pass
    connections.sever()


def test_a_session_that_fails_to_open_leaves_no_trace(listener: socket.socket) -> None:
    with pytest.raises(KeyError), Connections(url_of(listener)).opening():
        raise KeyError
    assert not Connections._all_opening
