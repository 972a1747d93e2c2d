"""The document of a run of the motion benchmark."""

from __future__ import annotations

from typing import Any

SENSITIVITIES = ("low", "medium", "high")

_HEAD = """\
# The motion detector, measured

What the [motion detector](../explanation/motion.md) finds, what it takes for motion wrongly, and what it costs. Most
clips are made: a drawn street or an empty one, ellipses on known paths, noise, weather and light, encoded as H.264 like
a camera does and decoded again. So the truth is known for each frame, but no drawn leaf moves like a real one: read the
figures as a comparison of sensitivities and of versions, not as a promise for your yard.

The detector was tuned on other clips than these: other sizes, speeds, contrasts, bit rates, noise and chance.

Command: `{command}` ({took_s} s); each clip for {part:.0%} of its length. {made}; {machine}; {versions}.

## Goals

Set before the first run.

{goals}

## Where something moves

Frames: *precision* is the part of the frames told as moving in which something moves, *recall* the part of the frames
in which something large enough moves that were told. Things: *found* is the part of the true boxes that a box overlaps
by 0.3 or more (intersection over union), *IoU* the mean of that overlap over those found; *right* is the part of the
boxes that lie at least by half in a true one. True boxes that touch count as one. The first two seconds are not judged.

{moving}

*Street* has a balloon, a walker and cars; by night their lamps light the road far beyond their boxes. *Car that parks*
may go on being told for 3 seconds after it stopped, and is wrong after that. *Person beside a tree* is judged from 20 s
on. The faint person is as faint as `low` may see at the least, and the one far away is too small for it: empty fields.

{bottles}
## Where nothing moves

Messages with a window of one second (`PT1S`), by clip: how many, and for all clips together per hour. Each of these
clips is made to provoke them: nobody will have all of it at once.

{still}

## Cost

{cost}
"""


_BOTTLES = """\
## Real footage

Hands put down bottles and take them away (Intel's sample clip for detectors, 640 x 360, 40 s), against a reference that
was made another way and looks into the future: pixels that differ by more than 20 levels from the frame 5 or 15 before
and from the one as many after. Nobody has drawn these boxes by hand. The clip is cut so that bottles appear and vanish
at once: the reference sees nothing move then, the detector tells such a place for a second. A hand that hardly moves
is there for the detector but not for the reference: precision is low, and a true box is often only the edge of a hand.
"""


def text(results: dict[str, Any]) -> str:
    """The document."""
    return _HEAD.format(
        command=results["command"],
        took_s=results["took_s"],
        part=results["part"],
        made=results["made"],
        machine=results["machine"],
        versions=", ".join(f"{name} {number}" for name, number in results["versions"].items()),
        goals=_goals(results),
        moving=_moving(results),
        bottles=_bottles(results["bottles"]),
        still=_still(results),
        cost=_cost(results["cost"]),
    )


def _goals(results: dict[str, Any]) -> str:
    goals, totals = results["goals"], results["totals"]
    rows = ["| goal | sensitivity | goal | reached | |", "|---|---|---|---|---|"]
    for name, kind, title in (
        ("precision", "moving", "precision of frames, at least"),
        ("recall", "moving", "recall of frames, at least"),
        ("iou", "moving", "mean IoU of boxes, at least"),
        ("messages_per_hour", "still", "false messages per hour, at most"),
    ):
        for sensitivity in SENSITIVITIES:
            goal, reached = goals[name][sensitivity], totals[kind][sensitivity][name]
            if reached is None:
                continue
            is_kept = reached <= goal if name == "messages_per_hour" else reached >= goal
            form = ".0f" if name == "messages_per_hour" else ".2f"
            rows.append(f"| {title} | {sensitivity} | {goal:{form}} | {reached:{form}} | {_verdict(is_kept)} |")
    if results["cost"]:
        share = results["cost"]["share"]
        rows.append(
            f"| CPU time on top of decoding 1080p, at most | high | {goals['cost']:.0%} | {share:.1%} "
            f"| {_verdict(share <= goals['cost'])} |"
        )
    return "\n".join(rows)


def _verdict(is_kept: bool) -> str:
    return "yes" if is_kept else "**no**"


def _moving(results: dict[str, Any]) -> str:
    rows = [
        "| clip | sensitivity | precision | recall | found | IoU | right |",
        "|---|---|---|---|---|---|---|",
    ]
    clips = {**results["moving"], "all together": results["totals"]["moving"]}
    for name, clip in clips.items():
        rows += [f"| {name} | {sensitivity} | {_cells(clip[sensitivity])} |" for sensitivity in SENSITIVITIES]
    return "\n".join(rows)


def _cells(figures: dict[str, Any]) -> str:
    names = ("precision", "recall", "things_found", "iou", "right_boxes")
    return " | ".join("" if figures[name] is None else f"{figures[name]:.2f}" for name in names)


def _bottles(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    rows = [
        _BOTTLES,
        "| sensitivity | precision | recall | found | IoU | right |",
        "|---|---|---|---|---|---|",
        *(f"| {sensitivity} | {_cells(found[sensitivity])} |" for sensitivity in SENSITIVITIES),
        "",
    ]
    return "\n".join(rows) + "\n"


def _still(results: dict[str, Any]) -> str:
    rows = ["| clip | seconds | low | medium | high |", "|---|---|---|---|---|"]
    for name, clip in results["still"].items():
        seconds = clip["low"]["counts"]["seconds"]
        counts = " | ".join(str(clip[sensitivity]["messages"]) for sensitivity in SENSITIVITIES)
        rows.append(f"| {name} | {seconds:.0f} | {counts} |")
    hourly = [results["totals"]["still"][sensitivity]["messages_per_hour"] for sensitivity in SENSITIVITIES]
    if None not in hourly:
        rows.append(f"| all together, per hour | | {' | '.join(f'{value:.0f}' for value in hourly)} |")
    return "\n".join(rows)


def _cost(found: dict[str, Any] | None) -> str:
    if not found:
        return "Not measured."
    return (
        f"A street in 1920 x 1080, {found['kbit_s']:.0f} kbit/s, {found['frames']} frames, decoded with one thread: "
        f"{found['decode_ms']:.2f} ms of CPU\ntime for each frame alone, {found['decode_and_detect_ms']:.2f} ms with "
        f"the detector (`high`, something always moves): {found['share']:.1%} more.\nThe detector itself takes "
        f"{found['detect_ms']:.2f} ms. Medians of {found['rounds']} rounds, with and without in turns."
    )
