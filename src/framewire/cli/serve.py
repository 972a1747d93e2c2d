"""``framewire serve``: the extension server."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from framewire.cli.camera_options import is_utf8
from framewire.cli.logs import LEVELS, configure_logging
from framewire.cli.output import say
from framewire.cli.settings import KeyValue, Setting, gather, read_file, setting, table
from framewire.errors import ConfigurationError

if TYPE_CHECKING:
    from framewire.server import ServerOptions


@click.command()
@setting("-p", "--port", type=int, default=5001, show_default=True, help="TCP port; 0 picks a free one.")
@setting("-b", "--batch-size", type=int, default=1, show_default=True, help="Most frames the processor gets at once.")
@setting("--host", default="", help="Address to listen on, or unix:/path; default all interfaces, IPv4 and IPv6.")
@setting(
    "--processor",
    default="color-intensity",
    show_default=True,
    metavar="NAME|FILE.py:CLASS|MODULE:CLASS",
    help="What analyses the frames; framewire processors lists the names.",
)
@setting("--option", type=KeyValue(), multiple=True, help="An option of the processor; may be repeated.")
@setting(
    "--executor",
    type=click.Choice(["inline", "threads", "processes"]),
    default="threads",
    show_default=True,
    help="Where the processor runs: on the event loop (microseconds a frame), in threads (code that releases the GIL), "
    "or in processes (Python-heavy code).",
)
@setting("--workers", type=int, default=1, show_default=True, help="Batches at once, each with its own instance.")
@setting(
    "--frame-timeout",
    type=float,
    metavar="SECONDS",
    show_default="60",
    help="How long a batch may take before its worker is given up and replaced; 0 for ever. Not with inline.",
)
@setting(
    "--batch-wait",
    type=float,
    default=0.0,
    show_default=True,
    metavar="MS",
    help="How long a frame may wait for a fuller batch while the processor is idle.",
)
@setting(
    "--batch-reply",
    type=click.Choice(["frame", "aggregate"]),
    default="frame",
    show_default=True,
    help="frame: each frame gets its own result; aggregate: the older behaviour, one result for the batch.",
)
@setting("--max-message", type=float, default=64.0, show_default=True, metavar="MIB", help="Largest message received.")
@setting("--max-frame", type=float, default=256.0, show_default=True, metavar="MIB", help="Largest frame, decoded.")
@setting("--max-sessions", type=int, default=256, show_default=True, help="Most cameras at once.")
@setting(
    "--max-pools",
    type=int,
    default=32,
    show_default=True,
    help="Most processors with different options at once; each has workers of its own.",
)
@setting(
    "--max-bad-frames",
    type=int,
    default=30,
    show_default=True,
    help="So many bad frames in a row end their session; 0 never does.",
)
@setting("--max-in-flight", type=int, default=32, show_default=True, help="Most unanswered frames of one session.")
@setting("--max-in-flight-mib", type=float, default=64.0, show_default=True, help="The same in MiB of embedded frames.")
@setting("--max-total-in-flight", type=int, default=1024, show_default=True, help="Most unanswered frames in all.")
@setting(
    "--max-total-in-flight-mib",
    type=float,
    default=512.0,
    show_default=True,
    help="The same in MiB of embedded frames.",
)
@setting(
    "--when-busy",
    type=click.Choice(["wait", "drop-oldest", "drop-newest", "latest"]),
    default="wait",
    show_default=True,
    help="When one of these limits is reached: leave the stream unread, or answer a frame without processing it. "
    "latest keeps one waiting frame of each session at any time.",
)
@setting(
    "--max-age",
    type=float,
    default=0.0,
    show_default=True,
    metavar="MS",
    help="Answer a frame without processing it when it has waited longer; 0 never.",
)
@setting(
    "--strict-configuration",
    is_flag=True,
    help="Refuse members of an extension configuration that mean nothing to the processor.",
)
@setting(
    "--shared-memory-read",
    type=click.Choice(["map", "copy"]),
    default="map",
    show_default=True,
    help="map reads frames in place and trusts the local sender; copy survives one that shortens the file in a read.",
)
@setting(
    "--credentials",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Lines of user:password that clients must send; without it any or none pass. "
    "FRAMEWIRE_USER and FRAMEWIRE_PASSWORD give one pair.",
)
@setting(
    "--drain-timeout",
    type=float,
    default=8.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a stop waits for frames in flight.",
)
@setting("--log-level", type=click.Choice(LEVELS), default="info", show_default=True, help="What is logged.")
@setting(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    is_eager=True,
    callback=read_file,
    help="TOML file with these settings by their long names.",
)
@click.option("--show-config", is_flag=True, help="Print what is in force and where it comes from, and stop.")
@click.pass_context
def serve(context: click.Context, /, *, show_config: bool, **_: Any) -> int:  # all others are read by gather
    """Listens for cameras and answers their frames.

    Precedence: defaults, --config FILE, FRAMEWIRE_* variables, flags, and last the variables of existing deployments:
    port, batchSize and grpcBinding.
    """
    configure_logging(context.params["log_level"])
    settings = gather(context)
    options = dataclasses.replace(_options(settings), credentials=_credentials(settings["credentials"].value))
    if show_config:
        settings["frame_timeout"] = dataclasses.replace(
            settings["frame_timeout"], value=float(options.pool.frame_timeout_s or 0)
        )
        user = os.environ.get("FRAMEWIRE_USER")
        click.echo(table({**settings, "user": Setting(user, "environment FRAMEWIRE_USER")} if user else settings))
        return 0
    # Until there is something to drain: a processor's file may take its time to import.
    for number in _STOPPING:
        signal.signal(number, _leave)
    return asyncio.run(_serve(options, settings))


_TOGETHER_S = 0.05

_STOPPING = (signal.SIGTERM, signal.SIGINT)


def _leave(_: int, __: FrameType | None) -> None:
    os._exit(0)


_OPTION_OF = {
    "host": "host",
    "port": "port",
    "batch_size": "batch_size",
    "executor": "executor",
    "workers": "workers",
    "frame_timeout": "frame_timeout_s",
    "batch_wait": "batch_wait_ms",
    "batch_reply": "batch_reply",
    "max_message": "max_message_mib",
    "max_frame": "max_frame_mib",
    "max_sessions": "max_sessions",
    "max_pools": "max_pools",
    "max_bad_frames": "max_bad_frames",
    "max_in_flight": "max_in_flight",
    "max_in_flight_mib": "max_in_flight_mib",
    "max_total_in_flight": "max_total_in_flight",
    "max_total_in_flight_mib": "max_total_in_flight_mib",
    "when_busy": "when_busy",
    "max_age": "max_age_ms",
    "strict_configuration": "strict_configuration",
    "shared_memory_read": "shared_memory_read",
    "drain_timeout": "drain_timeout_s",
}
"""Settings, and what the server calls them."""


def _options(settings: Mapping[str, Setting]) -> ServerOptions:
    from framewire.server import ServerOptions

    values: dict[str, Any] = {}
    for name, option in _OPTION_OF.items():
        setting = settings[name]
        try:
            ServerOptions(**{option: setting.value})
        except ConfigurationError as error:
            problem = f"{error.problem} ({setting.source})"
            raise ConfigurationError(problem, allowed=error.allowed, remedy=error.remedy) from None
        values[option] = setting.value
    return ServerOptions(**values)


async def _serve(options: ServerOptions, settings: Mapping[str, Setting]) -> int:
    from framewire.frames.allocator import reuse_freed_blocks
    from framewire.processors.catalogue import Catalogue
    from framewire.processors.options import parse_option
    from framewire.scheduling.library_threads import cap_library_threads, share_of_cores
    from framewire.server import Server

    reuse_freed_blocks()
    cap_library_threads(share_of_cores(options.workers))
    catalogue = Catalogue()
    processor = catalogue.load(settings["processor"].value)
    processor_options = dict(parse_option(text) for text in settings["option"].value)
    server = Server(options, processor, processor_options, catalogue)
    is_draining = asyncio.Event()
    stop = _stop_on_signals(is_draining)
    starting = asyncio.ensure_future(server.start())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        # Told to stop while a model loads: nothing has been served, so there is nothing to drain.
        os._exit(0)
    starting.result()
    # The line that scripts wait for.
    say(f"listening on {server.address}")
    await stopping
    # Wrappers send a signal to a process and then to its group: what comes together counts as one.
    await asyncio.sleep(_TOGETHER_S)
    is_draining.set()
    say(f"draining: {server.sessions} sessions, {server.frames_in_flight} frames in flight")
    is_drained = await server.drain()
    unanswered = server.frames_in_flight
    await server.stop()
    if not is_drained:
        limit = f"within {options.drain_timeout_s:g} s"
        say(
            f"framewire: {unanswered} frames in flight were not answered {limit}; give them longer with --drain-timeout"
            if unanswered
            else f"framewire: clients did not take their answers {limit}"
        )
    return 0 if is_drained else 1


def _stop_on_signals(is_draining: asyncio.Event) -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; a second signal, once `is_draining`, ends the process at once."""
    stop = asyncio.Event()

    def receive() -> None:
        if is_draining.is_set():
            say("framewire: second signal, exiting now")
            os._exit(1)
        stop.set()

    for number in _STOPPING:
        asyncio.get_running_loop().add_signal_handler(number, receive)
    return stop


def _credentials(path: Path | None) -> dict[str, str]:
    user = os.environ.get("FRAMEWIRE_USER")
    for name in ("FRAMEWIRE_USER", "FRAMEWIRE_PASSWORD"):
        if not is_utf8(os.environ.get(name, "")):
            raise ConfigurationError(f"{name} cannot be compared with what clients send", allowed="text in UTF-8")
    credentials = {user: os.environ.get("FRAMEWIRE_PASSWORD", "")} if user else {}
    if os.environ.get("FRAMEWIRE_PASSWORD") and not user:
        # Started like this, it would let everyone in.
        raise ConfigurationError("FRAMEWIRE_PASSWORD is set and FRAMEWIRE_USER is not", remedy="set both or none")
    if path is None:
        return credentials
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(
            f"cannot read credentials from {path}: {reason}", remedy="check --credentials"
        ) from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, separator, password = line.strip().partition(":")
        if not separator or not name:
            # The line itself may hold a password, so only its number is told.
            raise ConfigurationError(f"line {number} of {path} is no credential", allowed="user:password")
        credentials[name] = password
    if not credentials:
        raise ConfigurationError(
            f"{path} holds no credentials",
            allowed="lines of user:password",
            remedy="leave --credentials out to let all in",
        )
    return credentials
