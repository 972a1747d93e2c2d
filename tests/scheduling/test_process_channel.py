"""Messages and open files between two ends of a connection."""

from __future__ import annotations

import os
import pickle
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import process_toys as toys
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.errors import FormatError, FrameError, ProcessorError, SharedMemoryError
from framewire.model.inference import Text
from framewire.scheduling.process_channel import Channel
from framewire.scheduling.process_messages import error_of, failure_of
from framewire.scheduling.process_pickling import pack


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    first, second = socket.socketpair()
    channels = Channel(first), Channel(second, takes_descriptors=True)
    yield channels
    for channel in channels:
        channel.close()


@given(st.lists(st.binary(max_size=200) | st.integers(60_000, 140_000).map(bytes), max_size=8))
def test_messages_of_every_length_come_whole_and_in_order(messages: list[bytes]) -> None:
    first, second = socket.socketpair()
    sender, receiver = Channel(first), Channel(second)

    def send() -> None:
        for message in messages:
            sender.send(pack(message))
        sender.close()

    sending = threading.Thread(target=send)
    sending.start()
    assert [receiver.receive() for _ in messages] == messages
    with pytest.raises(EOFError):
        receiver.receive()
    sending.join()
    receiver.close()


def test_open_files_come_with_their_messages_and_close_on_exec(ends: tuple[Channel, Channel], tmp_path: Path) -> None:
    sender, receiver = ends
    sender.send(pack("before"))
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        descriptor = os.open(tmp_path / name, os.O_RDONLY)
        sender.send(pack(name), [descriptor])
        os.close(descriptor)
    sender.send(pack("after"))
    assert receiver.receive() == "before"
    for name in ("a", "b"):
        assert receiver.receive() == name
        descriptor = receiver.take_descriptor()
        assert os.read(descriptor, 9) == name.encode()
        assert not os.get_inheritable(descriptor)
        os.close(descriptor)
    assert receiver.receive() == "after"
    with pytest.raises(OSError, match="Too many open files"):
        receiver.take_descriptor()


def test_after_a_message_that_cannot_be_read_the_next_one_is_whole(ends: tuple[Channel, Channel]) -> None:
    sender, receiver = ends
    sender.send(pack(toys.OneWay("x" * 100_000)))
    sender.send(pack("next"))
    with pytest.raises(ValueError, match="only here"):
        receiver.receive()
    assert receiver.receive() == "next"


def test_the_memory_of_a_long_message_is_not_kept(ends: tuple[Channel, Channel]) -> None:
    sender, receiver = ends
    sender.send(pack(bytes(100_000)))
    assert receiver.receive() == bytes(100_000)
    assert len(receiver._buffer) == 65536


def test_a_short_message_is_not_waited_for(ends: tuple[Channel, Channel]) -> None:
    sender, receiver = ends
    sent = 0
    while sender.try_send(pack(sent)):
        sent += 1
    assert sent > 10
    assert [receiver.receive() for _ in range(sent)] == list(range(sent))
    assert sender.try_send(pack("again"))
    assert receiver.receive() == "again"


@pytest.mark.parametrize("is_sending", [True, False])
def test_what_a_tick_raises_ends_the_wait(is_sending: bool, ends: tuple[Channel, Channel]) -> None:
    channel, ticks = ends[0], []

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 3:
            raise LookupError("enough")

    channel.set_tick(0.01, tick)
    with pytest.raises(LookupError, match="enough"):
        channel.send(pack(bytes(1 << 20))) if is_sending else channel.receive()


def test_sending_to_an_end_that_is_closed_is_an_error(ends: tuple[Channel, Channel]) -> None:
    sender, receiver = ends
    receiver.close()
    with pytest.raises(BrokenPipeError):
        sender.send(pack("x"))


def test_inferences_of_all_kinds_travel_as_they_are_and_users_own_kinds_too() -> None:
    for inference in (*toys.ALL_KINDS, toys.OwnText("x", subtype="y")):
        (received,) = pickle.loads(pack([inference]))
        assert received == inference
        assert type(received) is type(inference)


def test_an_inference_travels_in_its_short_form() -> None:
    # Two thirds of the usual pickle, and a third of its time.
    assert len(pack(toys.ALL_KINDS)) < len(pickle.dumps(toys.ALL_KINDS, 5))
    assert b"Text" not in pack(Text("x"))


@pytest.mark.parametrize("kind", [FormatError, FrameError, ProcessorError, SharedMemoryError])
def test_errors_travel_by_their_branch(kind: type[FrameError]) -> None:
    class Own(kind):  # type: ignore[valid-type,misc]
        """Known at one end alone."""

        def __init__(self) -> None:
            super().__init__("problem", allowed="allowed", remedy="remedy")

    error = error_of(pickle.loads(pack(failure_of(Own()))))
    assert type(error) is kind
    assert (error.problem, error.allowed, error.remedy) == ("problem", "allowed", "remedy")
