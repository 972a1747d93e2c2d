"""Figures as text, as JSON values and as a picture."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framewire.errors import ConfigurationError, PeerError
from framewire.load import LoadOptions, LoadReport, ServerCost, Tally
from framewire.load.cost import OwnCost
from framewire.load.plot import plot_loads
from framewire.load.statistics import ServerFrames
from framewire.load.table import LoadTable, describe, generator_table, progress_line, statistics_table, warnings
from framewire.model.format import Encoding, PixelFormat, VideoFormat

HD = VideoFormat(Encoding.RAW, 1920, 1080, PixelFormat.RGB24)


def a_report(streams: int = 4, **changes: Any) -> LoadReport:
    """Ten seconds, a thousand frames from 1 to 1000 ms."""
    tally = Tally(start_s=100.0, end_s=110.0, sent=1100, answered=1000, empty=17)
    for milliseconds in range(1, 1001):
        tally.latencies.add(milliseconds / 1000)
    chosen: dict[str, Any] = {
        "offered_per_second": None,
        "server": ServerCost(cpu_s=7.0, rss_bytes=123 << 20, processes=3),
        "alone_per_second": 5678.0,
        **changes,
    }
    return LoadReport(streams=streams, duration_s=10.0, tally=tally, own=OwnCost(10.0, 2.5, 2.0, 1.0), **chosen)


def test_the_table_of_a_closed_loop() -> None:
    table = LoadTable(is_open_loop=False)
    assert table.head().splitlines() == [
        "                   latency, ms                                     server, CPU per frame",
        "streams  frames/s    p50    p95    p99    max   lost  doubled    empty   CPU ms  RSS MiB",
    ]
    assert table.line(a_report()) == (
        "      4       100    502    951    990   1000      0        0       17     7.00      123"
    )


def test_the_table_of_an_open_loop_says_what_was_offered() -> None:
    table = LoadTable(is_open_loop=True)
    assert table.head().splitlines()[1].startswith("streams  offered/s  frames/s    p50")
    assert table.line(a_report(offered_per_second=120.5)).startswith("      4        120       100    502")


def test_what_is_not_known_is_a_dash() -> None:
    report = LoadReport(1, None, 2.0, Tally(start_s=1.0, end_s=3.0, lost=4), OwnCost(2.0, 0.1, 0.1, 0.0))
    assert LoadTable(is_open_loop=False).line(report) == (
        "      1      0.00      -      -      -      -      4        0        0        -        -"
    )
    assert generator_table([report]).splitlines()[-1] == "      1                 -    5%                -"


def test_what_the_generator_cost() -> None:
    assert generator_table([a_report(), a_report(16)]).splitlines() == [
        "the generator itself:",
        "streams  CPU ms per frame  busy  alone, frames/s",
        "      4              2.50   20%             5700",
        "     16              2.50   20%             5700",
    ]


def test_a_load_in_two_lines() -> None:
    load = LoadOptions("h:1", HD, [b"1234567890"], frames_per_second=12.5)
    assert describe(load).splitlines() == [
        "h:1: RAW RGB24 1920x1080, 10 bytes a frame embedded",
        "each stream 12.5 frames/s, 4 in flight; 10 s, after 1 s of warm-up",
    ]
    load = LoadOptions("h:1", HD, [b"1234567890"], shared_memory_bytes=25, duration_s=0.5, warm_up_s=0)
    assert describe(load).splitlines() == [
        "h:1: RAW RGB24 1920x1080, 10 bytes a frame through shared memory",
        "each stream as fast as answers come, 2 in flight; 0.5 s, after 0 s of warm-up",
    ]


def test_the_line_while_it_runs() -> None:
    load = LoadOptions("h:1", HD, [b"1"], streams=4)
    tally = Tally(sent=7)
    assert progress_line(load, tally, 100.0) == "4 streams: warming up, 7 frames sent"
    tally = a_report().tally
    tally.end_s = float("inf")
    tally.in_flight += [{5: (103.0, 0), 6: (104.5, 1)}]
    assert progress_line(load, tally, 105.0) == (
        "4 streams: 5.0 s, 200 frames/s, p50 502 ms, p99 990 ms, 1 lost or late"
    )


def test_clean_figures_need_no_warning() -> None:
    assert warnings(a_report()) == []


@pytest.mark.parametrize(
    ("busy_s", "waited_s", "beginning"),
    [
        (8.4, 0.0, None),
        (8.6, 0.0, "1 stream: the generator was busy 86% of the time: it, not the server, is likely the limit; "),
        (5.0, 4.2, "1 stream: the machine's cores were all in use, by the server and the generator together: "),
    ],
)
def test_a_generator_that_was_the_limit_is_warned_of(busy_s: float, waited_s: float, beginning: str | None) -> None:
    report = replace(a_report(1), own=OwnCost(10.0, 9.0, busy_s, waited_s))
    found = warnings(report)
    assert len(found) == (beginning is not None)
    assert all(text.startswith(beginning or "") for text in found)


def test_late_unsent_and_unknown_frames_are_warned_of() -> None:
    report = a_report(offered_per_second=100.0)
    report.tally.late = 7
    assert warnings(report) == [
        "4 streams: 7 of 1000 frames were sent more than 1 ms late, mostly as --in-flight frames were waiting for "
        "their answers; that is in the latencies"
    ]
    report.tally.unsent, report.tally.unknown = 30, 2
    assert warnings(report) == [
        "4 streams: 30 frames had still not been sent when the time was over: more were offered than answered; how "
        "long they had waited by then is in the latencies",
        "4 streams: 2 answers were for frames that had never been sent",
    ]


def test_a_server_that_answers_without_processing_is_warned_of() -> None:
    report = a_report(server_frames=ServerFrames(190, 0, {"latest": 10_800, "too-old": 34}))
    assert warnings(report) == [
        "4 streams: the server processed 19.0 frames/s and answered 10834 frames without processing them "
        "(10800 latest, 34 too-old): frames/s and latencies count all answers, those too"
    ]
    assert warnings(a_report(server_frames=ServerFrames(1000, 0, {}))) == []


def test_a_server_that_fails_with_frames_is_warned_of() -> None:
    assert warnings(a_report(server_frames=ServerFrames(1000, 7, {}))) == [
        "4 streams: the server could not read or process 7 of 1000 frames, and answered them without inferences; its "
        "log says why"
    ]


def of_frames(answered: object, **dropped: object) -> dict[str, Any]:
    return {"frames": {"received": 99, "answered": answered, "dropped": dropped}}


def with_failures(failed: int) -> dict[str, Any]:
    return {"frames": {"answered": 10, "failed": failed, "dropped": {}}}


@pytest.mark.parametrize(
    ("before", "after", "between"),
    [
        (of_frames(5, latest=1, old=2), of_frames(24, latest=11, old=2), ServerFrames(19, 0, {"latest": 10})),
        (of_frames(5), of_frames(5, latest=3), ServerFrames(0, 0, {"latest": 3})),
        (with_failures(2), with_failures(9), ServerFrames(0, 7, {})),
        (with_failures(9), with_failures(2), None),
        (of_frames(5, latest=1), of_frames(4, latest=2), None),
        (of_frames(5, latest=3), of_frames(6, latest=2), None),
        (None, of_frames(5), None),
        (of_frames(5), None, None),
        ({}, {}, None),
        ({"frames": [1]}, {"frames": [1]}, None),
        (of_frames("many"), of_frames(True), None),
        ({"frames": {"answered": 1}}, {"frames": {"answered": 2}}, None),
        (of_frames(1, latest="x"), of_frames(2, latest=None), ServerFrames(1, 0, {})),
    ],
    ids=[
        "both",
        "a new cause",
        "failures",
        "fewer failures",
        "fewer",
        "fewer dropped",
        "none before",
        "none after",
        "empty",
        "a list",
        "no numbers",
        "no drops",
        "odd drops",
    ],
)
def test_what_a_server_did_meanwhile_is_the_difference_of_what_it_counts(
    before: dict[str, Any] | None, after: dict[str, Any] | None, between: ServerFrames | None
) -> None:
    assert ServerFrames.between(before, after) == between


def test_the_statistics_of_our_own_server() -> None:
    stage = {"count": 9, "mean_ms": 0.251, "p50_ms": 0.2, "p95_ms": 1.5, "p99_ms": 12.34, "max_ms": 123.4}
    statistics = {
        "stages": {"receive": stage, "process": {**stage, "count": 8}},
        "batch_size": {"count": 4, "mean": 2.0, "p50": 2, "max": 4},
        "frames": {"received": 9, "answered": 8, "dropped": {"too-old": 1, "oldest": 0}},
    }
    assert statistics_table(statistics) == (
        "the server's own statistics since it was started:\n"
        "stage, ms                 count     mean      p50      p95      p99      max\n"
        "receive                       9     0.25     0.20     1.50     12.3      123\n"
        "process                       8     0.25     0.20     1.50     12.3      123\n"
        "batch size: mean 2.00, p50 2, max 4\n"
        "frames: 9 received, 8 answered, 1 dropped (too-old)"
    )


@pytest.mark.parametrize(
    ("statistics", "text"),
    [
        ({}, None),
        ({"stages": [], "frames": 3, "batch_size": None, "other": {}}, None),
        (
            {"frames": {"received": 2, "dropped": {}}},
            "the server's own statistics since it was started:\nframes: 2 received, 0 dropped",
        ),
        (
            {"stages": {"odd": {"count": "three", "mean_ms": None, "p50_ms": True}, "none": 5}},
            "the server's own statistics since it was started:\n"
            "stage, ms                 count     mean      p50      p95      p99      max\n"
            "odd                           -        -        -        -        -        -",
        ),
    ],
    ids=["nothing", "other kinds", "frames alone", "odd values"],
)
def test_statistics_with_members_that_are_missing_or_of_another_kind(
    statistics: dict[str, Any], text: str | None
) -> None:
    assert statistics_table(statistics) == text


def test_the_figures_as_json() -> None:
    report = a_report(
        offered_per_second=200.0,
        statistics={"frames": {}},
        server_frames=ServerFrames(19, 3, {"latest": 981}),
        failure=PeerError("it fell over", status="X"),
    )
    report.tally.lost, report.tally.late, report.tally.unsent, report.tally.doubled = 1, 2, 3, 4
    document = json.loads(json.dumps(report.document()))
    histogram = document.pop("histogramMs")
    assert sum(count for _, count in histogram) == 1000
    assert histogram[0] == [1.0071, 1]
    latencies = document.pop("latencyMs")
    assert (latencies["count"], latencies["mean"], latencies["max"]) == (1000, 500.5, 1000.0)
    assert latencies["p99.9"] == pytest.approx(999, rel=0.005)
    assert document == {
        "streams": 4,
        "offeredPerSecond": 200.0,
        "durationS": 10.0,
        "framesPerSecond": 100.0,
        "sent": 1100,
        "answered": 1000,
        "empty": 17,
        "lost": 1,
        "doubled": 4,
        "unknown": 0,
        "late": 2,
        "unsent": 3,
        "server": {"cpuMsPerFrame": 7.0, "rssMib": 123.0, "processes": 3},
        "generator": {
            "cpuMsPerFrame": 2.5,
            "busy": 0.2,
            "waitedForCore": 0.1,
            "aloneFramesPerSecond": 5678,
            "isLimit": False,
        },
        "serverFrames": {"answered": 19, "failed": 3, "dropped": {"latest": 981}},
        "statistics": {"frames": {}},
        "failure": "it fell over",
    }


def test_how_many_frames_the_generator_could_send_follows_from_its_own_time() -> None:
    assert OwnCost(10.0, process_s=0.2, thread_s=0.2, waited_s=0).most_frames_per_second(100) == 500
    assert OwnCost(10.0, process_s=0.2, thread_s=0.2, waited_s=0).most_frames_per_second(0) is None


def test_without_matplotlib_its_installation_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigurationError) as raised:
        plot_loads([a_report()], "title", tmp_path / "x.png")
    assert str(raised.value) == "--plot needs matplotlib, which is not installed; pip install 'framewire[plot]'"
    assert list(tmp_path.iterdir()) == []


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    empty = LoadReport(2, None, 1.0, Tally(start_s=0.0, end_s=1.0), OwnCost(1.0, 0.1, 0.1, 0.0))
    for name, reports in (
        ("loads", [a_report(1), empty, a_report(16, offered_per_second=120.0)]),
        ("open", [a_report(1, offered_per_second=120.0)]),
        ("nothing", [empty]),
    ):
        file = tmp_path / f"{name}.png"
        plot_loads(reports, "a title", file)
        assert file.read_bytes().startswith(b"\x89PNG\r\n")
