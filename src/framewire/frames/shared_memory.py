"""The shared memory of a session: the file that the client creates, and the view that the server takes of it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import re
import secrets
import stat
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from framewire.errors import FrameError, SharedMemoryError
from framewire.model.message import ContentReference, SharedMemory

SHARED_MEMORY_FOLDER = Path("/dev/shm")
"""The contract's place (section 4)."""

ReadMode: TypeAlias = Literal["map", "copy"]
"""`map` reads the client's memory in place and trusts it not to shrink during a read; `copy` survives that."""

_Bytes: TypeAlias = npt.NDArray[np.uint8]

_OWN_NAME = re.compile(r"framewire-\d+-[0-9a-f]{12}")
"""How the files are named that are made here; others of the folder are nobody's business."""

_NAME_RULE = "a bare file name of 1 to 255 bytes, without a slash, not . or .."


class MemoryWatcher(Protocol):
    """Whoever has handed a memory on to another process."""

    def memory_closed(self, memory: SharedMemoryReader) -> None:
        """The memory is closed and no frame of it is out; called once, on any thread."""


class SharedMemoryReader:
    """A client's shared memory, read-only, for the life of its session.

    In `map` mode a view lies in the client's memory; in `copy` mode it lies in memory of our own. Views are valid until
    :meth:`release`; the mapping goes when the reader is closed and its last view is released.

    Args:
        memory: What the descriptor announced.
        mode: How frames are read.
        folder: Where shared memory files lie.
        max_frame_bytes: Longest frame that is read; None sets no limit.
        descriptor: The open file itself, when another process has opened and checked it by its name. The reader owns it
            from now on. It may have become shorter since: frames that still lie in it are read.

    Raises:
        SharedMemoryError: The name is not a bare file name, nothing of that name can be opened, it is no regular file,
            or it is shorter than announced.
    """

    def __init__(
        self,
        memory: SharedMemory,
        mode: ReadMode = "map",
        folder: Path = SHARED_MEMORY_FOLDER,
        *,
        max_frame_bytes: int | None = None,
        descriptor: int | None = None,
    ) -> None:
        self.announcement = memory
        """What the descriptor of the session said of it."""
        self.mode: ReadMode = mode
        """How frames are read."""
        self._max_frame_bytes = memory.length_bytes if max_frame_bytes is None else max_frame_bytes
        self._lock = threading.Lock()
        self._leases: dict[int, weakref.ref[_Bytes]] = {}
        self._lent = 0
        self._watchers: weakref.WeakSet[MemoryWatcher] = weakref.WeakSet()
        self._is_closed = False
        self._mapping: mmap.mmap | None = None
        self._all: _Bytes | None = None
        self._descriptor = _open_read_only(memory, folder) if descriptor is None else descriptor
        try:
            length = memory.length_bytes
            if descriptor is None:
                _check_file(self._descriptor, memory)
            else:
                length = min(length, os.fstat(self._descriptor).st_size)
            if mode == "map" and length:
                self._mapping = _map(self._descriptor, memory, length)
                self._all = np.frombuffer(self._mapping, np.uint8)
            elif mode == "map":
                self._all = np.empty(0, np.uint8)
        except BaseException:
            os.close(self._descriptor)
            raise

    def view(self, reference: ContentReference) -> memoryview:
        """The bytes of one frame.

        Returns:
            A read-only view. In `map` mode the client may overwrite it once its frame is acknowledged, so it must be
            given back with :meth:`release` before.

        Raises:
            FrameError: The frame is longer than any may be.
            SharedMemoryError: The file has become too short, or the reader is closed.
        """
        self._check_length(reference)
        start, end = reference.offset_bytes, reference.offset_bytes + reference.length_bytes
        with self._lock:
            if self._is_closed:
                raise SharedMemoryError("the shared memory is closed")
            # Reading a mapped page behind the end of the file is SIGBUS, so the size is asked before each use.
            size = os.fstat(self._descriptor).st_size
            if self._all is not None:
                size = min(size, self._all.size)
            if size < end:
                raise _too_short(size, end)
            if self._all is not None:
                lease = self._all[start:end]
            else:
                lease = np.empty(reference.length_bytes, np.uint8)
                if os.preadv(self._descriptor, [lease.data], start) < reference.length_bytes:
                    raise _too_short(os.fstat(self._descriptor).st_size, end)
                lease.flags.writeable = False
            # Whatever is made of the view keeps this array alive, which is how a kept frame is noticed. That the view
            # itself can be released says nothing: arrays hold one of their own.
            view = lease.data
            self._leases[id(view)] = weakref.ref(lease)
            return view

    def release(self, view: memoryview) -> bool:
        """Gives a view back.

        Returns:
            False when something still refers to the view's memory, such as an array that a processor kept. The memory
            stays mapped for it, but its content is the client's to overwrite.
        """
        with contextlib.suppress(BufferError):
            view.release()
        with self._lock:
            is_kept = self._leases.pop(id(view))() is not None
            watchers = self._close_when_unused()
        self._tell(watchers)
        return not is_kept

    def lend(self, reference: ContentReference) -> None:
        """Takes the lease of a frame that another process reads through :attr:`descriptor`; give it back.

        Raises:
            FrameError: The frame is longer than any may be.
            SharedMemoryError: The reader is closed.
        """
        self._check_length(reference)
        with self._lock:
            if self._is_closed:
                raise SharedMemoryError("the shared memory is closed")
            self._lent += 1

    def take_back(self) -> None:
        """Ends a lease taken with :meth:`lend`."""
        with self._lock:
            self._lent -= 1
            watchers = self._close_when_unused()
        self._tell(watchers)

    @property
    def descriptor(self) -> int:
        """The open file, for other processes; it stays open as long as a frame is lent."""
        return self._descriptor

    def watch(self, watcher: MemoryWatcher) -> None:
        """Has `watcher` told when the memory is closed; it is not kept alive for that."""
        with self._lock:
            self._watchers.add(watcher)

    def close(self) -> None:
        """Closes the file; the mapping follows as soon as no view is out. Closing twice does no harm."""
        with self._lock:
            self._is_closed = True
            watchers = self._close_when_unused()
        self._tell(watchers)

    def _check_length(self, reference: ContentReference) -> None:
        if reference.length_bytes > self._max_frame_bytes:
            raise FrameError(
                f"a frame of {reference.length_bytes} bytes is longer than any of this stream",
                allowed=f"up to {self._max_frame_bytes}",
            )

    def _tell(self, watchers: Sequence[MemoryWatcher]) -> None:
        for watcher in watchers:
            watcher.memory_closed(self)

    def _close_when_unused(self) -> Sequence[MemoryWatcher]:
        """Closes what is no longer needed, under the lock; answers with those to tell, without it."""
        if not self._is_closed or self._leases or self._lent or self._descriptor < 0:
            return ()
        os.close(self._descriptor)
        self._descriptor = -1
        self._all = None
        if self._mapping is not None:
            # When an array outlives its lease, the mapping goes with that array's last reference.
            with contextlib.suppress(BufferError):
                self._mapping.close()
            self._mapping = None
        return list(self._watchers)


class SharedMemoryFile:
    """The client's side: a new shared memory file, mapped for writing, removed when it is closed.

    The file is locked (flock) for as long as it is mapped, so that whoever finds it unlocked knows that its client was
    killed; see :func:`remove_abandoned`.

    Args:
        length_bytes: Its length.
        mode: Permission bits of the file.
        folder: Where shared memory files lie.

    Raises:
        SharedMemoryError: The folder cannot hold a file of this length.
    """

    def __init__(self, length_bytes: int, *, mode: int = 0o600, folder: Path = SHARED_MEMORY_FOLDER) -> None:
        if length_bytes < 1:
            raise SharedMemoryError(f"shared memory of {length_bytes} bytes holds no frame", allowed="1 byte or more")
        self._path, descriptor = _create_locked(folder)
        try:
            os.fchmod(descriptor, mode)  # the umask would take bits off the mode given to open
            # Reserves the pages now: without it a full /dev/shm is a SIGBUS at the first write.
            os.posix_fallocate(descriptor, 0, length_bytes)
            # It keeps a duplicate of the descriptor, and with that the lock.
            self._mapping = mmap.mmap(descriptor, length_bytes)
        except OSError as error:
            self._path.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EFBIG, errno.ENOMEM):
                raise SharedMemoryError(
                    f"/dev/shm has no room for {length_bytes} bytes",
                    remedy="ask for less, or give the container more (--shm-size, or the host's IPC namespace)",
                ) from error
            raise
        finally:
            os.close(descriptor)
        self.announcement = SharedMemory(self._path.name, length_bytes)
        """What the descriptor says of this file."""
        self.buffer = memoryview(self._mapping)
        """The whole file, writable; valid until :meth:`close`."""

    def close(self) -> None:
        """Unmaps and removes the file. Closing twice does no harm."""
        self._path.unlink(missing_ok=True)
        try:
            self.buffer.release()
            self._mapping.close()
        except BufferError:
            # A caller still writes into a slot; the mapping goes with the last reference.
            pass


def remove_abandoned(folder: Path = SHARED_MEMORY_FOLDER) -> None:
    """Removes the files of clients of the same user that were killed: nobody else will, and they take room.

    A process id in a name says nothing here: containers that share the folder count processes each for themselves.
    """
    for path in folder.glob("framewire-*"):
        if not _OWN_NAME.fullmatch(path.name):
            continue
        # What has gone meanwhile, is somebody else's, or belongs to a client that lives stays as it is.
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid():
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
            finally:
                os.close(descriptor)


def _create_locked(folder: Path) -> tuple[Path, int]:
    """A new, empty file, and its descriptor, which holds the lock."""
    while True:
        path = folder / f"framewire-{os.getpid()}-{secrets.token_hex(6)}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return path, descriptor
        except BaseException:
            path.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        # Somebody who looked for abandoned files came between the two.
        os.close(descriptor)


def _open_read_only(memory: SharedMemory, folder: Path) -> int:
    name = memory.handle_name
    if not name or name in (".", "..") or "/" in name or "\0" in name or len(os.fsencode(name)) > 255:
        raise SharedMemoryError(f"shared memory handle_name {name[:255]!r} is not a file name", allowed=_NAME_RULE)
    if memory.length_bytes == 0:
        raise SharedMemoryError("shared memory length_bytes is 0", allowed="1 or more")
    try:
        # O_NONBLOCK: opening a FIFO would wait for its other end. O_NOFOLLOW: a link could lead anywhere.
        return os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise SharedMemoryError(
            f"there is no shared memory named {name!r} here",
            remedy="client and server must share the IPC namespace: run both containers with IpcMode host "
            "(docker run --ipc host), or the client with shareable and the server with container:<client>",
        ) from None
    except PermissionError:
        owner = _owner(folder / name)
        raise SharedMemoryError(
            f"shared memory {name!r} belongs to user id {owner} and this server runs as user id {os.geteuid()}, "
            "which may not read it",
            remedy="run both under the same user id, or let the client create the file with mode 0644",
        ) from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV):
            raise SharedMemoryError(f"shared memory {name!r} is not a regular file", allowed="a regular file") from None
        raise SharedMemoryError(
            f"shared memory {name!r} cannot be opened ({errno.errorcode[error.errno or 0]})"
        ) from None


def _owner(path: Path) -> str:
    try:
        return str(path.lstat().st_uid)
    except OSError:
        return "unknown"


def _check_file(descriptor: int, memory: SharedMemory) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise SharedMemoryError(f"shared memory {memory.handle_name!r} is not a regular file", allowed="a regular file")
    if memory.length_bytes > status.st_size:
        raise SharedMemoryError(
            f"shared memory {memory.handle_name!r} has {status.st_size} bytes and length_bytes says "
            f"{memory.length_bytes}",
            allowed=f"1 to {status.st_size}" if status.st_size else "none, the file is empty",
        )


def _map(descriptor: int, memory: SharedMemory, length: int) -> mmap.mmap:
    try:
        return mmap.mmap(descriptor, length, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
    except (OSError, OverflowError, ValueError) as error:  # ValueError: it has shrunk since its size was asked
        raise SharedMemoryError(
            f"shared memory {memory.handle_name!r} of {memory.length_bytes} bytes cannot be mapped",
            remedy="ask for less",
        ) from error


def _too_short(size: int, end: int) -> SharedMemoryError:
    return SharedMemoryError(
        f"the shared memory has shrunk to {size} bytes and a frame ends at byte {end}",
        remedy="keep the file at its announced length until the stream has ended",
    )
