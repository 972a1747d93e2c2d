"""The figures of loads as text for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from framewire.load.options import LoadOptions
from framewire.load.report import LoadReport
from framewire.load.tally import Tally

_NOTHING = "-"
_OVERDUE_S = 1.0


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    width: int
    cell: Callable[[LoadReport], str]


class LoadTable:
    """One line for each load.

    Args:
        is_open_loop: Whether frames were offered at a rate, which then is a column.
    """

    def __init__(self, *, is_open_loop: bool) -> None:
        offered = [_Column("offered/s", 9, lambda report: number(report.offered_per_second))] if is_open_loop else []
        self._columns = [
            _Column("streams", 7, lambda report: str(report.streams)),
            *offered,
            _Column("frames/s", 8, lambda report: number(report.frames_per_second)),
            *(_latency(percent) for percent in (50, 95, 99)),
            _Column("max", 5, lambda report: number(_longest_ms(report))),
            _Column("lost", 5, lambda report: str(report.tally.lost)),
            _Column("doubled", 7, lambda report: str(report.tally.doubled)),
            _Column("empty", 7, lambda report: str(report.tally.empty)),
            _Column("CPU ms", 7, lambda report: number(report.server_cpu_ms)),
            _Column("RSS MiB", 7, lambda report: number(_rss_mib(report))),
        ]

    def head(self) -> str:
        """Two lines: what the columns belong to, and their names."""
        titles = "  ".join(f"{column.title:>{column.width}}" for column in self._columns)
        groups = " " * titles.index("  p50") + "latency, ms"
        return f"{groups}{'server, CPU per frame':>{len(titles) - len(groups)}}\n{titles}"

    def line(self, report: LoadReport) -> str:
        """The line of one load."""
        return "  ".join(f"{column.cell(report):>{column.width}}" for column in self._columns)


def describe(options: LoadOptions) -> str:
    """What is sent, in two lines."""
    transfer = "through shared memory" if options.shared_memory_bytes else "embedded"
    pace = f"{options.frames_per_second:g} frames/s" if options.frames_per_second else "as fast as answers come"
    return (
        f"{options.address}: {options.video_format}, {options.slot_bytes} bytes a frame {transfer}\n"
        f"each stream {pace}, {options.slots} in flight; "
        f"{options.duration_s:g} s, after {options.warm_up_s:g} s of warm-up"
    )


def generator_table(reports: Sequence[LoadReport]) -> str:
    """What the generator itself cost in each load, and what it could do."""
    lines = ["the generator itself:", "streams  CPU ms per frame  busy  alone, frames/s"]
    for report in reports:
        alone = number(report.alone_per_second and round(report.alone_per_second, -2))
        lines.append(f"{report.streams:>7}  {number(report.own_cpu_ms):>16}  {report.own.busy:>4.0%}  {alone:>15}")
    return "\n".join(lines)


def statistics_table(statistics: dict[str, Any]) -> str | None:
    """The stages of a server that tells of them; None when nothing of that is known here."""
    stages = statistics.get("stages")
    rows: list[tuple[str, dict[str, Any]]] = []
    if isinstance(stages, dict):
        rows = [(str(name), values) for name, values in stages.items() if isinstance(values, dict)]
    keys = ("mean_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms")
    lines = [
        "  ".join([f"{name[:20]:<20}", f"{_told(values, 'count'):>9}", *(f"{_told(values, key):>7}" for key in keys)])
        for name, values in rows
    ]
    if lines:
        head = "  ".join([f"{'stage, ms':<20}", f"{'count':>9}", *(f"{key[:-3]:>7}" for key in keys)])
        lines.insert(0, head)
    batches = statistics.get("batch_size")
    if isinstance(batches, dict) and batches:
        lines.append(
            f"batch size: mean {_told(batches, 'mean')}, p50 {_told(batches, 'p50')}, max {_told(batches, 'max')}"
        )
    frames = statistics.get("frames")
    if isinstance(frames, dict) and frames:
        lines.append("frames: " + ", ".join(_counts(frames)))
    return "\n".join(["the server's own statistics since it was started:", *lines]) if lines else None


def warnings(report: LoadReport) -> list[str]:
    """What a reader of the figures must know, one line each."""
    found = []
    tally = report.tally
    frames = report.server_frames
    if frames is not None and frames.dropped_in_all:
        causes = ", ".join(f"{count} {cause}" for cause, count in frames.dropped.items())
        found.append(
            f"the server processed {number(frames.answered / report.duration_s)} frames/s and answered "
            f"{frames.dropped_in_all} frames without processing them ({causes}): "
            "frames/s and latencies count all answers, those too"
        )
    if frames is not None and frames.failed:
        found.append(
            f"the server could not read or process {frames.failed} of {frames.answered} frames, and answered them "
            "without inferences; its log says why"
        )
    if report.is_own_limit:
        found.append(
            f"the generator was busy {report.own.busy:.0%} of the time: it, not the server, is likely the limit; "
            "run a second one beside it and add the figures up"
        )
    if report.is_short_of_cores and report.server is not None and report.offered_per_second is None:
        found.append(
            "the machine's cores were all in use, by the server and the generator together: "
            "with the generator on another machine the server would do more"
        )
    if tally.unsent:
        found.append(
            f"{tally.unsent} frames had still not been sent when the time was over: "
            "more were offered than answered; how long they had waited by then is in the latencies"
        )
    elif tally.late:
        found.append(
            f"{tally.late} of {tally.latencies.count} frames were sent more than 1 ms late, mostly as --in-flight "
            "frames were waiting for their answers; that is in the latencies"
        )
    if tally.unknown:
        found.append(f"{tally.unknown} answers were for frames that had never been sent")
    return [f"{_streams(report.streams)}: {text}" for text in found]


def progress_line(options: LoadOptions, tally: Tally, now_s: float) -> str:
    """What is seen while a load runs.

    Args:
        options: The load.
        tally: Its counts so far.
        now_s: The monotonic clock.
    """
    if now_s < tally.start_s:
        return f"{_streams(options.streams)}: warming up, {tally.sent} frames sent"
    seconds = max(min(now_s, tally.end_s) - tally.start_s, 0.001)
    p50_s, p99_s = (tally.latencies.percentile(percent) or 0.0 for percent in (50, 99))
    return (
        f"{_streams(options.streams)}: {seconds:.1f} s, {number(tally.answered / seconds)} frames/s, "
        f"p50 {number(p50_s * 1000)} ms, p99 {number(p99_s * 1000)} ms, "
        f"{tally.overdue(now_s - _OVERDUE_S)} lost or late"
    )


def number(value: float | None) -> str:
    """A figure with three digits that count, or a dash."""
    if value is None:
        return _NOTHING
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def _latency(percent: float) -> _Column:
    return _Column(f"p{percent:g}", 5, lambda report: number(report.latency_ms(percent)))


def _rss_mib(report: LoadReport) -> float | None:
    return None if report.server is None else report.server.rss_bytes / (1 << 20)


def _longest_ms(report: LoadReport) -> float | None:
    return report.latency_ms(100)


def _streams(count: int) -> str:
    return "1 stream" if count == 1 else f"{count} streams"


def _told(values: dict[str, Any], key: str) -> str:
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _NOTHING
    return str(value) if isinstance(value, int) else number(value)


def _counts(frames: dict[str, Any]) -> list[str]:
    texts = []
    for name, value in frames.items():
        if isinstance(value, dict):
            texts += [f"{count} {name} ({cause})" for cause, count in value.items() if count] or [f"0 {name}"]
        else:
            texts.append(f"{value} {name}")
    return texts
