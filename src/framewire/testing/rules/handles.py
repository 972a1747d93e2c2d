"""Rules of the shared memory that a descriptor announces (contract, sections 4 and 9)."""

from __future__ import annotations

from collections.abc import Mapping

from framewire.model.message import SharedMemory
from framewire.testing.probe import Probe
from framewire.testing.rules.memory import fifo, memory_file, random_name
from framewire.testing.rules.raw_message import first_message
from framewire.testing.rules.refusal import all_refused
from framewire.testing.rules.rule import Verdict, rule
from framewire.testing.rules.transfer import need_shared_memory

_LENGTH = 1 << 20


async def _refused(probe: Probe, announcements: Mapping[str, SharedMemory]) -> Verdict:
    first_messages = {
        what: first_message(probe.descriptor(probe.video_format, memory=memory))
        for what, memory in announcements.items()
    }
    return await all_refused(probe, first_messages)


@rule("handle-empty", section="4")
async def handle_empty(probe: Probe) -> Verdict:
    """An empty handle name is refused with INVALID_ARGUMENT before the descriptor is answered."""
    return await _refused(probe, {"": SharedMemory("", _LENGTH)})


@rule("handle-path", section="4")
async def handle_path(probe: Probe) -> Verdict:
    """A handle name is a bare file name: a slash or `..` in it is refused, even when it leads to a good file."""
    with memory_file(_LENGTH, probe.options.shared_memory_mode) as memory:
        name = memory.announcement.handle_name
        names = {"../shm/NAME": f"../shm/{name}", "/dev/shm/NAME": f"/dev/shm/{name}", "..": "..", "a/b": "a/b"}
        return await _refused(probe, {what: SharedMemory(name, _LENGTH) for what, name in names.items()})


@rule("handle-missing", section="4")
async def handle_missing(probe: Probe) -> Verdict:
    """The name of a file that is not there is refused with INVALID_ARGUMENT before the descriptor is answered."""
    return await _refused(probe, {"": SharedMemory(random_name(), _LENGTH)})


@rule("handle-fifo", section="4")
async def handle_fifo(probe: Probe) -> Verdict:
    """A named pipe in the place of the file is refused with INVALID_ARGUMENT; the server does not wait on it."""
    await need_shared_memory(probe)
    with fifo(probe.options.shared_memory_mode) as name:
        return await _refused(probe, {"": SharedMemory(name, _LENGTH)})


@rule("memory-length-zero", section="4")
async def memory_length_zero(probe: Probe) -> Verdict:
    """Shared memory of 0 bytes is refused with INVALID_ARGUMENT before the descriptor is answered."""
    await need_shared_memory(probe)
    with memory_file(_LENGTH, probe.options.shared_memory_mode) as memory:
        return await _refused(probe, {"": SharedMemory(memory.announcement.handle_name, 0)})


@rule("memory-length-beyond", section="4")
async def memory_length_beyond(probe: Probe) -> Verdict:
    """A length beyond the end of the file is refused with INVALID_ARGUMENT before the descriptor is answered."""
    await need_shared_memory(probe)
    with memory_file(_LENGTH, probe.options.shared_memory_mode) as memory:
        name = memory.announcement.handle_name
        lengths = {"1 byte too many": _LENGTH + 1, "2**64 - 1 bytes": 2**64 - 1}
        return await _refused(probe, {what: SharedMemory(name, length) for what, length in lengths.items()})
