"""``framewire send``: plays the camera side of the contract."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from framewire.cli.camera_options import PIXEL_FORMATS, Mode, Size, check_texts, chosen_form
from framewire.cli.output import emit, say, status_line
from framewire.cli.signals import end_on_interrupt, stopping_on_signals
from framewire.errors import ConfigurationError, FramewireError

if TYPE_CHECKING:
    from framewire.playback import Answer, Report

_SHARED_MEMORY_MIB = "20"


class _Command(click.Command):
    """Takes ``--shared-memory`` without a value, and with one only behind ``=``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        head = [f"{text}={_SHARED_MEMORY_MIB}" if text == "--shared-memory" else text for text in args[:end]]
        try:
            return super().parse_args(ctx, head + args[end:])
        except click.UsageError:
            for flag, value in pairwise(args[:end]):
                if flag == "--shared-memory" and re.fullmatch(r"[0-9.]+", value):
                    raise click.UsageError(f"write --shared-memory={value}, with =", ctx) from None
            raise


@click.command(cls=_Command)
@click.argument("source")
@click.option("--to", "address", default="localhost:5001", show_default=True, metavar="HOST:PORT", help="The server.")
@click.option(
    "--shared-memory",
    "shared_memory_mib",
    type=float,
    metavar="=MIB",
    help=f"Send frames through shared memory of so many MiB ({_SHARED_MEMORY_MIB} without a value).",
)
@click.option("--shared-memory-mode", type=Mode(), show_default="0600", help="Permissions of the file.")
@click.option("--encoding", type=click.Choice(["raw", "jpg", "png", "bmp"]), help="Form of a frame.  [default: jpg]")
@click.option("--pixel-format", type=click.Choice(PIXEL_FORMATS), help="Layout of raw frames (rgb24); implies raw.")
@click.option("--quality", type=int, help="JPEG quality, 0 to 100.  [default: 90]")
@click.option("--size", type=Size(), default=(None, None), help="Scale to this size.  [default: the source's]")
@click.option(
    "--scale",
    type=click.Choice(["pad", "preserveAspectRatio", "stretch"]),
    default="pad",
    show_default=True,
    help="How a picture is made to fit --size.",
)
@click.option("--fps", type=float, help="Pace in frames per second; without it, as fast as answers come.")
@click.option("--in-flight", type=int, default=4, show_default=True, help="Most frames that wait for their answer.")
@click.option("--frames", "most_frames", type=click.IntRange(min=1), help="Stop after so many frames.")
@click.option("--duration", "duration_s", type=float, metavar="SECONDS", help="Stop after so many seconds.")
@click.option("--loop", "is_loop", is_flag=True, help="Start again when the source ends.")
@click.option("--streams", type=click.IntRange(min=1), default=1, show_default=True, help="Sessions at once.")
@click.option("--extension-configuration", default="", metavar="TEXT", help="Passed on to the extension.")
@click.option("--user", envvar="FRAMEWIRE_USER", help="User for x-ms-authentication.")
@click.option("--password", envvar="FRAMEWIRE_PASSWORD", default="", help="Its password.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["json", "long"]),
    default="json",
    show_default=True,
    help="json: a line per frame; long: the older, indented form.",
)
@click.option(
    "--timeout", "timeout_s", type=float, default=30.0, show_default=True, help="Longest wait for an answer, seconds."
)
def send(**arguments: Any) -> int:  # click's; each is typed by its option
    """Sends SOURCE to an extension server and prints what it answers.

    SOURCE is a video file, an image, a folder of images, an rtsp:// URL, /dev/videoN or test: (a synthetic scene).

    Prints one JSON line per frame that has inferences; progress and the summary go to stderr. Exits with 1 when an
    answer is missing, doubled, or for an unknown frame.
    """
    end_on_interrupt()
    return asyncio.run(_send(**arguments))


async def _send(
    *,
    source: str,
    address: str,
    shared_memory_mib: float | None,
    shared_memory_mode: int | None,
    encoding: str | None,
    pixel_format: str | None,
    quality: int | None,
    size: tuple[int | None, int | None],
    scale: Any,
    fps: float | None,
    in_flight: int,
    most_frames: int | None,
    duration_s: float | None,
    is_loop: bool,
    streams: int,
    extension_configuration: str,
    user: str | None,
    password: str,
    output: str,
    timeout_s: float,
) -> int:
    from framewire.client import ClientOptions
    from framewire.model.message import GraphIdentifier
    from framewire.model.publish import to_json, to_long_json
    from framewire.playback import PlayOptions, Report, open_source_aside, play, unless_stopped
    from framewire.playback.encoder import ImageOptions

    form, layout = chosen_form(encoding, pixel_format, quality)
    if password and user is None:
        raise ConfigurationError("--password needs --user")
    if shared_memory_mode is not None and shared_memory_mib is None:
        raise ConfigurationError("--shared-memory-mode needs --shared-memory")
    check_texts(extension_configuration, user, password)
    for name, value in (
        ("fps", fps),
        ("duration", duration_s),
        ("timeout", timeout_s),
        ("shared-memory", shared_memory_mib),
    ):
        if value is not None and not 0 < value < float("inf"):
            raise ConfigurationError(f"--{name} is {value:g}", allowed="a number above 0")
    shared_memory_bytes = round((shared_memory_mib or 0) * (1 << 20))
    if shared_memory_mib is not None and not 1 <= shared_memory_bytes <= 1 << 40:
        raise ConfigurationError(f"--shared-memory is {shared_memory_mib:g} MiB", allowed="1 byte to 1 TiB")
    options = PlayOptions(
        ImageOptions(form, layout, 90 if quality is None else quality, size, scale),
        frames_per_second=fps,
        most_frames=most_frames,
        duration_s=duration_s,
        answer_timeout_s=timeout_s,
    )
    report = Report()
    stop = asyncio.Event()
    write = to_json if output == "json" else to_long_json
    client_options = ClientOptions(
        shared_memory_bytes=shared_memory_bytes,
        shared_memory_mode=0o600 if shared_memory_mode is None else shared_memory_mode,
        in_flight=in_flight,
        configuration=extension_configuration,
        user=user,
        password=password,
        handshake_timeout_s=timeout_s,
    )
    failures: list[FramewireError] = []
    unwritten: list[Exception] = []

    def show(answer: Answer) -> None:
        if not answer.inferences or unwritten:
            return
        try:
            emit(write(answer.result.timestamp, answer.inferences))
        except (FramewireError, BrokenPipeError) as error:
            # Nobody takes the results: no more frames, but those in flight are still answered.
            unwritten.append(error)
            stop.set()

    async def one(number: int) -> None:
        opened = await unless_stopped(stop, open_source_aside(source, loop=is_loop))
        if opened is None:
            return
        own_options = replace(client_options, identifier=GraphIdentifier("", f"framewire-send-{number}", "send"))
        with opened:
            try:
                await play(opened, address, options, own_options, report=report, on_answer=show, stop=stop)
            finally:
                if opened.skipped:
                    say(f"framewire: {opened.skipped} frames of {source} could not be decoded")

    async def guarded(number: int) -> None:
        try:
            await one(number)
        except FramewireError as error:
            # The other streams go on: they are other cameras.
            failures.append(error)

    with stopping_on_signals(stop), _progress(report):
        async with asyncio.TaskGroup() as tasks:
            for number in range(1, streams + 1):
                tasks.create_task(guarded(number))
    if report.sent or not failures:
        say(report.summary())
    if 0 < len(failures) < streams or len({str(error) for error in failures}) > 1:
        # Only the first one is told in full.
        say(f"framewire: {len(failures)} of {streams} streams failed")
    for error in (*unwritten, *failures):
        raise error
    return 0 if report.is_clean else 1


def _progress(report: Report) -> contextlib.AbstractContextManager[None]:
    started = time.perf_counter()

    def line() -> str:
        rate = report.answered / max(time.perf_counter() - started, 0.001)
        return f"{report.sent} sent, {report.answered} answered, {rate:.1f} frames/s"

    return status_line(line)
