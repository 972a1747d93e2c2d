"""Does a server keep the contract? Every rule is a small session with it, whoever wrote it and in what language."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from framewire.errors import ConfigurationError, FramewireError, PeerError
from framewire.model.format import VideoFormat
from framewire.testing.probe import Probe, ProbeOptions, SessionEndedError, parse_target
from framewire.testing.rules import cameras, configuration, formats, frames, handles, handshake, order, transfer
from framewire.testing.rules.picture import RGB24, USUAL_FORMATS
from framewire.testing.rules.rule import NotShownError, Outcome, Rule, Verdict, entered, failed, not_shown

__all__ = [
    "NO_SESSION",
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


NO_SESSION = "no session can be opened"
"""What is seen of rules that cannot be played at all."""

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
    async with Probe(target, options, RGB24) as probe:
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
    rules = table() if rules is None else rules
    video_format, obstacle = await _first_session(target, options)
    last_there = ""
    for index, rule in enumerate(rules):
        if obstacle and index > 0 and rule.check not in _WITHOUT_SESSION:
            # One failure is enough, and a silent server would keep every rule waiting.
            yield Result(rule, not_shown(NO_SESSION))
            continue
        async with Probe(target, options, video_format) as probe:
            try:
                await probe.reach()
                if obstacle and rule.check not in _WITHOUT_SESSION:
                    verdict = failed(obstacle)
                else:
                    verdict = await _verdict(rule, probe)
                last_there = rule.name
            except PeerError as error:
                verdict = failed(f"{error}; it was last there for {last_there}" if last_there else str(error))
        yield Result(rule, verdict)


_WITHOUT_SESSION = (handshake.handshake, handshake.credentials)
"""Rules that say what is wrong when no session can be opened."""


async def _first_session(target: str, options: ProbeOptions) -> tuple[VideoFormat, str]:
    """The first usual format that the server takes; when there is none, the first one, and why it is not taken."""
    obstacle = ""
    for video_format in USUAL_FORMATS:
        async with Probe(target, options, video_format) as probe:
            try:
                async with probe.session():
                    return video_format, ""
            except SessionEndedError as ended:
                if ended.status.code == "UNAUTHENTICATED":
                    # No fault of the server, and nothing can be shown from outside.
                    raise PeerError(
                        f"{target} does not let us in: {ended.status}",
                        status="UNAUTHENTICATED",
                        remedy="give its --user and --password",
                    ) from None
                obstacle = obstacle or f"{NO_SESSION}: {ended}"
            except FramewireError as error:
                obstacle = obstacle or f"{NO_SESSION}: {error}"
                break
    return USUAL_FORMATS[0], obstacle


async def _verdict(rule: Rule, probe: Probe) -> Verdict:
    try:
        return await rule.check(probe)
    except NotShownError as error:
        return not_shown(str(error))
    except FramewireError as error:
        return failed(str(error))
