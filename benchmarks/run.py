"""framewire beside its peers, in one run, alternating. Called by ``make bench``.

    python benchmarks/run.py --write              everything, into docs/benchmarks
    python benchmarks/run.py --quick              a look: two short rounds, printed only
    python benchmarks/run.py --list               the names of subjects and cells

Each peer is installed into an environment of its own below .bench/, once. Every server is asked for a dark and a
light frame before it is timed, and is held still (SIGSTOP) while it is another's turn. Of a JPEG all of them, the floor
too, decode the luma alone. What a millisecond of work is, is measured before the run and again around each cell that
depends on it; when these differ by more than 5 %, the document says so and does not judge by an ideal.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import datetime
import gc
import json
import os
import platform
import shlex
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Read when grpc is loaded, which else tells of every server that goes away.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

import environments
import report
from calibration import MOST_DRIFT, Calibration, calibrate, record
from cells import IN_FLIGHT, OPEN_LOOP, OPEN_LOOP_SHARE, SMALL_SHARED, Cell, all_cells
from load import Window, check, measure
from stages import stage_table
from subjects import SUBJECTS, Instance

SCRATCH = environments.PLACE / "results"
WARM_UP_S = 1.0
RECOVERY_S = 3.0


class Fleet:
    """The running servers: started when they are first needed, ended when no later cell needs them.

    Args:
        calibration: Sizes their work.
        runner: The one event loop of all loads; grpc takes it ill when loops come and go.
    """

    def __init__(self, calibration: Calibration, runner: asyncio.Runner) -> None:
        self.calibration = calibration
        self.runner = runner
        self._running: dict[str, Instance] = {}
        self._broken: dict[str, str] = {}
        self.idle_cpu_s: dict[str, float] = {}

    def start(self, name: str, cell: Cell) -> Instance:
        """The server for a cell, held still; RuntimeError when it cannot be had."""
        key = _instance_key(name, cell)
        if key in self._broken:
            # It takes minutes to find that out again for each cell.
            raise RuntimeError(self._broken[key])
        if key not in self._running:
            try:
                self._running[key] = Instance(name, cell.work, self.calibration)
            except RuntimeError as error:
                self._broken[key] = str(error)
                raise
        return self._running[key]

    def recover(self, name: str, cell: Cell) -> None:
        """Lets a server that has failed run for a while with nothing to do."""
        instance = self._running.get(_instance_key(name, cell))
        if instance is not None:
            instance.resume()
            time.sleep(RECOVERY_S)  # it is given time, not waited for: there is nothing to ask
            instance.hold()

    def end(self, name: str, cell: Cell) -> None:
        """Ends a server that has failed, so that the next cell starts a fresh one."""
        self._end(_instance_key(name, cell))

    def keep_only(self, coming: list[tuple[str, Cell]]) -> None:
        """Ends the servers that none of the coming turns needs."""
        needed = {_instance_key(name, cell) for name, cell in coming}
        for key in [key for key in self._running if key not in needed]:
            self._end(key)

    def _end(self, key: str) -> None:
        instance = self._running.pop(key, None)
        if instance is not None:
            name = key.partition("|")[0]
            self.idle_cpu_s[name] = self.idle_cpu_s.get(name, 0.0) + instance.idle_cpu_s
            instance.end()


def _instance_key(name: str, cell: Cell) -> str:
    return f"{name}|{cell.work}" if SUBJECTS[name].has_variants else name


@contextlib.contextmanager
def fleet_of(calibration: Calibration) -> Iterator[Fleet]:
    with asyncio.Runner() as runner:
        fleet = Fleet(calibration, runner)
        try:
            yield fleet
        finally:
            fleet.keep_only([])


def words(error: BaseException) -> str:
    """An error in one line, as its author put it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    details = getattr(error, "details", None)
    code = getattr(error, "code", None)
    if callable(details) and callable(code):
        return f"{code().name}: {details()}"
    if isinstance(error, TimeoutError) and not str(error):
        return "its answers stay away"
    return " ".join(str(error).split()) or type(error).__name__


def run_cell(fleet: Fleet, cell: Cell, rounds: int, window: Window) -> dict[str, Any]:
    """All rounds of a cell: figures by subject, or why there are none."""
    found: dict[str, Any] = {}
    for name in cell.subjects:
        try:
            instance = fleet.start(name, cell)
            instance.resume()
            try:
                fleet.runner.run(within(20, check(instance.client, cell)))
            finally:
                instance.hold()
        except Exception as error:  # whatever keeps a peer from a cell is a result of it
            found[name] = {"cannot": words(error)}
            print(f"  {SUBJECTS[name].title} cannot: {words(error)}", flush=True)
        else:
            found[name] = {"rounds": [], "failures": []}
    for number in range(rounds):
        order = [name for name in found if "cannot" not in found[name]]
        # Each takes each place in turn, so that the machine's moods and its neighbours' heat hit all alike.
        order = order[number % len(order) :] + order[: number % len(order)] if order else []
        for name in order:
            run_round(fleet, name, cell, window, found[name])
    return found


def run_cell_calibrated(fleet: Fleet, cell: Cell, rounds: int, window: Window) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same, and for work of a given length how fast the machine was when that was set, before and after."""
    if cell.work == "intensity":
        return run_cell(fleet, cell, rounds, window), {}
    before = calibrate()
    found = run_cell(fleet, cell, rounds, window)
    pace = record(cell.work, [fleet.calibration, before, calibrate()])
    if pace["drift"] > MOST_DRIFT:
        print(f"  the machine did not keep its pace: calibrations differ by {pace['drift']:.0%}", flush=True)
    return found, pace


def run_round(fleet: Fleet, name: str, cell: Cell, window: Window, result: dict[str, Any]) -> None:
    """One round of one server; it gets a second try as it is, and a third one started afresh."""
    for is_last_of_instance in (False, True, True):
        try:
            instance = fleet.start(name, cell)
            instance.resume()
            try:
                measured = fleet.runner.run(measure(instance.client, instance.tree, cell, window))
            finally:
                instance.hold()
        except Exception as error:  # see above
            result["failures"].append(words(error))
            print(f"  {SUBJECTS[name].title} failed: {words(error)}", flush=True)
            if is_last_of_instance:
                fleet.end(name, cell)
            else:
                # HAProxy, for one, goes away for a moment when Ray gives it another configuration.
                fleet.recover(name, cell)
        else:
            result["rounds"].append(dataclasses.asdict(measured))
            # Channels lie in reference cycles; collected now, they take no time of the next round.
            gc.collect()
            return
    result["cannot"] = result["failures"][-1]


async def within(seconds: float, work: Any) -> None:
    async with asyncio.timeout(seconds):
        await work


def show(cell: Cell, found: dict[str, Any]) -> None:
    """One line per subject, while the run goes on."""
    for name, result in found.items():
        if "cannot" not in result and result["rounds"]:
            middle = {
                field: statistics.median(one[field] for one in result["rounds"])
                for field in ("frames_per_second", "p50_ms", "p99_ms", "server_cpu_ms", "client_cpu_ms")
            }
            print(
                f"  {SUBJECTS[name].title:24} {middle['frames_per_second']:8.1f} frames/s  "
                f"p50 {middle['p50_ms']:8.2f} ms  p99 {middle['p99_ms']:8.2f} ms  "
                f"CPU {middle['server_cpu_ms']:7.3f} ms/frame  (client {middle['client_cpu_ms']:.3f})",
                flush=True,
            )


def offered(results: list[dict[str, Any]], fleet: Fleet, cells: list[Cell], seconds: float) -> float:
    """Frames/s of the open loop: a share of what the floor does in the closed one."""
    for result in results:
        if result["name"] == SMALL_SHARED and result["streams"] == 16:
            rounds = result["subjects"].get("floor", {}).get("rounds")
            if rounds:
                return OPEN_LOOP_SHARE * statistics.median(one["frames_per_second"] for one in rounds)
    closed = next(cell for cell in cells if cell.name == SMALL_SHARED and cell.streams == 16)
    floor = fleet.start("floor", closed)
    floor.resume()
    measured = fleet.runner.run(measure(floor.client, floor.tree, closed, Window(seconds, WARM_UP_S)))
    floor.hold()
    return OPEN_LOOP_SHARE * measured.frames_per_second


def machine() -> str:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each cell (5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each round after its warm-up (3)")
    parser.add_argument("--quick", action="store_true", help="two rounds of 1.5 s")
    parser.add_argument("--only", default="", help="subjects, comma-separated; see --list")
    parser.add_argument("--cells", default="", help="cells whose name holds one of these texts, separated by ;")
    parser.add_argument("--write", action="store_true", help="write results, tables and plots under docs/benchmarks")
    parser.add_argument(
        "--report", action="store_true", help="only make tables and plots again, from the results there"
    )
    parser.add_argument("--list", action="store_true", help="name subjects and cells")
    return parser.parse_args()


def choose(given: argparse.Namespace) -> list[Cell]:
    """The cells and, in them, the subjects that were asked for."""
    only = [name for name in given.only.split(",") if name]
    for name in only:
        if name not in SUBJECTS:
            raise SystemExit(f"there is no subject {name!r}; --only takes {', '.join(SUBJECTS)}")
    texts = [text for text in given.cells.split(";") if text]
    chosen = []
    for cell in all_cells():
        subjects = tuple(name for name in cell.subjects if not only or name in only)
        if subjects and (not texts or any(text in cell.key for text in texts)):
            chosen.append(dataclasses.replace(cell, subjects=subjects))
    if not chosen:
        raise SystemExit("no cell is left; --list names all of them")
    return chosen


def main() -> None:
    given = arguments()
    if given.list:
        print("subjects:", *SUBJECTS, sep="\n  ")
        print("cells:", *(cell.key for cell in all_cells()), sep="\n  ")
        return
    if given.report:
        report.write(json.loads((report.DOCUMENTS / "peers.json").read_text()), report.DOCUMENTS)
        return
    if given.quick:
        given.rounds, given.seconds = 2, 1.5
    chosen = choose(given)
    started = time.monotonic()
    print("calibrating", flush=True)
    calibration = calibrate()
    print(
        f"in a millisecond a core makes {calibration.rounds_per_ms:.0f} rounds of hashing or "
        f"{calibration.turns_per_ms:.0f} turns of a Python loop",
        flush=True,
    )
    results: dict[str, Any] = {
        "made": datetime.date.today().isoformat(),
        "command": shlex.join(["python", "benchmarks/run.py", *sys.argv[1:]]),
        "machine": machine(),
        "python": platform.python_version(),
        "load_at_start": os.getloadavg()[0],
        "rounds": given.rounds,
        "seconds": given.seconds,
        "in_flight": IN_FLIGHT,
        "stages": stage_table(),
        "calibration": dataclasses.asdict(calibration),
        "floor_jpeg": report.LUMA,
        "cells": [],
    }
    output = report.DOCUMENTS if given.write else SCRATCH
    output.mkdir(parents=True, exist_ok=True)
    with fleet_of(calibration) as fleet:
        for number, cell in enumerate(chosen):
            fleet.keep_only([(name, later) for later in chosen[number:] for name in later.subjects])
            rate = offered(results["cells"], fleet, all_cells(), given.seconds) if cell.name == OPEN_LOOP else None
            print(f"{cell.key}{f', {rate:.0f} frames/s offered' if rate else ''}", flush=True)
            found, pace = run_cell_calibrated(fleet, cell, given.rounds, Window(given.seconds, WARM_UP_S, rate))
            show(cell, found)
            results["cells"].append(
                {"name": cell.name, "streams": cell.streams, "offered": rate, "subjects": found, **pace}
            )
            (output / "peers.json").write_text(json.dumps(results, indent=1) + "\n")
    results["idle_cpu_s"] = fleet.idle_cpu_s
    results["versions"] = {
        name: environments.versions(name)
        for name in sorted({SUBJECTS[name].environment for cell in chosen for name in cell.subjects})
        if environments.interpreter(name).exists()
    }
    results["took_s"] = round(time.monotonic() - started)
    (output / "peers.json").write_text(json.dumps(results, indent=1) + "\n")
    report.write(results, output)
    print(f"{output / 'peers.md'}, after {results['took_s'] / 60:.0f} min")


if __name__ == "__main__":
    # As Ctrl-C does: the servers, some of them held still, must not be left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    main()
