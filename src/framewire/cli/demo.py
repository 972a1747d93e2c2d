"""``framewire demo``: a server, a camera, and every answer compared with what is known to be right."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from framewire.cli.output import emit, say
from framewire.cli.signals import end_on_interrupt, on_stop
from framewire.errors import FramewireError, PeerError
from framewire.model.format import Encoding, PixelFormat
from framewire.model.inference import Classification

if TYPE_CHECKING:
    from framewire.playback import Answer
    from framewire.playback.encoder import ImageOptions
    from framewire.sources import SourceFrame

_LIVE_S = 10.0
"""How much of a camera is taken for each of the two passes."""

_SHARED_MEMORY_BYTES = 64 << 20

_LOSSY_GREY_LEVELS = 2.0
"""So close to the threshold compression may tip the verdict; such frames of a user's own clip are not judged."""

_THRESHOLD = 127.0


@dataclass(frozen=True, slots=True)
class _Expected:
    """The verdict that a frame must get; None when compression may decide it."""

    verdict: str | None


@click.command()
@click.argument("source", required=False)
def demo(source: str | None) -> int:
    """Shows it work: starts a server, streams a clip through it, checks every answer, stops.

    Without SOURCE the clip is a street whose light goes from day to night, made on the spot. SOURCE is a video, an
    image, a folder of images, or an rtsp:// URL, of which 10 seconds are taken.
    """
    end_on_interrupt()
    return asyncio.run(_stopped_by_signals(_demo(source)))


async def _stopped_by_signals(work: Coroutine[Any, Any, int]) -> int:
    """A signal ends it; the server is stopped and the clip removed on the way out."""
    task = asyncio.ensure_future(work)
    on_stop(task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise FramewireError("interrupted") from None


async def _demo(source: str | None) -> int:
    from framewire.playback.encoder import ImageOptions

    passes = (
        ("shared memory, raw rgb24", _SHARED_MEMORY_BYTES, ImageOptions(Encoding.RAW, PixelFormat.RGB24), False),
        ("embedded, jpg", 0, ImageOptions(Encoding.JPG), True),
    )
    differences = 0
    summaries: list[str] = []
    is_clean = True
    with tempfile.TemporaryDirectory(prefix="framewire-demo-") as folder:
        annotate: Callable[[SourceFrame], object]
        spec, annotate, told = await _prepare(source, Path(folder))
        say(told)
        async with _server() as address:
            say(f"framewire serve listens on {address}")
            for name, memory_bytes, image, is_lossy in passes:
                outcome = await _pass(spec, address, memory_bytes, image, annotate, is_lossy=is_lossy)
                differences += outcome.differences
                is_clean = is_clean and outcome.is_clean
                summaries.append(f"{name}: {outcome.summary}")
    for summary in summaries:
        say(summary)
    if differences:
        say(f"FAILED: {differences} answers differ from the truth")
    elif not is_clean:
        say("FAILED: frames were lost, or answered more than once")
    else:
        say("every answer is right")
    return 0 if is_clean and not differences else 1


async def _prepare(source: str | None, folder: Path) -> tuple[str, Callable[[SourceFrame], object], str]:
    """What to play, how to know the right verdict of a frame, and what to tell the user."""
    from framewire.playback import open_source_aside
    from framewire.sources import Scene, write_clip

    if source is not None:
        # Refused now, not after a server has started.
        (await open_source_aside(source)).close()
        return source, _measured, f"clip: {source}; every answer is compared with a slow computation of its own"
    clip = folder / "street.mp4"
    scene = Scene()
    truths = await asyncio.to_thread(write_clip, clip, scene)
    dark = sum(truth.color_intensity == "dark" for truth in truths)
    text = f"clip: {len(truths)} frames of a street, {len(truths) - dark} by day and {dark} by night, made just now"
    return str(clip), lambda frame: _Expected(truths[frame.index].color_intensity), text


def _measured(frame: SourceFrame) -> object:
    """The grey mean in 64 bit floats, pixel by pixel: none of the code that the server runs."""
    import numpy as np

    red, green, blue = frame.image.reshape(-1, 3).astype(np.float64).mean(axis=0)
    # Whole weights, so that an even grey of 127 is 127 and not a little less.
    return (299 * red + 587 * green + 114 * blue) / 1000


@dataclass(frozen=True, slots=True)
class _Outcome:
    summary: str
    differences: int
    is_clean: bool


async def _pass(
    spec: str,
    address: str,
    memory_bytes: int,
    image: ImageOptions,
    annotate: Callable[[SourceFrame], object],
    *,
    is_lossy: bool,
) -> _Outcome:
    from framewire.client import ClientOptions, Match
    from framewire.model.message import GraphIdentifier
    from framewire.model.publish import to_json
    from framewire.playback import PlayOptions, Report, open_source_aside, play

    report = Report()
    wrong: list[int] = []
    judged = 0

    def judge(answer: Answer) -> None:
        nonlocal judged
        emit(to_json(answer.result.timestamp, answer.inferences))
        if answer.result.match is not Match.MATCHED or answer.index is None:
            return
        expected = _verdict(answer.note, is_lossy=is_lossy)
        if expected is None:
            return
        judged += 1
        found = [item.tag.value for item in answer.inferences if isinstance(item, Classification)]
        if found != [expected]:
            wrong.append(answer.index)
            say(f"frame {answer.index} is {expected} and the server says {', '.join(found) or 'nothing'}")

    with await open_source_aside(spec) as source:
        options = PlayOptions(image, duration_s=_LIVE_S if source.is_live else None)
        client_options = ClientOptions(
            shared_memory_bytes=max(memory_bytes, 4 * _frame_bytes(source.size)) if memory_bytes else 0,
            identifier=GraphIdentifier("", "demo", "camera"),
        )
        await play(source, address, options, client_options, report=report, on_answer=judge, annotate=annotate)
    summary = f"{report.summary()}; {judged} compared, {len(wrong)} wrong"
    return _Outcome(summary, len(wrong), report.is_clean and report.answered > 0)


def _verdict(note: object, *, is_lossy: bool) -> str | None:
    if isinstance(note, _Expected):
        return note.verdict
    if not isinstance(note, float) or (is_lossy and abs(note - _THRESHOLD) < _LOSSY_GREY_LEVELS):
        return None
    return "dark" if note < _THRESHOLD else "light"


def _frame_bytes(size: tuple[int, int]) -> int:
    return size[0] * size[1] * 3


@asynccontextmanager
async def _server() -> AsyncIterator[str]:
    """A real ``framewire serve`` on a free port of this machine; it must drain and end with 0."""
    # Settings of this shell are for the user's own server.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEWIRE_")}
    for name in ("port", "batchSize", "grpcBinding"):
        environment.pop(name, None)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "framewire", "serve", "--port", "0", "--host", "127.0.0.1", "--log-level", "error"),
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,  # Ctrl-C is for us; the server is told below
    )
    try:
        yield await _address(process)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):  # it may have ended, and have been seen to
            process.kill()
        _, log = await process.communicate()
        if log:
            say(log.decode(errors="replace").strip())
        raise
    with contextlib.suppress(ProcessLookupError):  # it may end this moment
        process.terminate()
    _, log = await process.communicate()
    if process.returncode != 0:
        raise FramewireError(f"the server ended with {process.returncode}: {log.decode(errors='replace').strip()}")


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None  # it is a pipe
    said = b""
    while line := await process.stderr.readline():
        said += line
        if line.startswith(b"listening on "):
            return line.removeprefix(b"listening on ").decode().strip()
    raise PeerError(f"the server did not start: {said.decode(errors='replace').strip()}", status="UNAVAILABLE")
