"""``framewire demo``: a server, a camera, and every answer compared with what is known to be right."""

from __future__ import annotations

import click


@click.command()
@click.argument("source", required=False)
def demo(source: str | None) -> int:
    """Shows it work: starts a server, streams a clip through it, checks every answer, stops."""
    raise click.UsageError("not yet")
