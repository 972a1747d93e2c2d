"""The figures of loads as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from framewire.errors import ConfigurationError
from framewire.load.report import LoadReport

_PERCENTS = (50, 90, 99, 99.9, 99.99)
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's: told apart by colour-blind readers, too."""


def check_plotting() -> None:
    """Says before a run whether its picture can be drawn.

    Raises:
        ConfigurationError: matplotlib is not installed.
    """
    _figure_class()


def plot_loads(reports: Sequence[LoadReport], title: str, file: Path) -> None:
    """Draws the latencies of each load and, beside them, frames/s by the number of streams.

    Args:
        reports: The loads; those without an answer are left out.
        title: What was loaded, and how.
        file: The PNG to write.

    Raises:
        ConfigurationError: matplotlib is not installed.
        OSError: The file cannot be written.
    """
    measured = [report for report in reports if report.tally.latencies.count]
    figure = _figure_class()(figsize=(12, 5.2), layout="constrained")
    figure.suptitle(title, fontsize=11)
    left, right = figure.subplots(1, 2)
    _draw_latencies(left, measured)
    _draw_throughput(right, measured)
    figure.savefig(file, format="png", dpi=110)


def _draw_latencies(axes: Any, reports: Sequence[LoadReport]) -> None:
    """Latency by percentile, the scale stretched towards 100 % as it is the slow frames that hurt."""
    most = 0
    for report, colour in zip(reports, _cycle(len(reports)), strict=True):
        count = report.tally.latencies.count
        most = max(most, count)
        below, xs, ys = 0, [1.0], [_ms(report, 0)]
        for edge_s, inside in report.tally.latencies.bins():
            below += inside
            # The last frame stands for the share that it is: 1 of 1000 is 99.9 %.
            xs.append(count / max(count - below, 0.5))
            ys.append(min(edge_s * 1000, _ms(report, 100)))
        axes.step(xs, ys, where="pre", color=colour, label=_streams(report.streams))
    axes.set(xscale="log", yscale="log", xlabel="share of the frames", ylabel="latency at most, ms")
    ticks = [percent for percent in _PERCENTS if percent < 100 * (1 - 1 / max(most, 2))]
    axes.set_xticks([100 / (100 - percent) for percent in ticks], [f"{percent:g} %" for percent in ticks])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "25" else "")
    axes.set_title("latency", fontsize=10)
    axes.grid(alpha=0.3, which="both")
    if reports:
        axes.legend()


def _draw_throughput(axes: Any, reports: Sequence[LoadReport]) -> None:
    ordered = sorted(reports, key=lambda report: report.streams)
    places = [report.streams for report in ordered]
    axes.plot(places, [report.frames_per_second for report in ordered], "o-", color=_COLOURS[0], label="answered")
    for report in ordered:
        axes.annotate(
            f"{report.frames_per_second:.0f}",
            (report.streams, report.frames_per_second),
            textcoords="offset points",
            xytext=(0, 8),
            ha="center",
            fontsize=9,
        )
    if all(report.offered_per_second is not None for report in ordered):
        offered = [report.offered_per_second for report in ordered]
        axes.plot(places, offered, "--", color=_COLOURS[1], label="offered")
    axes.set(xscale="log", xlabel="streams", ylabel="frames/s")
    axes.set_xticks(places, [str(place) for place in places])
    axes.set_xticks([], minor=True)
    # Room for the numbers above the points.
    axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
    axes.margins(x=0.15)
    axes.set_title("throughput", fontsize=10)
    axes.grid(alpha=0.3)
    if ordered:
        axes.legend(loc="lower right")


def _figure_class() -> Any:
    # By name: whoever does not plot needs no matplotlib, the type checker neither.
    try:
        import_module("matplotlib").use("agg")
        return import_module("matplotlib.figure").Figure
    except ImportError:
        raise ConfigurationError(
            "--plot needs matplotlib, which is not installed", remedy="pip install 'framewire[plot]'"
        ) from None


def _cycle(count: int) -> list[str]:
    return [_COLOURS[number % len(_COLOURS)] for number in range(count)]


def _ms(report: LoadReport, percent: float) -> float:
    return report.latency_ms(percent) or 0.001


def _streams(count: int) -> str:
    return "1 stream" if count == 1 else f"{count} streams"
