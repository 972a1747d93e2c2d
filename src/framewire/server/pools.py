"""The pools of a server: one for each processor with equal options, kept while a session uses it."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import partial

from framewire.errors import BusyError
from framewire.processors.configuration import Selection
from framewire.scheduling.executor import Executor

_log = logging.getLogger(__name__)

_LEAVING_S = 1.0
"""How long the last frames of pools that are closed may take when there is no room for another one."""


@dataclass(slots=True, eq=False)
class _Entry:
    name: str
    pool: Executor
    is_open: asyncio.Future[None]
    users: int = 0


class Pools:
    """Opens pools when they are first asked for, closes them after their last session.

    Args:
        make: Makes a pool, not yet open.
        most: How many may be open at once; each has workers of its own.
    """

    def __init__(self, make: Callable[[Selection], Executor], most: int) -> None:
        self._make = make
        self._most = most
        self._entries: dict[Hashable, _Entry] = {}
        self._leaving: list[Executor] = []  # closed, and a thread of theirs still works on a frame

    async def acquire(self, selection: Selection) -> Executor:
        """The open pool for a processor and its options; give it back with :meth:`release`.

        Raises:
            ProcessorError: The processor cannot be opened.
            BusyError: It would be one pool too many.
        """
        key = _key(selection)
        if key not in self._entries:
            await self._make_room()
        entry = self._entries.get(key)
        if entry is None:
            if (count := len(self._entries) + len(self._leaving)) >= self._most:
                raise BusyError(
                    f"{count} processors with different options are open, as many as this server opens",
                    remedy="use one of those, or start the server with a larger --max-pools",
                )
            pool = self._make(selection)
            entry = self._entries[key] = _Entry(selection.kind.name, pool, asyncio.wrap_future(pool.start()))
            entry.is_open.add_done_callback(partial(self._opened, key, entry))
        entry.users += 1
        try:
            # Shielded: a session that goes away meanwhile leaves the opening to the others that wait for it.
            await asyncio.shield(entry.is_open)
        except BaseException:
            self._let_go(key, entry)
            raise
        return entry.pool

    def release(self, selection: Selection) -> None:
        """A session no longer uses its pool; after :meth:`close` there is nothing left to do."""
        key = _key(selection)
        entry = self._entries.get(key)
        if entry is not None:
            self._let_go(key, entry)

    async def close(self, timeout_s: float) -> bool:
        """Closes all pools; False when a worker was still busy after the time."""
        pools = [entry.pool for entry in self._entries.values()] + self._leaving
        self._entries.clear()
        self._leaving.clear()
        # All are asked to finish, on this thread, before any is waited for.
        for pool in pools:
            pool.close(timeout_s=0)
        deadline = time.monotonic() + timeout_s

        def wait() -> bool:
            busy = [pool for pool in pools if not pool.close(max(0.0, deadline - time.monotonic()))]
            return not busy

        return await asyncio.to_thread(wait)

    def __iter__(self) -> Iterator[Executor]:
        """The pools that are open or opening."""
        return iter([entry.pool for entry in self._entries.values()])

    def named(self) -> Iterator[tuple[str, Executor]]:
        """The same, each with the name of its processor."""
        return iter([(entry.name, entry.pool) for entry in self._entries.values()])

    def _opened(self, key: Hashable, entry: _Entry, opened: asyncio.Future[None]) -> None:
        error = None if opened.cancelled() else opened.exception()
        if entry.users:
            return  # they are told
        if error is not None:
            _log.error("%s (nobody waited for it any more)", error)
        self._close_if_unused(key, entry)

    def _let_go(self, key: Hashable, entry: _Entry) -> None:
        entry.users -= 1
        self._close_if_unused(key, entry)

    async def _make_room(self) -> None:
        """Closes what nobody uses; threads that are just ending are given a moment before they count."""
        self._close_unused()
        if self._leaving and len(self._entries) + len(self._leaving) >= self._most:
            leaving, deadline_s = list(self._leaving), time.monotonic() + _LEAVING_S
            await asyncio.to_thread(lambda: [pool.close(max(0.0, deadline_s - time.monotonic())) for pool in leaving])
            self._close_unused()

    def _close_unused(self) -> None:
        for key, entry in list(self._entries.items()):
            self._close_if_unused(key, entry)
        self._leaving = [pool for pool in self._leaving if not pool.close(timeout_s=0)]

    def _close_if_unused(self, key: Hashable, entry: _Entry) -> None:
        if entry.users or self._entries.get(key) is not entry:
            return
        # What opens cannot be stopped: whoever asks for it again should find it, and not load a second model.
        # Threads that hang cannot, either: a new pool in place of this one would leave three more of them behind.
        if not entry.is_open.done() or entry.pool.has_hung_threads:
            return
        del self._entries[key]
        if not entry.pool.close(timeout_s=0):
            self._leaving.append(entry.pool)


def _key(selection: Selection) -> Hashable:
    # By their texts, because not all values can be hashed.
    options = selection.options
    return (selection.kind.factory, *(repr(getattr(options, field.name)) for field in dataclasses.fields(options)))
