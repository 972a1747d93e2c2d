"""What a rule is, and the verdicts on it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from framewire.errors import FramewireError
from framewire.testing.probe import Probe


class Outcome(StrEnum):
    """What a rule came to."""

    PASS = "pass"
    FAIL = "fail"
    NOT_SHOWN = "not shown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule came to, and why.

    Args:
        outcome: ``pass``, ``fail``, or ``not shown`` when the server's answers allow no conclusion.
        seen: One line with the numbers.
    """

    outcome: Outcome
    seen: str


def passed(seen: str) -> Verdict:
    """The rule is kept."""
    return Verdict(Outcome.PASS, seen)


def failed(seen: str) -> Verdict:
    """The rule is broken."""
    return Verdict(Outcome.FAIL, seen)


def not_shown(seen: str) -> Verdict:
    """The server's answers allow no conclusion."""
    return Verdict(Outcome.NOT_SHOWN, seen)


class NotShownError(FramewireError):
    """Raised from the depth of a rule: no conclusion can be drawn."""


Check: TypeAlias = Callable[[Probe], Coroutine[Any, Any, Verdict]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the contract and the session that shows whether it is kept.

    Args:
        name: What users call it.
        section: Where the contract has it.
        sentence: The rule in words.
        check: Plays the session.
    """

    name: str
    section: str
    sentence: str
    check: Check


_table: dict[str, Rule] = {}


def rule(name: str, *, section: str) -> Callable[[Check], Check]:
    """Enters a function in the table of rules; its docstring is the rule's sentence."""

    def enter(check: Check) -> Check:
        assert name not in _table, f"two rules are called {name}"
        _table[name] = Rule(name, section, " ".join((inspect.getdoc(check) or "").split()), check)
        return check

    return enter


def entered() -> tuple[Rule, ...]:
    """All rules of the families that are imported."""
    return tuple(_table.values())
