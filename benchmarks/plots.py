"""Plots of a run's results, read as JSON from standard input. Runs in the environment that has matplotlib.

python benchmarks/plots.py FOLDER < results
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
# The same results make the same file.
mpl.rcParams.update({"svg.hashsalt": "framewire", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})

import matplotlib.pyplot as plt  # noqa: E402 - after the choice of how to draw

IDEAL_MODEL = 8 / 0.009
LOOKS = {
    "floor": ("#888888", "s", "--"),
    "framewire": ("#c1272d", "o", "-"),
    "framewire-inline": ("#f0883e", "o", "-"),
    "triton-backend": ("#3a7d2c", "^", "-"),
    "triton-callable": ("#8fc07c", "^", "-"),
    "ray-haproxy": ("#2563a8", "v", "-"),
    "ray": ("#8ab6e0", "v", "-"),
    "mlserver": ("#8a4fa3", "D", "-"),
}
ROWS = (
    ("frames_per_second", "frames/s"),
    ("p99_ms", "p99, ms"),
    ("server_cpu_ms", "server CPU, ms/frame"),
)


def median(result: dict[str, Any] | None, figure: str) -> float | None:
    if result is None or "cannot" in result or not result["rounds"]:
        return None
    return statistics.median(one[figure] for one in result["rounds"])


def compare(cells: list[dict[str, Any]], titles: dict[str, str], file: Path) -> None:
    kinds: dict[str, dict[int, Any]] = {}
    for cell in cells:
        if not cell["offered"] and not set(cell["subjects"]).isdisjoint(LOOKS) and "model" not in cell["name"]:
            kinds.setdefault(cell["name"], {})[cell["streams"]] = cell["subjects"]
    if not kinds:
        return
    figure, grid = plt.subplots(len(ROWS), len(kinds), figsize=(3.1 * len(kinds) + 0.6, 7.6), squeeze=False)
    handles: dict[str, Any] = {}
    for column, (kind, by_streams) in enumerate(kinds.items()):
        for row, (name, label) in enumerate(ROWS):
            axes = grid[row][column]
            for subject, (colour, marker, line) in LOOKS.items():
                points = [
                    (streams, value)
                    for streams, subjects in sorted(by_streams.items())
                    if (value := median(subjects.get(subject), name)) is not None
                ]
                if points:
                    (handles[subject],) = axes.plot(
                        *zip(*points, strict=True), color=colour, marker=marker, ls=line, ms=4, lw=1.4
                    )
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set_xticks([1, 4, 16], ["1", "4", "16"])
            axes.set_xlim(0.8, 20)
            axes.minorticks_off()
            axes.grid(visible=True, axis="y", color="#dddddd", lw=0.6)
            axes.yaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
            if row == 0:
                axes.set_title(kind, fontsize=9)
            if row == len(ROWS) - 1:
                axes.set_xlabel("streams")
            if column == 0:
                axes.set_ylabel(label)
    names = [name for name in LOOKS if name in handles]
    columns = 2 * len(kinds)
    figure.legend(
        [handles[name] for name in names], [titles[name] for name in names], loc="lower center", ncols=columns
    )
    figure.tight_layout(rect=(0, 0.02 + 0.025 * -(-len(names) // columns), 1, 1))
    save(figure, file)


def model(cells: list[dict[str, Any]], titles: dict[str, str], file: Path) -> None:
    subjects = next((cell["subjects"] for cell in cells if "model" in cell["name"]), {})
    values = {name: value for name in LOOKS if (value := median(subjects.get(name), "frames_per_second")) is not None}
    if not values:
        return
    figure, axes = plt.subplots(figsize=(7, 0.42 * len(values) + 1.1))
    names = list(reversed(values))
    bars = axes.barh([titles[name] for name in names], [values[name] for name in names], height=0.6)
    for bar, name in zip(bars, names, strict=True):
        bar.set_color(LOOKS[name][0])
    axes.bar_label(bars, fmt="%.0f", padding=3)
    axes.axvline(IDEAL_MODEL, color="black", lw=1, ls=":")
    axes.annotate("ideal", (IDEAL_MODEL, 1.0), xycoords=("data", "axes fraction"), ha="center", va="bottom")
    axes.set_xlabel("frames/s, model of 5 ms a call and 0.5 ms a frame, 16 streams")
    axes.set_xlim(0, IDEAL_MODEL * 1.12)
    figure.tight_layout()
    save(figure, file)


def save(figure: Any, file: Path) -> None:
    figure.savefig(file, metadata={"Date": None}, facecolor="white")
    plt.close(figure)


def main(folder: Path) -> None:
    given = json.load(sys.stdin)
    cells = given["results"]["cells"]
    compare(cells, given["titles"], folder / "peers.svg")
    model(cells, given["titles"], folder / "peers-model.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
