"""The process behind an address, when it runs on this machine: what it costs, as the kernel counts it."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_LISTENING = "0A"
_ACCEPTING_FLAG = 0x10000  # __SO_ACCEPTCON, set in /proc/net/unix for sockets that listen
_PROXIES = ("docker-proxy", "rootlesskit", "slirp4netns", "pasta")
"""They only pass connections on to a container: the server is somebody else."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server and its child processes have used.

    Args:
        cpu_s: User and system time so far, in seconds.
        rss_bytes: Resident memory now, summed over the processes; memory that they share counts in each.
        processes: How many they are.
    """

    cpu_s: float
    rss_bytes: int
    processes: int


class ServerProcess:
    """The processes that listen on an address, with their children.

    Args:
        listeners: Process ids.
    """

    def __init__(self, listeners: frozenset[int]) -> None:
        self._listeners = listeners

    def usage(self) -> Usage | None:
        """What they have used so far; None when they are gone or do not let us see."""
        parents = _parents()
        found = {process for process in self._listeners if process in parents}
        if not found:
            return None
        children = defaultdict(list)
        for process, parent in parents.items():
            children[parent].append(process)
        waiting = list(found)
        while waiting:
            for child in children[waiting.pop()]:
                if child not in found:
                    found.add(child)
                    waiting.append(child)
        cpu_s, rss_bytes, counted = 0.0, 0, 0
        for process in found:
            # One that ends meanwhile is in its parent's account by then.
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = _stat(process)
                # utime, stime, and cutime and cstime of the children that it has waited for
                cpu_s += sum(map(int, fields[11:15])) / _TICKS_PER_S
                rss_bytes += int(fields[21]) * _PAGE_BYTES
                counted += 1
        return Usage(cpu_s, rss_bytes, counted) if counted else None


def find_server(target: str) -> ServerProcess | None:
    """Who listens on an address.

    Args:
        target: ``HOST:PORT`` or ``unix:/path``, as `parse_address` gives it.

    Returns:
        None when it is another machine, cannot be seen (another user, another container), or is this very process.
    """
    inodes = _unix_inodes(target) if target.startswith("unix:") else _tcp_inodes(target)
    owners = _owners(inodes) if inodes else frozenset()
    if not owners or os.getpid() in owners or any(_name(process) in _PROXIES for process in owners):
        return None
    return ServerProcess(owners)


def _unix_inodes(target: str) -> set[str]:
    path = re.sub(r"^unix:(//(?=/))?", "", target)
    inodes = set()
    for fields in _rows("net/unix"):
        if len(fields) > 7 and fields[7] in (path, str(Path(path).absolute())) and int(fields[3], 16) & _ACCEPTING_FLAG:
            inodes.add(fields[6])
    return inodes


def _tcp_inodes(target: str) -> set[str]:
    host, _, port = target.rpartition(":")
    wanted = _local_addresses(host.strip("[]"), int(port))
    if not wanted:
        return set()
    exact, catching = set(), set()
    for table in ("net/tcp", "net/tcp6"):
        for fields in _rows(table):
            if len(fields) < 10 or fields[3] != _LISTENING:
                continue
            address, _, number = fields[1].partition(":")
            if int(number, 16) != int(port):
                continue
            listening = _kernel_address(address)
            if listening in wanted:
                exact.add(fields[9])
            elif listening.is_unspecified and (
                listening.version == 6 or any(item.version == listening.version for item in wanted)
            ):
                catching.add(fields[9])
    # Who listens on the very address gets the connection, before who listens on all.
    return exact or catching


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _local_addresses(host: str, port: int) -> set[_Address]:
    """The addresses of a host that are this machine's."""
    local: set[_Address] = set()
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return local
    for family, kind, _, _, address in found:
        # Only an address of this machine can be bound to.
        with contextlib.suppress(OSError), socket.socket(family, kind) as probe:
            probe.bind((address[0], 0, *address[2:]))
            local.add(_plain(ipaddress.ip_address(str(address[0]).partition("%")[0])))
    return local


def _kernel_address(text: str) -> _Address:
    """An address as /proc/net/tcp writes it: words of four bytes, in this machine's order."""
    words = [int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8)]
    return _plain(ipaddress.ip_address(b"".join(words)))


def _plain(address: _Address) -> _Address:
    """An IPv4 address that is written as IPv6 is the same."""
    return getattr(address, "ipv4_mapped", None) or address


def _owners(inodes: set[str]) -> frozenset[int]:
    """The processes that hold one of these sockets open."""
    links = {f"socket:[{inode}]" for inode in inodes}
    owners = set()
    for process in _processes():
        # Files of other users are not shown.
        with contextlib.suppress(OSError):
            for file in (_PROC / str(process) / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(file.readlink()) in links:
                        owners.add(process)
                        break
    return frozenset(owners)


def _processes() -> list[int]:
    return [int(entry.name) for entry in os.scandir(_PROC) if entry.name.isdecimal()]


def _parents() -> dict[int, int]:
    parents = {}
    for process in _processes():
        with contextlib.suppress(OSError, IndexError, ValueError):
            parents[process] = int(_stat(process)[1])
    return parents


def _stat(process: int) -> list[str]:
    """The fields of a process from its state on; its name before them may hold anything."""
    return (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()


def _name(process: int) -> str:
    try:
        return (_PROC / str(process) / "comm").read_text().strip()
    except OSError:
        return ""


def _rows(table: str) -> list[list[str]]:
    try:
        return [line.split() for line in (_PROC / table).read_text().splitlines()[1:]]
    except OSError:
        return []
