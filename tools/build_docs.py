"""Rebuilds what is generated in README.md and docs/: snippets from examples/, tables from the commands.

In a page, ``<!-- file: examples/x.py -->`` before a fenced block fills the block with that file, and
``<!-- file: examples/x.py#name -->`` with the lines between ``# region: name`` and ``# endregion: name``. Between
``<!-- generated: name -->`` and ``<!-- end: name -->`` stands what the function of that name in GENERATORS writes.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import click

ROOT = Path(__file__).resolve().parent.parent

_SNIPPET = re.compile(
    r"(?P<head><!-- file: (?P<path>[^#\s]+)(?:#(?P<region>\S+))? -->\n```\w+\n)(?P<body>.*?)(?P<tail>^```$)",
    re.DOTALL | re.MULTILINE,
)
_GENERATED = re.compile(
    r"(?P<head><!-- generated: (?P<name>\S+) -->\n)(?P<body>.*?)(?P<tail><!-- end: (?P=name) -->)", re.DOTALL
)
_SAID_DEFAULT = re.compile(r"\s*\[default: (.+?)\]$")
_MARKER = re.compile(r"^\s*# (end)?region: \S+\n", re.MULTILINE)


def pages() -> list[Path]:
    """All pages, README first."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def snippet(path: str, region: str | None) -> str:
    """A file, or a marked region of it without the indentation that its lines share."""
    text = (ROOT / path).read_text("utf-8")
    if region is None:
        return _MARKER.sub("", text)
    found = re.search(rf"^ *# region: {region}\n(.*?)^ *# endregion: {region}$", text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"{path} has no region {region!r}")
    return dedent(_MARKER.sub("", found[1])).strip("\n") + "\n"


def build(page: str) -> str:
    """A page with its generated parts made anew."""
    page = _SNIPPET.sub(lambda match: match["head"] + snippet(match["path"], match["region"]) + match["tail"], page)
    return _GENERATED.sub(lambda match: f"{match['head']}\n{GENERATORS[match['name']]()}\n{match['tail']}", page)


def serve_options() -> str:
    """The options of ``framewire serve``, with their variables."""
    from framewire.cli.serve import serve

    return _table(
        ("option", "variable", "default", "what it does"),
        [
            (_flags(option), f"`{option.envvar}`" if option.envvar else "", _default(option), _help(option))
            for option in _options(serve)
        ],
    )


def send_options() -> str:
    """The options of ``framewire send``."""
    from framewire.cli.send import send

    return _options_table(send)


def check_options() -> str:
    """The options of ``framewire check``."""
    from framewire.cli.check import check

    return _options_table(check)


def bench_options() -> str:
    """The options of ``framewire bench``."""
    from framewire.cli.bench import bench

    return _options_table(bench)


def runner_options() -> str:
    """The options of ``framewire runner``."""
    from framewire.cli.runner import runner

    return _options_table(runner)


def run_options() -> str:
    """The options of ``framewire run``."""
    from framewire.cli.run import run

    return _options_table(run)


def validate_options() -> str:
    """The options of ``framewire validate``."""
    from framewire.cli.validate import validate

    return _options_table(validate)


def rules() -> str:
    """The rules that ``framewire check`` plays."""
    from framewire.testing.conformance import table

    return _table(
        ("rule", "what it says"),
        [(f"`{rule.name}`", " ".join((inspect.getdoc(rule.check) or "").split())) for rule in table()],
    )


def processors() -> str:
    """The built-in processors and their options."""
    from framewire.processors.catalogue import Catalogue

    catalogue = Catalogue()
    rows = []
    for name in catalogue.names():
        if catalogue.origin(name) != "framewire":
            continue
        kind = catalogue.find(name)
        options = [
            f"`{field.name}` ({field.default:g}): {field.metadata['doc']}"
            for field in dataclasses.fields(kind.factory.Options)
        ]
        rows.append((f"`{name}`", (inspect.getdoc(kind.factory) or "").splitlines()[0], "<br>".join(options)))
    return _table(("name", "what it does", "options (default)"), rows)


GENERATORS: dict[str, Callable[[], str]] = {
    "serve-options": serve_options,
    "send-options": send_options,
    "check-options": check_options,
    "bench-options": bench_options,
    "run-options": run_options,
    "runner-options": runner_options,
    "validate-options": validate_options,
    "rules": rules,
    "processors": processors,
}


def _options(command: click.Command) -> list[click.Option]:
    return [item for item in command.params if isinstance(item, click.Option) and "--help" not in item.opts]


def _options_table(command: click.Command) -> str:
    return _table(
        ("option", "default", "what it does"),
        [(_flags(option), _default(option), _help(option)) for option in _options(command)],
    )


def _flags(option: click.Option) -> str:
    flags = ", ".join(f"`{flag}`" for flag in option.opts)
    if option.is_flag:
        return flags
    if isinstance(option.type, click.Choice):
        return f"{flags} {' '.join(f'`{choice}`' for choice in option.type.choices)}"
    return f"{flags} {option.metavar or option.type.name.upper()}"


def _default(option: click.Option) -> str:
    # Where the help names a default in its words, click knows none.
    if said := _SAID_DEFAULT.search(option.help or ""):
        return f"`{said[1]}`" if " " not in said[1] else said[1]
    if isinstance(option.show_default, str):
        return f"`{option.show_default}`"
    if option.is_flag or not option.show_default or option.default in (None, ""):
        return ""
    return f"`{option.default:g}`" if isinstance(option.default, float) else f"`{option.default}`"


def _help(option: click.Option) -> str:
    return " ".join(_SAID_DEFAULT.sub("", option.help or "").split())


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in lines)


def main() -> int:
    """Rebuilds, or with ``--check`` says what is stale; answers the exit code."""
    parser = argparse.ArgumentParser(description="Rebuild the generated parts of README.md and docs/.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a page is stale")
    is_checking = parser.parse_args().check
    stale = []
    for path in pages():
        before = path.read_text("utf-8")
        after = build(before)
        if after == before:
            continue
        stale.append(path.relative_to(ROOT))
        if not is_checking:
            path.write_text(after, "utf-8")
    for path in stale:
        print(f"{path} is stale; run make docs" if is_checking else f"{path} rebuilt", file=sys.stderr)
    return 1 if is_checking and stale else 0


if __name__ == "__main__":
    sys.exit(main())
