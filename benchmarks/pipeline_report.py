"""The document of a run of the pipeline benchmark. Every figure in it comes from the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

_HEAD = """\
# Pipelines, measured

What `framewire run` and `framewire runner` cost, as CPU time (user and system) of whole processes. Libraries are loaded
before the clock runs; opening, reading to the end and closing count. Subjects take turns, every second round backwards;
figures are medians over the rounds, with the least and the most in brackets.

Command: `{command}` ({took_s} s). {made}; {machine}; {versions}.
"""

_HD = """\

## Decoding, motion and sampling of 1080p

A drawn street, 1920 x 1080, {rate} frames a second, H.264 of {kbit_s:.0f} kbit/s, {frames} frames. *PyAV alone* decodes
with one thread and does nothing else. The pipeline is the command `framewire run --as-fast-as-possible`: the camera
node, the motion detector (`medium`; something moves nearly always), and a gRPC extension node that chooses one frame a
second. Where a row leaves something out, a node that does nothing stands in its place. PyAV alone runs between any two
others, and each is held against the mean of the runs just before and just after it.

| | CPU ms for each second of video | beside PyAV alone |
|---|---|---|
{rows}

Target: decoding, motion and sampling take at most {goal} times the CPU time of PyAV alone. {verdict}
It is judged on the row in which frames are chosen and no image is made; with one image a second made and sent it is
{sending}. Rows differ by noise, too: where a longer one is cheaper than a shorter one, that is how large it is.

The detector adds {one_thread} to decoding when both run in one thread, and {in_pipeline} to the pipeline. The goal for
the first was {motion_goal:.0%}.

Where the time goes, as `framewire run --profile` tells (with one image a second sent):

```
{profile}
```
"""

_MISSED = """\

The profile above says which node it is. A third of the detector is its first look, at every other row of a luma plane
that is not in the core's caches any more; the rest are some sixty calls on small pictures, which take twice as long
after a picture was decoded as they take alone. Where two cores share one, threads that work at once slow each other
down, and that counts here as well. Tried and of no use: every fourth row, only the rectangle in which something moves,
outlines in place of numbered regions, shrinking in the capture's thread. Compiled code for the small pictures would do.
"""

_GRPC = """\

## The gRPC node

{frames} frames of 640 x 360, each scaled to 416 x 416, encoded as JPEG (quality 90), embedded and sent to a server that
acknowledges and finds nothing. That server is another process and does not count. `framewire run --profile` tells the
parts of one process apart by thread: the node is everything but decoding, handing frames over, scaling and encoding,
less what is left over in the same way when a node in its place makes the images and sends nothing.

{rows}

A bare socket is what asyncio asks for such images: a thread hands them to the event loop, which writes each to a
socket as it is, and a few bytes come back. The node writes from the thread that made the image, and so may come near it
for all that it does besides. A bare call is what the node would stand on without a connection of its own
([0012](../adr/0012-client-connection.md)).

The machine shares its cores with others: in some seconds a core does {rounds_per_ms:,.0f} rounds of hashing in a
millisecond, in others half as many (`python benchmarks/calibration.py`), and CPU time counts both alike. A run was on a
whole core if it did {share:.0%} of that just before and just after it.

Target: at most {goal} ms. {verdict}
"""

_RECONNECTS = """\

## Cameras that come and go

The process of a pipeline with motion while its camera breaks every session after six frames, and while the camera
refuses connections. Pauses between connections are {pause_s} s here, so that {count} of them do not take hours; no
topology can ask for that.

| camera | connections | RSS MiB | open files | threads |
|---|---|---|---|---|
{rows}
"""

_CAMERAS = """\

## Cameras for each core

Pipelines with motion (`medium`) on RTSP cameras of 640 x 360, {rate} frames a second, {kbit_s:.0f} kbit/s, each a
process as `framewire runner` starts it, at the camera's pace.

| cameras | CPU of a core for each | frames/s for each | slowest | RSS MiB for each |
|---|---|---|---|---|
{rows}

By the last row one core would carry **{carried}** such cameras at full load: reckoned, not run. {proven}

Where the time of one goes, here with an
extension that is sent two images a second (`framewire run --profile`):

```
{profile}
```
"""

_ROWS = {
    "detect": "PyAV and the detector, one thread",
    "source": "pipeline: decoding",
    "motion": "pipeline: decoding and motion",
    "sampling": "pipeline: decoding, motion and sampling",
    "sending": "pipeline: the same, and one image a second made and sent",
}


_NODE_ROWS = {
    "images": "scaling and encoding",
    "node": "the node and the event loop, sent and answered",
    "idle": "the event loop when nothing is sent",
    "added": "the node beyond scaling and encoding",
    "socket": "a bare socket of asyncio with such images at the same pace, and nothing else",
    "beyond_socket": "the node beyond that",
    "call": "a bare `grpc.aio` call with such images at the same pace, and nothing else",
    "beyond_call": "the node beyond that",
}


def text(results: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    parts = [_HEAD.format(**{**results, "versions": versions})]
    sections: dict[str, Callable[[dict[str, Any]], str]] = {
        "hd": _hd,
        "grpc": _grpc,
        "reconnects": _reconnects,
        "cameras": _cameras,
    }
    parts += [section(results) for name, section in sections.items() if name in results]
    return "".join(parts)


def _hd(results: dict[str, Any]) -> str:
    hd, goals = results["hd"], results["goals"]
    ratio, adds = hd["ratio"], hd["motion_adds"]
    ms = hd["cpu_ms_per_second"]
    rows = [f"| PyAV alone | {ms['decode']:.0f} | 1 |"]
    rows += [f"| {shown} | {ms[name]:.0f} | {_spread(ratio[name], '.2f')} |" for name, shown in _ROWS.items()]
    is_met = ratio["sampling"]["median"] <= goals["hd"]
    section = _HD.format(
        **hd["clip"],
        rows="\n".join(rows),
        goal=goals["hd"],
        verdict=_verdict(is_met, f"{ratio['sampling']['median']:.2f}"),
        sending=_spread(ratio["sending"], ".2f"),
        one_thread=_spread(adds["in one thread"], ".1%"),
        in_pipeline=_spread(adds["in the pipeline"], ".1%"),
        motion_goal=goals["motion"],
        profile="\n".join(hd["profile"]),
    )
    return section if is_met else section + _MISSED


def _grpc(results: dict[str, Any]) -> str:
    grpc, goal = results["grpc"], results["goals"]["grpc_ms"]
    everywhere, whole = grpc["all"], grpc["whole"]
    columns = {"CPU ms for each frame": everywhere}
    if whole:
        columns[f"on a whole core ({whole['runs']} of {everywhere['runs']} runs of the node)"] = whole
    rows = ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    rows += [
        f"| {shown} | " + " | ".join(_spread(costs[name], ".2f") for costs in columns.values()) + " |"
        for name, shown in _NODE_ROWS.items()
    ]
    judged = (whole or everywhere)["added"]["median"]
    where = "on a whole core" if whole else "in all runs, as fewer than three were on a whole core"
    return _GRPC.format(
        frames=grpc["frames"],
        rows="\n".join(rows),
        rounds_per_ms=grpc["rounds_per_ms"],
        share=results["goals"]["whole_core"],
        goal=goal,
        verdict=_verdict(judged <= goal, f"{judged:.2f} ms {where}"),
    )


def _reconnects(results: dict[str, Any]) -> str:
    found = results["reconnects"]
    shown = {"drops": "breaks each session", "away": "refuses"}
    rows = [
        f"| {shown[name]} | {look['reconnects']} | {look['rss_mib']:.1f} | {look['files']} | {look['threads']} |"
        for name, looks in found["looks"].items()
        for look in looks
    ]
    return _RECONNECTS.format(rows="\n".join(rows), pause_s=found["pause_s"], count=found["count"])


def _cameras(results: dict[str, Any]) -> str:
    found = results["cameras"]
    runs: Sequence[dict[str, Any]] = found["runs"]
    rows = [
        f"| {run['cameras']}{' on one core' if run['is_on_one_core'] else ''} | {run['cpu_per_camera']:.1%} | "
        f"{run['frames_per_second']:.1f} | {run['slowest']:.1f} | {run['rss_mib']:.0f} |"
        for run in runs
    ]
    many = runs[-1]
    keeps_up = many["frames_per_second"] >= 0.95 * found["rate"]
    proven = (
        f"{many['cameras']} at once on one core got theirs (95% or more, as counted once a second)."
        if keeps_up
        else (f"{many['cameras']} at once on one core did not get all of their frames.")
    )
    return _CAMERAS.format(
        rate=found["rate"],
        kbit_s=found["kbit_s"],
        rows="\n".join(rows),
        carried=int(1 / many["cpu_per_camera"]),
        proven=proven,
        profile="\n".join(results["profile"]),
    )


def _verdict(is_met: bool, value: str) -> str:
    return f"**Met**: {value}." if is_met else f"**Missed**: {value}."


def _spread(spread: dict[str, float], form: str) -> str:
    return f"{spread['median']:{form}} ({spread['least']:{form}} to {spread['most']:{form}})"
