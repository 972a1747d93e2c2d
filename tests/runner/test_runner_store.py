"""What is stored survives, and belongs to one process."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from framewire.errors import ConfigurationError
from framewire.runner.store import Store

WRITER = """
import os, signal, sys
from pathlib import Path
from framewire.runner.store import Store
store = Store(Path(sys.argv[1]))
store.put_topology("t", "{}", "now")
store.put_pipeline("p", "t", "{}", "now")
store.set_active("p", is_active=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_set_is_there_after_a_kill(tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", WRITER, str(tmp_path / "data")], check=False)
    assert died.returncode == -signal.SIGKILL
    store = Store(tmp_path / "data")
    assert [one.name for one in store.topologies()] == ["t"]
    (pipeline,) = store.pipelines()
    assert (pipeline.name, pipeline.topology, pipeline.is_active) == ("p", "t", True)
    store.close()


def test_a_folder_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(ConfigurationError, match="another runner"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()


def test_only_its_owner_reads_what_may_hold_secrets(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    store.put_topology("t", "{}", "now")
    modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "data").iterdir()}
    assert set(modes.values()) == {0}, modes
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    store.close()


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "framewire.db") as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="later framewire"):
            Store(tmp_path)


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be taken for one" * 40])
def test_a_file_that_is_no_database_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "framewire.db").write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Store(tmp_path)
    # And the folder is free again.
    (tmp_path / "framewire.db").unlink()
    Store(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Store(tmp_path / "file" / "data")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
