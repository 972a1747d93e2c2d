"""Topologies and live pipelines on disk: what was accepted is there after a kill -9."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from framewire.errors import ConfigurationError, FramewireError

_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS topologies (
    name TEXT PRIMARY KEY, document TEXT NOT NULL, created TEXT NOT NULL, modified TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pipelines (
    name TEXT PRIMARY KEY, topology TEXT NOT NULL REFERENCES topologies(name), document TEXT NOT NULL,
    is_active INTEGER NOT NULL, created TEXT NOT NULL, modified TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class StoredTopology:
    """A topology as it was set.

    Args:
        name: Its name.
        document: Its JSON.
        created: When it was first set, ISO 8601 UTC.
        modified: When it was last changed.
    """

    name: str
    document: str
    created: str
    modified: str


@dataclass(frozen=True, slots=True)
class StoredPipeline:
    """A live pipeline as it was set.

    Args:
        name: Its name.
        topology: The name of its topology.
        document: Its JSON; it may hold secrets.
        is_active: Whether it is to run: it does so again after a restart.
        created: When it was first set, ISO 8601 UTC.
        modified: When it was last changed.
    """

    name: str
    topology: str
    document: str
    is_active: bool
    created: str
    modified: str


class Store:
    """The file `framewire.db` of a folder, which belongs to one process at a time.

    Used on one thread. A change is on the disk when the call returns.

    Args:
        folder: Made when it is not there. What lies in it may be read by its owner alone, as it holds secrets.

    Raises:
        ConfigurationError: The folder cannot be used, another process has it, or it is of a later version.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(f"folder {folder} cannot be used: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise ConfigurationError(
                f"folder {folder} belongs to another runner that is at work", remedy="stop it, or use another --data"
            ) from None
        path = folder / "framewire.db"
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._database = sqlite3.connect(path, isolation_level=None)
            self._prepare(path)
        except BaseException as error:
            os.close(self._lock)
            if isinstance(error, OSError | sqlite3.Error):
                raise ConfigurationError(f"{path} cannot be used: {error}") from None
            raise

    def _prepare(self, path: Path) -> None:
        database = self._database
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise ConfigurationError(f"{path} was written by a later framewire", remedy="use that one")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA foreign_keys=ON")
        database.executescript(_TABLES)
        database.execute(f"PRAGMA user_version={_VERSION}")

    def close(self) -> None:
        """Closes the file and lets another process have the folder."""
        self._database.close()
        os.close(self._lock)

    def topology(self, name: str) -> StoredTopology | None:
        """One topology; None when there is none of this name."""
        row = self._one("SELECT name, document, created, modified FROM topologies WHERE name = ?", name)
        return None if row is None else StoredTopology(*row)

    def topologies(self) -> list[StoredTopology]:
        """All of them by name."""
        rows = self._all("SELECT name, document, created, modified FROM topologies ORDER BY name")
        return [StoredTopology(*row) for row in rows]

    def put_topology(self, name: str, document: str, now: str) -> None:
        """Sets a topology, new or again."""
        self._do(
            "INSERT INTO topologies VALUES (?, ?, ?, ?) "
            "ON CONFLICT(name) DO UPDATE SET document = excluded.document, modified = excluded.modified",
            *(name, document, now, now),
        )

    def delete_topology(self, name: str) -> None:
        """Forgets a topology that no pipeline uses."""
        self._do("DELETE FROM topologies WHERE name = ?", name)

    def pipeline(self, name: str) -> StoredPipeline | None:
        """One live pipeline; None when there is none of this name."""
        row = self._one("SELECT * FROM pipelines WHERE name = ?", name)
        return None if row is None else _pipeline(row)

    def pipelines(self, topology: str | None = None) -> list[StoredPipeline]:
        """All live pipelines by name, or those of one topology."""
        if topology is None:
            return [_pipeline(row) for row in self._all("SELECT * FROM pipelines ORDER BY name")]
        return [
            _pipeline(row) for row in self._all("SELECT * FROM pipelines WHERE topology = ? ORDER BY name", topology)
        ]

    def put_pipeline(self, name: str, topology: str, document: str, now: str) -> None:
        """Sets an inactive live pipeline, new or again."""
        self._do(
            "INSERT INTO pipelines VALUES (?, ?, ?, 0, ?, ?) ON CONFLICT(name) DO UPDATE SET "
            "topology = excluded.topology, document = excluded.document, modified = excluded.modified",
            *(name, topology, document, now, now),
        )

    def set_active(self, name: str, *, is_active: bool) -> None:
        """Notes whether a live pipeline is to run."""
        self._do("UPDATE pipelines SET is_active = ? WHERE name = ?", int(is_active), name)

    def delete_pipeline(self, name: str) -> None:
        """Forgets a live pipeline."""
        self._do("DELETE FROM pipelines WHERE name = ?", name)

    def _one(self, query: str, *values: object) -> tuple[str, ...] | None:
        return next(iter(self._all(query, *values)), None)

    def _all(self, query: str, *values: object) -> list[tuple[str, ...]]:
        with _told():
            return self._database.execute(query, values).fetchall()

    def _do(self, query: str, *values: object) -> None:
        with _told():
            self._database.execute(query, values)


@contextmanager
def _told() -> Iterator[None]:
    """Errors of the file as ours.

    Raises:
        FramewireError: It cannot be read or written, for example because the disk is full.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise FramewireError(f"what is stored cannot be read or changed: {error}") from None


def _pipeline(row: tuple[str, ...]) -> StoredPipeline:
    name, topology, document, is_active, created, modified = row
    return StoredPipeline(name, topology, document, bool(is_active), created, modified)
