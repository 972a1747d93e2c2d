"""Rules of how frames travel: embedded and through shared memory (contract, sections 3, 4 and 9)."""

from __future__ import annotations

import mmap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.message import ContentReference, Sample
from framewire.testing.probe import Probe, Session, SessionEndedError, is_local
from framewire.testing.rules.answer import Gist, ask, ask_about_one, ask_in, gist, shown
from framewire.testing.rules.memory import MemoryFile, memory_file
from framewire.testing.rules.picture import BLACK, WHITE, frame, raw
from framewire.testing.rules.refusal import refused_in_session
from framewire.testing.rules.rule import NotShownError, Outcome, Verdict, failed, not_shown, passed, rule

_MEMORY_BYTES = 8 << 20
_FRAMES = 8
_FULL_HD = VideoFormat(Encoding.RAW, 1920, 1080, PixelFormat.RGB24)


@asynccontextmanager
async def _memory_session(probe: Probe, video_format: VideoFormat) -> AsyncIterator[tuple[Session, MemoryFile]]:
    """A session with a good file of 8 MiB; without one, no rule of shared memory can be judged."""
    with memory_file(_MEMORY_BYTES, probe.options.shared_memory_mode) as memory:
        is_open = False
        try:
            async with probe.session(video_format, memory=memory.announcement) as session:
                is_open = True
                yield session, memory
        except SessionEndedError as ended:
            if is_open and is_local(probe.target):
                raise
            raise NotShownError(
                f"a good file was refused ({ended.status}); it takes the same IPC namespace and the right to read it"
            ) from None


async def need_shared_memory(probe: Probe) -> None:
    """Raises NotShownError where the server cannot use the probe's files."""
    async with _memory_session(probe, probe.video_format):
        pass


@rule("embedded-1080p", section="9")
async def embedded_1080p(probe: Probe) -> Verdict:
    """An embedded raw 1080p frame is taken: 6.2 MB, more than gRPC's default limit of 4 MiB."""
    content = raw(_FULL_HD, WHITE)
    await ask(probe, _FULL_HD, [content])
    return passed(f"{len(content)} bytes acknowledged")


@rule("shared-memory", section="4")
async def shared_memory(probe: Probe) -> Verdict:
    """Raw frames travel through shared memory, at any byte offset."""
    video_format = replace(probe.video_format, encoding=Encoding.RAW, pixel_format=PixelFormat.RGB24)
    return await _like_embedded(probe, video_format)


@rule("shared-memory-jpeg", section="4")
async def shared_memory_jpeg(probe: Probe) -> Verdict:
    """Encoded frames travel through shared memory as raw ones do."""
    video_format = replace(probe.video_format, encoding=Encoding.JPG, pixel_format=PixelFormat.NONE)
    return await _like_embedded(probe, video_format)


async def _like_embedded(probe: Probe, video_format: VideoFormat) -> Verdict:
    colours = (WHITE, BLACK, BLACK, WHITE)
    contents = [frame(video_format, colour) for colour in colours]
    size = max(map(len, contents))
    step = (size // mmap.PAGESIZE + 6) * mmap.PAGESIZE
    # Odd offsets just before the next page, and one frame that ends with the file.
    offsets = (step - 1, 2 * step - 3, 3 * step - 1_001, _MEMORY_BYTES - len(contents[3]))
    embedded = await ask(probe, video_format, contents)
    async with _memory_session(probe, video_format) as (session, memory):
        for at, colour in zip(offsets, colours, strict=True):
            memory.surround(at, size, 255 - colour[0])
        references = [memory.write(at, content) for at, content in zip(offsets, contents, strict=True)]
        answers = await ask_in(session, references)
    for at, one, other in zip(offsets, embedded, answers, strict=True):
        if one != other:
            return failed(f"the frame at offset {at} got {shown(other)}; embedded it got {shown(one)}")
    return passed(f"{len(offsets)} frames at offsets {', '.join(map(str, offsets))} answered as when embedded")


@rule("view-after-ack", section="9")
async def view_after_ack(probe: Probe) -> Verdict:
    """After its acknowledgement a frame in shared memory is not looked at again; the client has overwritten it."""
    frames = {"black": frame(probe.video_format, BLACK), "white": frame(probe.video_format, WHITE)}
    answers = {}
    for name, content in frames.items():
        answers[name] = await ask_about_one(probe, probe.video_format, content)
    if answers["black"] == answers["white"]:
        await need_shared_memory(probe)
        return not_shown(f"black and white both get {shown(answers['black'])}")
    for sent, other in (("black", "white"), ("white", "black")):
        said = await _overwritten(probe, frames[sent], frames[other])
        if set(said) & (set(answers[other]) - set(answers[sent])):
            return failed(f"{_FRAMES} {sent} frames, each overwritten with {other} after its ack: got {shown(said)}")
    return passed(f"{_FRAMES} black frames, each overwritten with white after its ack, and the reverse: none was seen")


async def _overwritten(probe: Probe, content: bytes, other: bytes) -> Gist:
    async with _memory_session(probe, probe.video_format) as (session, memory):
        for index in range(_FRAMES):
            at = index * max(len(content), len(other))
            number = await session.send(Sample(1 + index, memory.write(at, content)))
            await session.acknowledged([number])
            memory.write(at, other)
        await session.finish()
        return gist(message.payload for message in session.received if isinstance(message.payload, Sample))


@rule("reference-without-memory", section="4")
async def reference_without_memory(probe: Probe) -> Verdict:
    """A content_reference without shared memory ends the session with INVALID_ARGUMENT."""
    good = frame(probe.video_format, BLACK)
    async with probe.session() as session:
        await session.send(Sample(1, ContentReference(0, len(good))))
        return await refused_in_session(session, good)


@rule("reference-outside", section="4")
async def reference_outside(probe: Probe) -> Verdict:
    """A content_reference that ends beyond the shared memory ends the session with INVALID_ARGUMENT."""
    content = frame(probe.video_format, BLACK)
    size = len(content)
    # The last one wraps around to a legal end in 64-bit arithmetic.
    offsets = (_MEMORY_BYTES - size + 1, _MEMORY_BYTES + 1, 2**64 - size)
    verdict = passed("")
    for offset in offsets:
        async with _memory_session(probe, probe.video_format) as (session, memory):
            good = memory.write(0, content)
            await session.send(Sample(1, ContentReference(offset, size)))
            verdict = await refused_in_session(session, good, f"offset {offset}, length {size}")
        if verdict.outcome is not Outcome.PASS:
            return verdict
    return passed(f"{len(offsets)} of {len(offsets)} refused; {verdict.seen}")
