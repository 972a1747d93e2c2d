"""Shared memory that cannot be used is refused before the descriptor is answered, and never blocks the server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attacked_server import attacked
from wire_camera import Ending, camera, memory_file

from framewire.model.message import SharedMemory
from framewire.server import Server

RULE = "allowed: a bare file name of 1 to 255 bytes, without a slash, not . or .."
NOBODY = 65_534


async def refused(server: Server, handle_name: str, length_bytes: int = 4096) -> str:
    """Announces shared memory; returns the text with which it is refused, before any answer."""
    async with camera(server.address) as attacker:
        await attacker.introduce(memory=SharedMemory(handle_name, length_bytes))
        ending = await attacker.ending()
        assert ending.code == "INVALID_ARGUMENT"
        assert attacker.received == []
        return ending.details


@pytest.mark.parametrize(
    ("handle_name", "shown"),
    [
        ("", "''"),
        (".", "'.'"),
        ("..", "'..'"),
        ("../../etc/passwd", "'../../etc/passwd'"),
        ("/etc/passwd", "'/etc/passwd'"),
        ("a/b", "'a/b'"),
        ("null\0byte", "'null\\x00byte'"),
        ("n" * 256, f"'{'n' * 255}'"),
    ],
    ids=["empty", "dot", "dot dot", "above", "absolute", "slash", "NUL", "too long"],
)
async def test_a_handle_that_is_no_bare_file_name_is_refused(handle_name: str, shown: str) -> None:
    async with attacked() as server:
        assert await refused(server, handle_name) == f"shared memory handle_name {shown} is not a file name; {RULE}"


@contextmanager
def left_in_shared_memory(make: Callable[[Path], object]) -> Iterator[str]:
    """Makes something below /dev/shm; yields its name."""
    path = Path("/dev/shm") / f"framewire-test-{uuid.uuid4().hex}"
    make(path)
    try:
        yield path.name
    finally:
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        Path.mkdir,
        lambda path: path.symlink_to("/etc/passwd"),
        lambda path: path.symlink_to("/nonexistent"),
        make_socket,
    ],
    ids=["FIFO", "directory", "symbolic link", "dangling link", "socket"],
)
async def test_anything_but_a_regular_file_is_refused_without_blocking(make: Callable[[Path], object]) -> None:
    async with attacked() as server:
        with left_in_shared_memory(make) as name:
            assert await refused(server, name) == (
                f"shared memory '{name}' is not a regular file; allowed: a regular file"
            )


async def test_a_missing_file_is_refused_with_words_about_the_ipc_namespace() -> None:
    async with attacked() as server:
        assert await refused(server, "framewire-nobody-made-this") == (
            "there is no shared memory named 'framewire-nobody-made-this' here; client and server must share the IPC "
            "namespace: run both containers with IpcMode host (docker run --ipc host), or the client with shareable "
            "and the server with container:<client>"
        )


async def test_length_0_is_refused() -> None:
    async with attacked() as server:
        with memory_file(4096) as memory:
            assert await refused(server, memory.path.name, 0) == ("shared memory length_bytes is 0; allowed: 1 or more")


@pytest.mark.parametrize("length_bytes", [4097, 2**63, 2**64 - 1])
async def test_a_length_beyond_the_file_is_refused(length_bytes: int) -> None:
    async with attacked() as server:
        with memory_file(4096) as memory:
            assert await refused(server, memory.path.name, length_bytes) == (
                f"shared memory '{memory.path.name}' has 4096 bytes and length_bytes says {length_bytes}; "
                "allowed: 1 to 4096"
            )


async def test_an_empty_file_is_refused() -> None:
    async with attacked() as server:
        with memory_file(0) as memory:
            assert await refused(server, memory.path.name, 1) == (
                f"shared memory '{memory.path.name}' has 0 bytes and length_bytes says 1; "
                "allowed: none, the file is empty"
            )


async def test_refused_shared_memory_is_not_kept_open() -> None:
    async with attacked() as server:
        with memory_file(4096) as memory:
            await refused(server, memory.path.name, 4097)
            async with camera(server.address) as attacker:
                await attacker.introduce(memory=memory.announcement, configuration='{"processor":"nonesuch"}')
                assert (await attacker.ending()).code == "INVALID_ARGUMENT"
            assert not memory.is_open
            assert not memory.is_mapped


# It starts as root, who may read the interpreter wherever that is, and changes its user before it serves.
SERVE = """
import asyncio, concurrent.futures.thread, os, sys
from framewire.processors.catalogue import Catalogue
from framewire.server import Server, ServerOptions

async def main():
    async with Server(ServerOptions(host="127.0.0.1", port=0), Catalogue().find("color-intensity")) as server:
        os.setgroups([])
        os.setgid(int(sys.argv[1]))
        os.setuid(int(sys.argv[1]))
        print(server.address, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@contextmanager
def server_of_another_user() -> Iterator[str]:
    """A server in a process of its own under another user id; yields its address."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(NOBODY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address, "the server did not start; its words are above"
            yield address
        finally:
            process.stdin.close()
            process.wait(10)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a server under another user id")
async def test_a_file_that_the_server_may_not_read_is_refused_with_both_user_ids_and_the_way_out() -> None:
    with server_of_another_user() as address:
        async with camera(address) as attacker, camera(address) as other:
            await other.handshake()
            with memory_file(4096, mode=0o600) as memory:
                await attacker.introduce(memory=memory.announcement)
                assert await attacker.ending() == Ending(
                    "INVALID_ARGUMENT",
                    f"shared memory '{memory.path.name}' belongs to user id 0 and this server runs as user id "
                    f"{NOBODY}, which may not read it; run both under the same user id, or let the client create the "
                    "file with mode 0644",
                )
                assert attacker.received == []
            await other.answer(await other.frame())
            # The way out works.
            async with camera(address) as heeding:
                with memory_file(4096, mode=0o644) as memory:
                    await heeding.handshake(memory=memory.announcement)
                    await heeding.answer(await heeding.frame(memory.write(100, b"\xff" * 24)))
