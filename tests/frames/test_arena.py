"""Memory for embedded frames: read through its file, renewed instead of resized, and nameless."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from framewire.errors import BusyError
from framewire.frames.arena import Arena

MIB = 1 << 20


@pytest.fixture
def arena() -> Iterator[Arena]:
    made = Arena()
    yield made
    made.close()


def test_frames_are_read_at_their_offsets_through_the_file(arena: Arena) -> None:
    arena.reserve(3 * 64)
    arena.write(0, memoryview(b"first"))
    arena.write(64, memoryview(b""))
    arena.write(128, memoryview(b"third"))
    assert arena.announcement.length_bytes == MIB
    with mmap.mmap(arena.descriptor, MIB, prot=mmap.PROT_READ) as mapping:
        assert (mapping[:5], mapping[128:133]) == (b"first", b"third")


@pytest.mark.parametrize(("length", "room"), [(0, 0), (1, 64), (64, 64), (65, 128)])
def test_frames_begin_at_multiples_of_64_bytes(length: int, room: int) -> None:
    assert Arena.room_for(length) == room


def test_it_grows_by_a_quarter_more_than_it_must_and_stays_when_it_need_not(arena: Arena) -> None:
    lengths = []
    for needed in (0, 1, MIB, MIB + 1, 8 * MIB, 10 * MIB, 3 * MIB):
        arena.reserve(needed)
        lengths.append((arena.generation, arena.announcement.length_bytes // MIB))
    assert lengths == [(1, 1), (1, 1), (1, 1), (2, 2), (3, 10), (3, 10), (3, 10)]


def test_it_shrinks_after_many_small_batches_in_a_row(arena: Arena) -> None:
    arena.reserve(40 * MIB)
    for needed in [4 * MIB] * 999 + [20 * MIB] + [4 * MIB] * 999:
        arena.reserve(needed)
    assert (arena.generation, arena.announcement.length_bytes) == (1, 50 * MIB)
    arena.reserve(4 * MIB)
    assert (arena.generation, arena.announcement.length_bytes) == (2, 5 * MIB)


def test_a_mapping_of_an_earlier_file_stays_readable(arena: Arena) -> None:
    arena.reserve(64)
    arena.write(0, memoryview(b"old"))
    with mmap.mmap(arena.descriptor, MIB, prot=mmap.PROT_READ) as mapping:
        arena.reserve(2 * MIB)
        arena.write(0, memoryview(b"new"))
        arena.close()
        assert mapping[:3] == b"old"
        assert mapping[MIB - 1] == 0


def test_nobody_can_change_the_length_of_its_file(arena: Arena) -> None:
    arena.reserve(1)
    for length in (0, 2 * MIB):
        with pytest.raises(PermissionError):
            os.ftruncate(arena.descriptor, length)


def test_it_has_no_name_and_is_not_inherited(arena: Arena) -> None:
    arena.reserve(1)
    assert not any("framewire-arena" in path.name for path in Path("/dev/shm").iterdir())
    assert not os.get_inheritable(arena.descriptor)
    assert os.fstat(arena.descriptor).st_nlink == 0


def test_a_machine_without_memory_is_an_error_and_leaves_nothing_open(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as broken:
        broken.setattr(os, "posix_fallocate", full)
        with pytest.raises(BusyError) as caught:
            arena.reserve(8 * MIB)
    assert str(caught.value) == (
        f"there is no memory for a batch of {10 * MIB} bytes of embedded frames (No space left on device); "
        "lower --batch-size or --max-message, or give the server more memory"
    )
    # Not equal: what tests before have left may be closed meanwhile.
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    arena.reserve(8 * MIB)
    arena.write(0, memoryview(b"later"))


def test_closing_twice_does_no_harm(arena: Arena) -> None:
    arena.reserve(1)
    arena.close()
    arena.close()
    assert arena.descriptor == -1
