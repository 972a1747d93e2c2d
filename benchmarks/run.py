"""framewire beside the floor, in one run, alternating. Called by ``make bench``.

python benchmarks/run.py [--rounds 5] [--seconds 3] [--write]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from load import IN_FLIGHT, Cell, Measured, cells, measure
from stages import stage_table

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "docs" / "benchmarks"
SERVERS = {
    "floor": [sys.executable, str(HERE / "floor.py"), "0"],
    "framewire": [sys.executable, "-m", "framewire", "serve", "-p", "0", "--host", "127.0.0.1", "--log-level", "error"],
}


@contextmanager
def running(name: str) -> Any:
    process = subprocess.Popen(SERVERS[name], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith("listening on "):
                yield line.split()[-1], process.pid
                return
        raise SystemExit(f"{name} did not start")
    finally:
        process.kill()
        process.communicate()


def run(rounds: int, seconds: float, chosen: list[Cell]) -> dict[str, dict[str, list[Measured]]]:
    results: dict[str, dict[str, list[Measured]]] = {}
    for cell in chosen:
        row = results.setdefault(f"{cell.name}|{cell.streams}", {name: [] for name in SERVERS})
        # Both servers live through all rounds of a cell and take turns, so that the machine's moods hit both alike.
        with running("floor") as floor, running("framewire") as ours:
            for number in range(rounds):
                pair = [("floor", floor), ("framewire", ours)]
                for name, (address, process_id) in pair if number % 2 == 0 else reversed(pair):
                    row[name].append(asyncio.run(measure(address, process_id, cell, seconds, warm_up=1.0)))
        print(table_row(cell.name, cell.streams, row), flush=True)
    return results


def ratios(row: dict[str, list[Measured]], field: str) -> list[float]:
    return [
        getattr(ours, field) / getattr(floor, field) for ours, floor in zip(row["framewire"], row["floor"], strict=True)
    ]


def table_row(name: str, streams: int, row: dict[str, list[Measured]]) -> str:
    def median(server: str, field: str) -> float:
        return statistics.median(getattr(item, field) for item in row[server])

    speed = ratios(row, "frames_per_second")
    cpu = statistics.median(ratios(row, "server_cpu_ms"))
    return (
        f"| {name} | {streams} | {median('floor', 'frames_per_second'):.0f} | "
        f"{median('framewire', 'frames_per_second'):.0f} | **{statistics.median(speed):.2f}** "
        f"({min(speed):.2f} to {max(speed):.2f}) | "
        f"{median('floor', 'p99_ms'):.1f} | {median('framewire', 'p99_ms'):.1f} | "
        f"{median('floor', 'server_cpu_ms'):.2f} | {median('framewire', 'server_cpu_ms'):.2f} ({cpu:.2f}) |"
    )


HEADER = (
    "| load | streams | floor, frames/s | framewire, frames/s | ratio, median (range) | floor, p99 ms | "
    "framewire, p99 ms | floor, server CPU ms/frame | framewire, server CPU ms/frame (ratio) |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def machine() -> str:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("grpcio", "protobuf", "numpy", "opencv-python-headless")
    )
    return f"{os.cpu_count()} cores of {model}; Python {platform.python_version()}; {packages}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=3.0)
    arguments.add_argument("--streams", type=int, nargs="*", default=[1, 4, 16])
    arguments.add_argument("--only", default="", help="cells whose name holds this")
    arguments.add_argument("--write", action="store_true", help="write the results under docs/benchmarks")
    given = arguments.parse_args()
    chosen = [cell for cell in cells(tuple(given.streams)) if given.only in cell.name]
    print(
        f"{machine()}; {IN_FLIGHT} frames in flight per stream; {given.rounds} rounds of {given.seconds:g} s\n{HEADER}"
    )
    results = run(given.rounds, given.seconds, chosen)
    stages = stage_table()
    print(f"\n{stages}")
    if not given.write:
        return
    RESULTS.mkdir(parents=True, exist_ok=True)
    lines = [table_row(*key.split("|"), row) for key, row in results.items()]  # type: ignore[arg-type] # printed only
    template = (HERE / "report.md").read_text()
    text = template.format(
        machine=machine(),
        rounds=given.rounds,
        seconds=f"{given.seconds:g}",
        in_flight=IN_FLIGHT,
        table="\n".join([HEADER, *lines]),
        stages=stages,
    )
    (RESULTS / "floor.md").write_text(text)
    raw = {key: {name: [vars(item) for item in items] for name, items in row.items()} for key, row in results.items()}
    (RESULTS / "floor.json").write_text(json.dumps(raw, indent=1) + "\n")


if __name__ == "__main__":
    main()
