"""The long checks in one run: ``python tests/soak/soak.py``, or some of them by name.

The exit status is 1 when something is not as it may be.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

from deaths_check import server_deaths, worker_deaths
from frames_check import soak
from overload_check import overload
from soak_document import renew
from verdicts import Report

_SIZES = ("seconds", "frames", "sessions", "rounds")

_FIGURES = Path(__file__).parents[2] / "docs" / "benchmarks" / "soak.json"

_Check = Callable[[], Coroutine[None, None, Report]]


def main() -> int:
    """Runs what the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(description="The long checks of the server. All of them take about 16 minutes.")
    parser.add_argument("checks", nargs="*", help="overload, soak, deaths, or longer names; all when none is named")
    parser.add_argument("--seconds", type=float, default=300, help="of each overload (default 300)")
    parser.add_argument("--frames", type=int, default=200_000, help="with threads; half of it with each other executor")
    parser.add_argument("--sessions", type=int, default=2_000, help="cut off for each executor (default 2000)")
    parser.add_argument("--rounds", type=int, default=20, help="of worker deaths (default 20)")
    parser.add_argument("--seed", type=int, default=None, help="of chance; default: another each time, printed")
    parser.add_argument("--write", action="store_true", help="renew these checks in docs/benchmarks/soak.md")
    chosen = parser.parse_args()
    if chosen.write and any(getattr(chosen, name) != parser.get_default(name) for name in _SIZES):
        parser.error(f"--write is for checks of full size: without --{', --'.join(_SIZES)}")
    seed = random.SystemRandom().randrange(1_000_000) if chosen.seed is None else chosen.seed
    table: dict[str, _Check] = {
        "overload-wait": lambda: overload("wait", chosen.seconds, settle_s=chosen.seconds / 10),
        "overload-latest": lambda: overload("latest", chosen.seconds, settle_s=chosen.seconds / 10),
        "soak-threads": lambda: soak("threads", chosen.frames, chosen.sessions, seed),
        "soak-inline": lambda: soak("inline", chosen.frames // 2, chosen.sessions, seed),
        "soak-processes": lambda: soak("processes", chosen.frames // 2, chosen.sessions, seed),
        "deaths-of-workers": lambda: worker_deaths(chosen.rounds, seed),
        "deaths-of-servers": lambda: server_deaths(min(3, chosen.rounds)),
    }
    for begin in chosen.checks:
        if not any(name.startswith(begin) for name in table):
            parser.error(f"no check begins with {begin!r}; there are {', '.join(table)}")
    print(f"seed {seed}", flush=True)
    reports: list[Report] = []
    for name, check in table.items():
        if chosen.checks and not name.startswith(tuple(chosen.checks)):
            continue
        report = _reported(name, check)
        print(f"\n{report}", flush=True)
        reports.append(report)
        if chosen.write:
            renew(_FIGURES, report, seed)
    broken = [f"{report.title}: {finding}" for report in reports for finding in report.broken]
    print("\n" + ("\n".join(["not as it may be:", *broken]) if broken else "everything is as it may be"))
    return 1 if broken else 0


def _reported(name: str, check: _Check) -> Report:
    began_s = time.monotonic()
    try:
        report = asyncio.run(check())
    except Exception as error:
        # The other checks still have something to say.
        report = Report(name, "did not come to its end")
        causes = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
        report.tell("error", "; ".join(f"{type(cause).__name__}: {cause}" for cause in causes), "none", is_kept=False)
    report.tell("took", f"{time.monotonic() - began_s:.0f} s")
    return report


if __name__ == "__main__":
    sys.exit(main())
