"""``framewire bench``: a load generator for any server of the contract."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from framewire.cli.camera_options import PIXEL_FORMATS, Mode, Size, check_texts, chosen_form
from framewire.cli.output import emit, say, status_line
from framewire.cli.signals import end_on_interrupt, stopping_on_signals
from framewire.errors import ConfigurationError, FramewireError

if TYPE_CHECKING:
    from framewire.load import LoadOptions, LoadReport, Tally
    from framewire.model.format import VideoFormat
    from framewire.playback.encoder import ImageOptions

_ENOUGH = "enough"
_FRAMES = 8
_MOST_FRAME_BYTES = 64 << 20
_MOST_STREAMS = 4096
_SCENE_SIZES = range(32, 4097)


class _Streams(click.ParamType[tuple[int, ...]]):
    """One number or several with commas between."""

    name = "N[,N..]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        texts = [text.strip() for text in value.split(",")]
        if not all(re.fullmatch(r"[0-9]{1,4}", text) and 1 <= int(text) <= _MOST_STREAMS for text in texts):
            self.fail(f"{value!r} is no number from 1 to {_MOST_STREAMS}, and no list such as 1,4,16", param, ctx)
        return tuple(map(int, texts))


class _Mib(click.ParamType[float]):
    """Shared memory in MiB; 0 stands for as much as is needed."""

    name = "MIB"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if value == _ENOUGH:
            return 0.0
        try:
            mib = float(value)
        except ValueError:
            mib = 0.0
        if not 1 / (1 << 20) <= mib <= 1 << 20:
            self.fail(f"{value!r} is no size in MiB, above 0 and up to {1 << 20}", param, ctx)
        return mib


class _Command(click.Command):
    """Takes ``--shared-memory`` without a value, and with one only behind ``=``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for flag, value in pairwise(args):
            if flag == "--shared-memory" and value.replace(".", "", 1).isdecimal():
                raise click.UsageError(f"write --shared-memory={value}, with =", ctx)
        end = args.index("--") if "--" in args else len(args)
        head = [f"{text}={_ENOUGH}" if text == "--shared-memory" else text for text in args[:end]]
        return super().parse_args(ctx, head + args[end:])


@click.command(cls=_Command)
@click.argument("source", required=False)
@click.option("--to", "address", default="localhost:5001", show_default=True, metavar="HOST:PORT", help="The server.")
@click.option(
    "--streams", type=_Streams(), default="1", show_default=True, help="Sessions at once; a list runs each in turn."
)
@click.option(
    "--fps", type=float, help="Frames per second of each stream, up to 100000; without it, as fast as answers come."
)
@click.option("--in-flight", type=int, default=4, show_default=True, help="Most frames of a stream without an answer.")
@click.option(
    "--shared-memory",
    "shared_memory_mib",
    type=_Mib(),
    metavar="=MIB",
    help="Send frames through shared memory of so many MiB (without a value, enough for --in-flight frames).",
)
@click.option("--shared-memory-mode", type=Mode(), default="0600", show_default=True, help="Permissions of the file.")
@click.option("--encoding", type=click.Choice(["raw", "jpg", "png", "bmp"]), help="Form of a frame.  [default: jpg]")
@click.option("--pixel-format", type=click.Choice(PIXEL_FORMATS), help="Layout of raw frames (rgb24); implies raw.")
@click.option("--quality", type=int, help="JPEG quality, 0 to 100.  [default: 90]")
@click.option("--size", type=Size(), default=(None, None), help="Scale to this size.  [default: the source's]")
@click.option(
    "--warm-up",
    "warm_up_s",
    type=float,
    metavar="SECONDS",
    default=1.0,
    show_default=True,
    help="Seconds before measuring.",
)
@click.option(
    "--duration",
    "duration_s",
    type=float,
    metavar="SECONDS",
    default=10.0,
    show_default=True,
    help="Seconds that are measured.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=float,
    metavar="SECONDS",
    default=10.0,
    show_default=True,
    help="Longest wait for an answer, seconds.",
)
@click.option(
    "--calibrate",
    "calibrate_s",
    type=float,
    metavar="SECONDS",
    default=1.0,
    show_default=True,
    help="Seconds for learning what the generator alone can do; 0 leaves that out.",
)
@click.option("--extension-configuration", default="", metavar="TEXT", help="Passed on to the extension.")
@click.option("--user", envvar="FRAMEWIRE_USER", help="User for x-ms-authentication.")
@click.option("--password", envvar="FRAMEWIRE_PASSWORD", default="", help="Its password.")
@click.option("--json", "json_file", metavar="FILE", help="Write the figures to a file, too; - is stdout.")
@click.option("--plot", "plot_file", metavar="FILE.png", help="Draw latencies and frames/s (needs matplotlib).")
def bench(**arguments: Any) -> int:  # click's; each is typed by its option
    """Loads an extension server and measures frames/s, latencies and what they cost.

    SOURCE is what framewire send takes; without it, frames of a synthetic scene are sent. Its first frames are encoded
    before the clock starts, and sent again and again.

    Exits with 1 when a frame was lost or answered twice, or the server failed.
    """
    end_on_interrupt()
    from framewire.load import precise_event_loop, prepare_process

    prepare_process()
    with asyncio.Runner(loop_factory=precise_event_loop) as runner:
        return runner.run(_bench(**arguments))


async def _bench(
    *,
    source: str | None,
    address: str,
    streams: tuple[int, ...],
    fps: float | None,
    in_flight: int,
    shared_memory_mib: float | None,
    shared_memory_mode: int,
    encoding: str | None,
    pixel_format: str | None,
    quality: int | None,
    size: tuple[int | None, int | None],
    warm_up_s: float,
    duration_s: float,
    timeout_s: float,
    calibrate_s: float,
    extension_configuration: str,
    user: str | None,
    password: str,
    json_file: str | None,
    plot_file: str | None,
) -> int:
    from framewire.client.address import parse_address
    from framewire.load import LoadOptions, memory_bytes
    from framewire.playback.encoder import ImageOptions

    form, layout = chosen_form(encoding, pixel_format, quality)
    if password and user is None:
        raise ConfigurationError("--password needs --user")
    check_texts(extension_configuration, user, password)
    if not 0 <= calibrate_s < float("inf"):
        raise ConfigurationError(f"calibrate is {calibrate_s:g}", allowed="0 or more seconds")
    parse_address(address)
    # Before the run: what cannot be written would be said too late.
    _check_writable("--json", json_file)
    if plot_file is not None:
        from framewire.load.plot import check_plotting

        check_plotting()
        _check_writable("--plot", plot_file)
    stop = asyncio.Event()
    with stopping_on_signals(stop):
        image = ImageOptions(form, layout, 90 if quality is None else quality, size)
        video_format, frames = await _encode(source, image, stop)
        shared_memory_bytes = 0
        if shared_memory_mib is not None:
            shared_memory_bytes = round(shared_memory_mib * (1 << 20)) or memory_bytes(frames, in_flight)
        options = LoadOptions(
            address,
            video_format,
            frames,
            in_flight=in_flight,
            shared_memory_bytes=shared_memory_bytes,
            shared_memory_mode=shared_memory_mode,
            frames_per_second=fps,
            warm_up_s=warm_up_s,
            duration_s=duration_s,
            timeout_s=timeout_s,
            configuration=extension_configuration,
            user=user,
            password=password,
        )
        show = say if json_file == "-" else emit
        reports, failure = await _run_all(options, streams, stop, show)
        if calibrate_s and failure is None and not stop.is_set():
            reports = await _calibrate(options, reports, calibrate_s, stop)
    _tell_rest(reports, show)
    if json_file is not None:
        _write_json(json_file, options, reports, failure)
    if plot_file is not None and reports:
        from framewire.load.plot import plot_loads
        from framewire.load.table import describe

        try:
            plot_loads(reports, describe(options), Path(plot_file))
        except OSError as error:
            raise FramewireError(f"--plot {plot_file} cannot be written: {error.strerror}") from None
    if failure is not None:
        raise failure
    return 0 if all(report.is_clean for report in reports) else 1


async def _encode(source: str | None, image: ImageOptions, stop: asyncio.Event) -> tuple[VideoFormat, list[bytes]]:
    """The first frames of a source as they are sent."""
    from framewire.playback import open_source_aside, unless_stopped
    from framewire.playback.encoder import FrameEncoder
    from framewire.playback.reader import ReaderThread

    if source is None:
        # A scene of few frames shows day and night all the same; drawn at its size it is as sharp as a camera's.
        width, height = image.size
        size = f",size={width}x{height}" if width in _SCENE_SIZES and height in _SCENE_SIZES else ""
        source = f"test:frames={_FRAMES}{size}"
    opened = await unless_stopped(stop, open_source_aside(source))
    if opened is None:
        raise FramewireError("stopped before anything was measured")
    encoder = FrameEncoder(opened.size, image)

    def read() -> list[bytes]:
        frames: list[bytes] = []
        for frame in opened:
            frames.append(bytes(encoder.encode(frame.image)))
            if len(frames) == _FRAMES or sum(map(len, frames)) + len(frames[-1]) > _MOST_FRAME_BYTES:
                break
        return frames

    reader = ReaderThread("framewire-encoding")
    with opened:
        frames = await unless_stopped(stop, asyncio.get_running_loop().run_in_executor(reader, read))
        reader.shutdown()
    if frames is None:
        raise FramewireError("stopped before anything was measured")
    return encoder.video_format, frames


async def _run_all(
    options: LoadOptions,
    streams: Sequence[int],
    stop: asyncio.Event,
    show: Callable[[str], None],
) -> tuple[list[LoadReport], FramewireError | None]:
    """Runs the loads one after the other and shows the line of each; ends at the first failure."""
    from framewire.load import Tally, run_load
    from framewire.load.table import LoadTable, describe

    reports: list[LoadReport] = []
    table = LoadTable(is_open_loop=options.frames_per_second is not None)
    for count in streams:
        load, tally = replace(options, streams=count), Tally()
        try:
            with status_line(partial(_line, load, tally)):
                report = await run_load(load, tally=tally, stop=stop)
        except FramewireError as error:
            return reports, error
        if not reports:
            show(f"{describe(options)}\n\n{table.head()}")
        show(table.line(report))
        reports.append(report)
        if report.failure is not None or stop.is_set():
            return reports, report.failure
    return reports, None


async def _calibrate(
    options: LoadOptions, reports: Sequence[LoadReport], seconds: float, stop: asyncio.Event
) -> list[LoadReport]:
    """Adds what the generator alone can do."""
    from framewire.load.null_server import measure_alone, null_server

    measured = list(reports)
    # Without it the figures are the same; they are only harder to judge.
    with contextlib.suppress(FramewireError), status_line(lambda: "measuring what the generator alone can do"):
        async with null_server() as nobody:
            for number, report in enumerate(reports):
                load = replace(options, streams=report.streams)
                alone = await measure_alone(nobody, load, seconds, stop)
                measured[number] = replace(report, alone_per_second=alone)
    return measured


def _line(load: LoadOptions, tally: Tally) -> str:
    from framewire.load.table import progress_line

    return progress_line(load, tally, time.monotonic())


def _tell_rest(reports: Sequence[LoadReport], show: Callable[[str], None]) -> None:
    from framewire.load.table import generator_table, statistics_table, warnings

    if not reports:
        return
    show("\n" + generator_table(reports))
    told = reports[-1].statistics and statistics_table(reports[-1].statistics)
    if told:
        show("\n" + told)
    for report in reports:
        for text in warnings(report):
            say(f"framewire: {text}")


def _write_json(file: str, options: LoadOptions, reports: Sequence[LoadReport], failure: FramewireError | None) -> None:
    document = {
        "target": options.address,
        "format": str(options.video_format),
        "frameBytes": options.slot_bytes,
        "sharedMemoryBytes": options.shared_memory_bytes,
        "inFlight": options.slots,
        "framesPerSecondOfEachStream": options.frames_per_second,
        "warmUpS": options.warm_up_s,
        "loads": [report.document() for report in reports],
        "failure": failure and str(failure),
    }
    text = json.dumps(document, ensure_ascii=False)
    if file == "-":
        emit(text)
        return
    try:
        with os.fdopen(_open_at_once(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w", encoding="utf-8") as output:
            output.write(text + "\n")
    except OSError as error:
        raise FramewireError(f"--json {file} cannot be written: {error.strerror}") from None


def _check_writable(flag: str, file: str | None) -> None:
    if file is None or (file == "-" and flag == "--json"):
        return
    path = Path(file)
    try:
        is_there = os.path.lexists(file)  # a link that leads nowhere is there, too
        if path.exists() and not (path.is_file() or path.is_char_device() or path.is_dir()):
            # To open a pipe is to wait for its reader, and to close it again ends that reader's input.
            raise ConfigurationError(
                f"{flag} {file} is a pipe, a socket or a disk",
                allowed="a file",
                remedy="--json - writes to stdout, which may be a pipe" if flag == "--json" else "",
            )
        os.close(_open_at_once(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    except OSError as error:
        raise ConfigurationError(f"{flag} {file} cannot be written: {error.strerror}") from None
    if not is_there:
        # A run that fails leaves no empty file behind.
        path.unlink()


def _open_at_once(file: str, flags: int) -> int:
    """Opens a file without waiting for whoever is at its other end, should it have become a pipe."""
    descriptor = os.open(file, flags | os.O_NONBLOCK, 0o666)
    os.set_blocking(descriptor, True)
    return descriptor
