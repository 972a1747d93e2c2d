"""A client's memory that is lent to another process: its leases, and its end."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from framewire.errors import FrameError, SharedMemoryError
from framewire.frames.content import ReferencedContent
from framewire.frames.shared_memory import ReadMode, SharedMemoryReader
from framewire.model.message import ContentReference, SharedMemory

FRAME = ContentReference(2, 3)


class Watcher:
    """Notes the memories that were closed."""

    def __init__(self) -> None:
        self.closed: list[SharedMemoryReader] = []

    def memory_closed(self, memory: SharedMemoryReader) -> None:
        self.closed.append(memory)
        # Nothing is held that the watcher may want.
        memory.close()


@pytest.fixture
def reader(tmp_path: Path) -> SharedMemoryReader:
    (tmp_path / "street").write_bytes(b"0123456789")
    return SharedMemoryReader(SharedMemory("street", 10), folder=tmp_path, max_frame_bytes=5)


def adopted(path: Path, mode: ReadMode, announced: int = 10) -> SharedMemoryReader:
    return SharedMemoryReader(SharedMemory("street", announced), mode, descriptor=os.open(path, os.O_RDONLY))


def test_a_lent_frame_keeps_the_file_open_until_it_is_given_back(reader: SharedMemoryReader) -> None:
    content = ReferencedContent(reader, FRAME)
    assert content.lend() == (reader, FRAME)
    reader.close()
    assert os.pread(reader.descriptor, 3, 2) == b"234"
    assert content.release()
    assert reader.descriptor == -1
    assert content.release()


def test_a_frame_given_back_twice_ends_no_other_lease(reader: SharedMemoryReader) -> None:
    first, second = ReferencedContent(reader, FRAME), ReferencedContent(reader, FRAME)
    first.lend()
    second.lend()
    first.release()
    first.release()
    reader.close()
    assert os.pread(reader.descriptor, 3, 2) == b"234"
    second.release()
    assert reader.descriptor == -1


def test_a_frame_that_is_too_long_is_not_lent(reader: SharedMemoryReader) -> None:
    content = ReferencedContent(reader, ContentReference(0, 6))
    with pytest.raises(FrameError, match="a frame of 6 bytes is longer than any of this stream; allowed: up to 5"):
        content.lend()
    assert content.release()
    reader.close()
    assert reader.descriptor == -1


def test_a_closed_memory_is_not_lent(reader: SharedMemoryReader) -> None:
    reader.close()
    with pytest.raises(SharedMemoryError, match="the shared memory is closed"):
        ReferencedContent(reader, FRAME).lend()


def test_a_watcher_is_told_once_and_only_when_the_last_frame_is_back(reader: SharedMemoryReader) -> None:
    watcher, content, view = Watcher(), ReferencedContent(reader, FRAME), reader.view(FRAME)
    reader.watch(watcher)
    reader.watch(watcher)
    content.lend()
    reader.close()
    assert watcher.closed == []
    content.release()
    assert watcher.closed == []
    reader.release(view)
    assert watcher.closed == [reader]
    reader.close()
    assert watcher.closed == [reader]


def test_a_watcher_is_not_kept_alive(reader: SharedMemoryReader) -> None:
    watcher = Watcher()
    closed = watcher.closed
    reader.watch(watcher)
    del watcher
    reader.close()
    assert closed == []


both_modes = pytest.mark.parametrize("mode", ["map", "copy"])


@both_modes
def test_an_adopted_file_is_read_though_its_name_has_gone(mode: ReadMode, tmp_path: Path) -> None:
    (tmp_path / "street").write_bytes(b"0123456789")
    reader = adopted(tmp_path / "street", mode)
    (tmp_path / "street").unlink()
    view = reader.view(FRAME)
    assert (bytes(view), view.readonly) == (b"234", True)
    assert reader.release(view)
    reader.close()
    assert reader.descriptor == -1


@both_modes
def test_an_adopted_file_that_has_shrunk_is_read_as_far_as_it_goes(mode: ReadMode, tmp_path: Path) -> None:
    (tmp_path / "street").write_bytes(b"01234")
    reader = adopted(tmp_path / "street", mode)
    view = reader.view(FRAME)
    assert bytes(view) == b"234"
    reader.release(view)
    with pytest.raises(SharedMemoryError, match="has shrunk to 5 bytes and a frame ends at byte 6"):
        reader.view(ContentReference(3, 3))
    reader.close()


@both_modes
def test_an_adopted_file_may_be_empty(mode: ReadMode, tmp_path: Path) -> None:
    (tmp_path / "street").write_bytes(b"")
    reader = adopted(tmp_path / "street", mode)
    with pytest.raises(SharedMemoryError, match="has shrunk to 0 bytes and a frame ends at byte 5"):
        reader.view(FRAME)
    reader.close()
    assert reader.descriptor == -1


def test_an_adopted_file_that_has_grown_again_is_not_read_behind_its_mapping(tmp_path: Path) -> None:
    (tmp_path / "street").write_bytes(b"01234")
    reader = adopted(tmp_path / "street", "map")
    os.truncate(tmp_path / "street", 10)
    with pytest.raises(SharedMemoryError, match="has shrunk to 5 bytes and a frame ends at byte 6"):
        reader.view(ContentReference(3, 3))
    reader.close()


def test_an_array_of_an_adopted_file_outlives_its_reader(tmp_path: Path) -> None:
    (tmp_path / "street").write_bytes(b"0123456789")
    reader = adopted(tmp_path / "street", "map")
    view = reader.view(FRAME)
    kept = np.frombuffer(view, np.uint8)
    assert not reader.release(view)
    reader.close()
    assert kept.tobytes() == b"234"
