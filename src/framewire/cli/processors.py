"""``framewire processors``: what is installed, with each one's options."""

from __future__ import annotations

import dataclasses
import inspect

import click

from framewire.errors import ConfigurationError


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME|FILE.py:CLASS]...")
def processors(names: tuple[str, ...]) -> int:
    """Lists the processors that are installed, or the ones named, with their options."""
    from framewire.processors.catalogue import Catalogue

    catalogue = Catalogue()
    is_broken = False
    for name in names or catalogue.names():
        try:
            kind = catalogue.load(name)
        except ConfigurationError as error:
            if names:
                raise
            # A third party's broken package must not hide the others.
            is_broken = True
            click.echo(f"{click.style(name, bold=True)}\n    cannot be used: {error}\n")
            continue
        origin = "" if ":" in name else f"  ({catalogue.origin(name)})"
        click.echo(click.style(name, bold=True) + origin)
        summary = inspect.cleandoc(kind.factory.__doc__ or "No description.")
        click.echo(f"    {summary.splitlines()[0]}")
        if kind.takes_any_configuration:
            click.echo("    A process_images class: it has no options and takes any extension configuration.")
        for field in dataclasses.fields(kind.factory.Options):
            type_name = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", field.type)
            doc = field.metadata.get("doc", "")
            default = "required" if field.default is dataclasses.MISSING else f"default {field.default}"
            click.echo(f"    --option {field.name}=<{type_name}>  {doc}{'; ' if doc else ''}{default}")
        click.echo()
    return 1 if is_broken else 0
