"""``framewire schema``: the JSON Schema of topology files, for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from framewire.cli.output import emit
from framewire.errors import FramewireError


@click.command()
@click.option("--output", metavar="FILE", help="Write it to a file, and not to standard output.")
def schema(*, output: str | None) -> None:
    """Prints the JSON Schema of topology files.

    An editor that knows it completes names and shows what is wrong while a file is written. It cannot know everything:
    names of members in another case, parameters and how nodes are connected are for framewire validate.
    """
    from framewire.topology import topology_schema

    text = json.dumps(topology_schema(), indent=2)
    if output is None or output == "-":
        emit(text)
        return
    try:
        Path(output).write_text(text + "\n", "utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FramewireError(f"{output} cannot be written: {reason}", remedy="check --output") from None
