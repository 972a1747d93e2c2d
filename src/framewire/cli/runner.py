"""``framewire runner``: keeps many live pipelines going."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from framewire.cli.output import say
from framewire.cli.signals import end_on_interrupt, stopping_on_signals
from framewire.errors import ConfigurationError


@click.command()
@click.option("--data", required=True, type=click.Path(file_okay=False), help="Keeps topologies and pipelines.")
@click.option("--port", type=int, default=8080, show_default=True, help="Of the API; 0 for a free one.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Of the API; beyond this machine it needs a token."
)
@click.option("--token-file", type=click.Path(dir_okay=False), help="Holds the bearer token; or FRAMEWIRE_TOKEN.")
@click.option("--module", default="avaedge", show_default=True, help="The module's name in the subjects of messages.")
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="-|FILE|mqtt://BROKER/PREFIX",
    help="Where messages go; may be repeated.  [default: -, stdout]",
)
@click.option(
    "--mqtt",
    "broker",
    metavar="mqtt://BROKER/PREFIX",
    help="Takes methods at PREFIX/rpc/METHOD and messages at PREFIX/inputs/HUBINPUTNAME, too.",
)
@click.option(
    "--trusted-certificates",
    type=click.Path(dir_okay=False),
    help="A PEM file with the authorities that may vouch for mqtts:// brokers.  [default: the system's]",
)
@click.option("--allow-files", type=click.Path(file_okay=False), help="Sources may be files or devices below it.")
def runner(**arguments: Any) -> int:  # click's; each is typed by its option
    """Keeps live pipelines going, each in a process of its own, and takes the direct methods over HTTP.

    POST /api/methods/{name} calls one; GET /docs lists them. What was active is active again after a restart.
    """
    end_on_interrupt()
    return asyncio.run(_run(**arguments))


async def _run(
    *,
    data: str,
    port: int,
    host: str,
    token_file: str | None,
    module: str,
    outputs: tuple[str, ...],
    broker: str | None,
    trusted_certificates: str | None,
    allow_files: str | None,
) -> int:
    from framewire.hub import open_publisher, parse_broker
    from framewire.runner.api import ApiOptions
    from framewire.runner.service import RunnerOptions, run_service

    certificates = certificates_for(trusted_certificates, (*outputs, *([broker] if broker is not None else ())))
    options = RunnerOptions(
        Path(data),
        ApiOptions(host, port, read_token(token_file)),
        module,
        Path(allow_files) if allow_files is not None else None,
        parse_broker(broker) if broker is not None else None,
        certificates,
    )
    publishers = [
        open_publisher(
            output,
            outbox_folder=Path(data) / "outbox" if "://" in output else None,
            trusted_certificates=certificates,
            note=say,
        )
        for output in outputs or ("-",)
    ]
    stop = asyncio.Event()
    with stopping_on_signals(stop):
        await run_service(options, publishers, stop, say)
    return 0


def certificates_for(path: str | None, addresses: Sequence[str]) -> Path | None:
    """The file with the authorities of brokers.

    Raises:
        ConfigurationError: None of the addresses is encrypted, so that nothing would be checked by it.
    """
    if path is None:
        return None
    if not any(address.lower().startswith("mqtts:") for address in addresses):
        raise ConfigurationError(
            "--trusted-certificates is given, and no broker is encrypted", remedy="write mqtts:// in its address"
        )
    return Path(path)


def read_token(path: str | None) -> str | None:
    """The bearer token of a file, or of FRAMEWIRE_TOKEN; None when there is none.

    Raises:
        ConfigurationError: The file cannot be read, or is empty.
    """
    if path is None:
        return os.environ.get("FRAMEWIRE_TOKEN") or None
    try:
        token = Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise ConfigurationError(f"the token file {path} cannot be read: {reason}") from None
    if not token:
        raise ConfigurationError(f"the token file {path} is empty")
    return token
