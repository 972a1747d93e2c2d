"""``framewire validate``: all that is wrong with a topology file, before anything opens."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from framewire.cli.output import emit
from framewire.errors import ConfigurationError

if TYPE_CHECKING:
    from framewire.topology import Loaded


@click.command()
@click.argument("file", metavar="TOPOLOGY.json")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter; may be repeated.")
@click.option("--name", metavar="TEXT", help="The live pipeline's name.  [default: the topology's]")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON document in place of lines.")
def validate(*, file: str, settings: tuple[str, ...], name: str | None, is_json: bool) -> int:
    """Lists all that is wrong or odd in TOPOLOGY.json, and opens nothing. - reads standard input.

    A parameter that has neither a default nor a --set is noted, and what depends on it is not checked.

    Exit status: 0 no errors, 1 errors, 2 wrong usage.
    """
    from framewire.topology import load_topology, read_settings

    given = read_settings(settings)
    loaded = load_topology(read_document(file), given, pipeline_name=name, may_be_unset=True)
    if is_json:
        emit(json.dumps(_as_document(file, loaded), indent=2))
    else:
        for problem in loaded.problems:
            emit(f"{_shown(file)}:{problem}")
        emit(f"{_shown(file)}: {_summary(loaded)}")
    return 1 if _count(loaded, "error") else 0


def read_document(file: str) -> str:
    """The text of a topology file; `-` stands for standard input.

    Raises:
        ConfigurationError: It cannot be read, is too long, or is no text.
    """
    from framewire.topology import MAX_CHARACTERS, decode_document

    most_bytes = 4 * MAX_CHARACTERS
    try:
        if file == "-":
            data = sys.stdin.buffer.read(most_bytes + 1)
        else:
            with open(file, "rb") as document:  # noqa: PTH123 - a path of bytes that are no UTF-8 is one, too
                data = document.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(f"{_shown(file)} cannot be read: {reason}", remedy="check the path") from None
    if len(data) > most_bytes:
        raise ConfigurationError(f"{_shown(file)} is too long for a topology", allowed=f"up to {most_bytes} bytes")
    return decode_document(data, _shown(file))


def _shown(file: str) -> str:
    """A path as it may be printed."""
    return file.encode("utf-8", "backslashreplace").decode()


def _count(loaded: Loaded, severity: str) -> int:
    return sum(problem.severity == severity for problem in loaded.problems)


def _summary(loaded: Loaded) -> str:
    errors, warnings, notes = (_count(loaded, severity) for severity in ("error", "warning", "note"))
    parts = [f"{errors or 'no'} error{'' if errors == 1 else 's'}", f"{warnings or 'no'} warning{'s'[warnings == 1 :]}"]
    if notes:
        parts.append(f"{notes} note{'s'[notes == 1 :]}")
    return ", ".join(parts)


def _as_document(file: str, loaded: Loaded) -> dict[str, object]:
    return {
        "file": _shown(file),
        "errors": _count(loaded, "error"),
        "warnings": _count(loaded, "warning"),
        "problems": [problem.to_document() for problem in loaded.problems],
    }
