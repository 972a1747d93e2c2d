"""`framewire check`: does a server keep the contract?"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import textwrap
from collections import Counter
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from framewire.cli.camera_options import Mode, check_texts
from framewire.cli.signals import on_stop
from framewire.errors import ConfigurationError, FramewireError

if TYPE_CHECKING:
    from framewire.testing.conformance import ProbeOptions, Result, Rule

_COLOURS = {"pass": "green", "fail": "red", "not shown": "yellow"}
_VERDICT_WIDTH = max(map(len, _COLOURS))


@click.command()
@click.argument("target", metavar="HOST:PORT", required=False)
@click.option(
    "--timeout", "timeout_s", default=5.0, show_default=True, metavar="SECONDS", help="Longest wait for one answer."
)
@click.option("--user", help="Name for x-ms-authentication; without it no credentials are sent.")
@click.option("--password", default="", help="Its password.")
@click.option(
    "--configuration",
    metavar="JSON",
    help="An extension_configuration that changes the server's answers; shows that it stays with its own session.",
)
@click.option(
    "--base-configuration",
    default="",
    metavar="JSON",
    help="The extension_configuration of every session, for servers that do not start without one.",
)
@click.option(
    "--shared-memory-mode",
    type=Mode(),
    default="0600",
    show_default=True,
    help="Permissions of the files in /dev/shm; 0666 when the server runs under another user id.",
)
@click.option("--rule", "names", multiple=True, metavar="NAME", help="Play this rule only; may be repeated.")
@click.option("--list", "is_list", is_flag=True, help="Name the rules and what they say, and stop.")
@click.option(
    "--json", "json_file", metavar="FILE", help="Write the verdicts to a file, too; - writes them instead of the table."
)
def check(
    *,
    target: str | None,
    timeout_s: float,
    user: str | None,
    password: str,
    configuration: str | None,
    base_configuration: str,
    shared_memory_mode: int,
    names: tuple[str, ...],
    is_list: bool,
    json_file: str | None,
) -> None:
    """Check whether a server keeps the extension contract, whoever wrote it.

    Plays every rule as a small session with the server at HOST:PORT (tcp://HOST:PORT and unix:/PATH too) and prints
    what came of it: pass, fail, or not shown when the server's answers allow no conclusion.

    Exit status: 0 no rule failed, 1 a rule failed or nobody is there, 2 wrong usage.
    """
    # The C core logs lost connections on its own; what they mean for a rule is in the table.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from framewire.testing.conformance import ProbeOptions, parse_target, select_rules

    rules = select_rules(names)
    if is_list:
        _print_rules(rules)
        return
    if target is None:
        raise click.UsageError("missing HOST:PORT, the server to check")
    if password and user is None:
        raise click.UsageError("--password is nothing without --user")
    check_texts(configuration or "", user, password)
    options = ProbeOptions(
        timeout_s=timeout_s,
        user=user,
        password=password,
        configuration=configuration,
        base_configuration=base_configuration,
        shared_memory_mode=shared_memory_mode,
    )
    # Before the rules are played: a file that cannot be written would be said too late.
    _check_writable(json_file)
    try:
        results = asyncio.run(_play(parse_target(target), options, rules, is_table_on_stderr=json_file == "-"))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise click.ClickException("interrupted") from None
    if json_file is not None:
        _write_json(json_file, target, results)
    if any(result.verdict.outcome == "fail" for result in results):
        click.get_current_context().exit(1)


async def _play(
    target: str, options: ProbeOptions, rules: tuple[Rule, ...], *, is_table_on_stderr: bool
) -> list[Result]:
    from framewire.testing.conformance import judge_server, reach

    task = asyncio.current_task()
    assert task is not None
    on_stop(task.cancel)  # files in shared memory are removed on the way out
    await reach(target, options)
    results: list[Result] = []
    table = _Table(rules, is_on_stderr=is_table_on_stderr)
    async with aclosing(judge_server(target, options, rules)) as verdicts:
        for rule in rules:
            table.begin(rule)
            try:
                result = await anext(verdicts)
            except (asyncio.CancelledError, FramewireError):
                table.abandon()
                raise
            table.end(result)
            results.append(result)
    table.close(results)
    return results


class _Table:
    """Prints rule, verdict and what was seen as they come."""

    def __init__(self, rules: tuple[Rule, ...], *, is_on_stderr: bool) -> None:
        self._is_on_stderr = is_on_stderr
        self._name_width = max(len(rule.name) for rule in rules)
        self._indent = self._name_width + _VERDICT_WIDTH + 4
        self._unplayed = 0
        self._is_terminal = (sys.stderr if is_on_stderr else sys.stdout).isatty()
        # In a file one line holds one rule; on a terminal a long line is folded under its column.
        self._width = max(shutil.get_terminal_size().columns, self._indent + 30) if self._is_terminal else 0
        self._echo(f"{'rule':{self._name_width}}  {'verdict':{_VERDICT_WIDTH}}  what was seen")

    def begin(self, rule: Rule) -> None:
        """Shows on a terminal which rule is played."""
        if self._is_terminal:
            self._echo(rule.name, is_line=False)

    def end(self, result: Result) -> None:
        """Prints what a rule came to, and after a failure the rule in words."""
        from framewire.testing.conformance import NO_SESSION

        self._clear_line()
        if result.verdict.seen == NO_SESSION:
            self._unplayed += 1
            return
        outcome = result.verdict.outcome.value
        is_failure = outcome == "fail"
        verdict = click.style(f"{outcome:{_VERDICT_WIDTH}}", fg=_COLOURS[outcome], bold=is_failure or None)
        self._echo(f"{result.rule.name:{self._name_width}}  {verdict}  {self._folded(result.verdict.seen)}")
        if is_failure:
            self._echo(" " * self._indent + click.style(self._folded(result.rule.sentence), dim=True))

    def close(self, results: list[Result]) -> None:
        """Prints how many rules came to what."""
        if self._unplayed:
            self._echo(f"{self._unplayed} rules were not played: no session can be opened")
        counts = Counter(result.verdict.outcome.value for result in results)
        self._echo(f"{counts['pass']} passed, {counts['fail']} failed, {counts['not shown']} not shown")

    def abandon(self) -> None:
        """Takes back the name of a rule that will not end."""
        self._clear_line()

    def _clear_line(self) -> None:
        if self._is_terminal:
            self._echo("\r\x1b[K", is_line=False)

    def _folded(self, text: str) -> str:
        if not self._width:
            return text
        lines = textwrap.wrap(text, self._width - self._indent, break_on_hyphens=False)
        return ("\n" + " " * self._indent).join(lines)

    def _echo(self, text: str, *, is_line: bool = True) -> None:
        click.echo(text, nl=is_line, err=self._is_on_stderr)


def _print_rules(rules: tuple[Rule, ...]) -> None:
    width = max(len(rule.name) for rule in rules)
    for rule in rules:
        click.echo(f"{rule.name:{width}}  {rule.section:>2}  {rule.sentence}")


def _write_json(file: str, target: str, results: list[Result]) -> None:
    counts = Counter(result.verdict.outcome.value for result in results)
    document = {
        "target": target,
        "passed": counts["pass"],
        "failed": counts["fail"],
        "notShown": counts["not shown"],
        "rules": [
            {
                "rule": result.rule.name,
                "section": result.rule.section,
                "sentence": result.rule.sentence,
                "verdict": result.verdict.outcome.value,
                "seen": result.verdict.seen,
            }
            for result in results
        ],
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if file == "-":
        click.echo(text)
    else:
        Path(file).write_text(text + "\n", encoding="utf-8")


def _check_writable(file: str | None) -> None:
    if file is None or file == "-":
        return
    try:
        Path(file).open("a", encoding="utf-8").close()
    except OSError as error:
        raise ConfigurationError(f"--json {file} cannot be written: {error.strerror}") from None
