"""``framewire serve``: the extension server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from framewire.cli.logs import LEVELS, configure_logging
from framewire.cli.settings import KeyValue, Setting, gather, read_file, setting, table
from framewire.errors import ConfigurationError


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
    if show_config:
        click.echo(table(settings))
        return 0
    return asyncio.run(_serve(settings))


async def _serve(settings: dict[str, Setting]) -> int:
    import cv2

    from framewire.processors.catalogue import Catalogue
    from framewire.processors.options import parse_option
    from framewire.server import Server, ServerOptions

    # Workers are the parallelism; threads of OpenCV beneath them only get in each other's way.
    cv2.setNumThreads(1)
    values = {name: setting.value for name, setting in settings.items()}
    options = ServerOptions(
        host=values["host"],
        port=values["port"],
        batch_size=values["batch_size"],
        batch_wait_ms=values["batch_wait"],
        batch_reply=values["batch_reply"],
        max_message_mib=values["max_message"],
        max_frame_mib=values["max_frame"],
        max_sessions=values["max_sessions"],
        max_bad_frames=values["max_bad_frames"],
        max_in_flight=values["max_in_flight"],
        max_in_flight_mib=values["max_in_flight_mib"],
        max_total_in_flight=values["max_total_in_flight"],
        max_total_in_flight_mib=values["max_total_in_flight_mib"],
        strict_configuration=values["strict_configuration"],
        shared_memory_read=values["shared_memory_read"],
        drain_timeout_s=values["drain_timeout"],
        credentials=_credentials(values["credentials"]),
    )
    catalogue = Catalogue()
    processor = catalogue.load(values["processor"])
    server = Server(options, processor, dict(parse_option(text) for text in values["option"]), catalogue)
    stop = _stop_on_signals()
    starting = asyncio.ensure_future(server.start())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        # Told to stop while a model loads: nothing has been served, so there is nothing to drain.
        os._exit(0)
    starting.result()
    # The line that scripts wait for: nothing before it, nothing behind it.
    print(f"listening on {server.address}", file=sys.stderr, flush=True)
    await stopping
    print(f"draining: {server.sessions} sessions, {server.frames_in_flight} frames in flight", file=sys.stderr)
    is_drained = await server.drain()
    await server.stop()
    if not is_drained:
        print(
            f"framewire: frames in flight were not answered within {options.drain_timeout_s:g} s; "
            "give them longer with --drain-timeout",
            file=sys.stderr,
        )
    return 0 if is_drained else 1


def _stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; a second signal ends the process at once."""
    stop = asyncio.Event()

    def receive() -> None:
        if stop.is_set():
            print("framewire: second signal, exiting now", file=sys.stderr, flush=True)
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, receive)
    return stop


def _credentials(path: Path | None) -> dict[str, str]:
    user = os.environ.get("FRAMEWIRE_USER")
    credentials = {user: os.environ.get("FRAMEWIRE_PASSWORD", "")} if user else {}
    if path is None:
        return credentials
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"cannot read credentials from {path}: {reason}") from None
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
