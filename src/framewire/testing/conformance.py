"""Does a server keep the contract? Every rule is a small session with it, whoever wrote it and in what language."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from framewire.errors import ConfigurationError, FramewireError, PeerError
from framewire.testing.probe import Probe, ProbeOptions, parse_target
from framewire.testing.rules import cameras, configuration, formats, frames, handles, handshake, order, transfer
from framewire.testing.rules.rule import NotShownError, Outcome, Rule, Verdict, entered, failed, not_shown

__all__ = [
    "Outcome",
    "ProbeOptions",
    "Result",
    "Rule",
    "Verdict",
    "judge_server",
    "parse_target",
    "reach",
    "select_rules",
    "table",
]


# The plain rules first: who breaks those breaks others with them.
_FAMILIES = (handshake, order, frames, transfer, handles, formats, configuration, cameras)


@dataclass(frozen=True, slots=True)
class Result:
    """A rule and what it came to."""

    rule: Rule
    verdict: Verdict


def table() -> tuple[Rule, ...]:
    """All rules, family by family."""
    return tuple(rule for family in _FAMILIES for rule in entered() if rule.check.__module__ == family.__name__)


def select_rules(names: Sequence[str]) -> tuple[Rule, ...]:
    """The named rules in the table's order; all of them when no name is given.

    Raises:
        ConfigurationError: There is no rule of that name.
    """
    known = {rule.name for rule in table()}
    for name in names:
        if name not in known:
            raise ConfigurationError(f"there is no rule {name!r}", remedy="--list names them all")
    return tuple(rule for rule in table() if not names or rule.name in names)


async def reach(target: str, options: ProbeOptions) -> None:
    """Raises PeerError when nobody is there."""
    async with Probe(target, options) as probe:
        await probe.reach()


async def judge_server(
    target: str, options: ProbeOptions | None = None, rules: Sequence[Rule] | None = None
) -> AsyncGenerator[Result]:
    """Plays one rule after the other, each over connections of its own.

    Args:
        target: ``host:port`` or ``unix:/path``.
        options: How the server is probed.
        rules: Which rules; None plays all.

    Yields:
        Each rule with its verdict as soon as it is known. A server that stays silent or dies gives verdicts, too.
    """
    options = options or ProbeOptions()
    lost_in = ""
    for rule in table() if rules is None else rules:
        async with Probe(target, options) as probe:
            try:
                await probe.reach()
            except PeerError as error:
                yield Result(rule, failed(f"{error}; it was last there for {lost_in}" if lost_in else str(error)))
                continue
            lost_in = rule.name
            verdict = await _verdict(rule, probe)
        yield Result(rule, verdict)


async def _verdict(rule: Rule, probe: Probe) -> Verdict:
    try:
        return await rule.check(probe)
    except NotShownError as error:
        return not_shown(str(error))
    except FramewireError as error:
        return failed(str(error))
