"""Shared memory whose client was killed is removed by the next; nothing else is."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from framewire.frames import shared_memory
from framewire.frames.shared_memory import SharedMemoryFile, remove_abandoned

KILLED = """
import os, signal, sys
from pathlib import Path
from framewire.frames.shared_memory import SharedMemoryFile

memory = SharedMemoryFile(4096, folder=Path(sys.argv[1]))
print(memory.announcement.handle_name, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_file_of_a_client_that_was_killed_is_removed(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True, check=False)
    left = tmp_path / killed.stdout.strip()
    assert left.stat().st_size == 4096
    remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_files_of_clients_that_live_and_of_others_stay(tmp_path: Path) -> None:
    memory = SharedMemoryFile(4096, folder=tmp_path)
    others = {"framewire-check-0123456789abcdef", "framewire-7-short", "somebody-7-0123456789ab"}
    for name in others:
        (tmp_path / name).touch()
    (tmp_path / "framewire-7-0123456789ab").symlink_to(tmp_path / "somebody-7-0123456789ab")
    remove_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *others,
        "framewire-7-0123456789ab",
        memory.announcement.handle_name,
    }
    memory.buffer[:4] = b"live"
    memory.close()


def test_a_file_that_is_taken_for_abandoned_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []

    def remove_first(descriptor: int, operation: int) -> None:
        if not removed:
            (path,) = tmp_path.iterdir()
            removed.append(path.name)
            path.unlink()
        fcntl_flock(descriptor, operation)

    fcntl_flock = fcntl.flock
    monkeypatch.setattr(shared_memory.fcntl, "flock", remove_first)
    memory = SharedMemoryFile(4096, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [memory.announcement.handle_name]
    assert removed != [memory.announcement.handle_name]
    memory.close()
    assert list(tmp_path.iterdir()) == []
