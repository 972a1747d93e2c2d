"""Tables, plots and the document, out of the results of a run."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import environments
from calibration import MOST_DRIFT
from cells import HD_EMBEDDED, HD_SHARED, JPEG_SHARED, MODEL, OPEN_LOOP, PYTHON, SMALL_SHARED
from subjects import SUBJECTS
from targets import CLIENT_CPU, CPU, FIGURES, FRAMES, IDEAL_MODEL, OWN_TARGETS, P99, PEER_TARGETS, TUNED, Target, judge

DOCUMENTS = environments.ROOT / "docs" / "benchmarks"
_BEGIN, _END = "<!-- made by make bench -->", "<!-- end -->"
TEMPLATE = Path(__file__).resolve().parent / "report.md"
COMPARED = (
    "floor",
    "framewire",
    "framewire-inline",
    "triton-backend",
    "triton-callable",
    "ray-haproxy",
    "ray",
    "mlserver",
)
SPECIAL = (MODEL, PYTHON, OPEN_LOOP)
LUMA = "luma"
"""What the floor decodes of a JPEG, in results; older ones, of which it decoded the colours, do not say."""
HEADLINES = (
    (HD_SHARED, 1),
    (HD_SHARED, 16),
    (HD_EMBEDDED, 1),
    (JPEG_SHARED, 4),
    (SMALL_SHARED, 4),
    (SMALL_SHARED, 16),
    (MODEL, 16),
)
"""Cells of the table at the top."""


def write(results: Mapping[str, Any], folder: Path) -> None:
    """Writes peers.md and its plots into a folder; peers.json lies there already."""
    environments.make("plots")
    command = (str(environments.interpreter("plots")), str(TEMPLATE.with_name("plots.py")), str(folder))
    titles = {name: subject.title for name, subject in SUBJECTS.items()}
    subprocess.run(command, input=json.dumps({"results": results, "titles": titles}), text=True, check=True)
    (folder / "peers.md").write_text(document(results))
    if folder == DOCUMENTS:
        _renew(environments.ROOT / "README.md", headline_table(results["cells"]))


def _renew(readme: Path, table: str) -> None:
    """Puts the headline table where the README has it."""
    before, begin, rest = readme.read_text().partition(_BEGIN)
    _, end, behind = rest.partition(_END)
    if not end:
        raise SystemExit(f"{readme} has no place for the table: two lines, {_BEGIN} and {_END}")
    readme.write_text(f"{before}{begin}\n{table}\n{end}{behind}")


def document(results: Mapping[str, Any]) -> str:
    """The text of peers.md."""
    return TEMPLATE.read_text().format(
        made=results["made"],
        command=results["command"],
        machine=results["machine"],
        took=f"{results['took_s'] / 60:.0f}",
        load=f"{results['load_at_start']:.1f}",
        rounds=results["rounds"],
        seconds=f"{results['seconds']:g}",
        in_flight=results["in_flight"],
        headline=headline_table(results["cells"]),
        own_targets=target_table(results, OWN_TARGETS),
        peer_targets=target_table(results, PEER_TARGETS),
        jpeg=jpeg_note(results),
        model_pace=pace_note(results["cells"], MODEL),
        python_pace=pace_note(results["cells"], PYTHON),
        frames=figure_table(results["cells"], FRAMES),
        p99=figure_table(results["cells"], P99),
        cpu=figure_table(results["cells"], CPU),
        client=figure_table(results["cells"], CLIENT_CPU),
        model=special_table(results["cells"], MODEL),
        python=special_table(results["cells"], PYTHON),
        open_loop=special_table(results["cells"], OPEN_LOOP),
        ideal=f"{IDEAL_MODEL:.0f}",
        cannot=cannot_list(results["cells"]),
        setups="\n".join(f"- **{SUBJECTS[name].title}**: {SUBJECTS[name].note}" for name in _measured(results)),
        versions=version_list(results),
        idle=f"{max(results['idle_cpu_s'].values(), default=0.0):.2f}",
        stages=results.get("stages", ""),
    )


def headline_table(cells: Sequence[Mapping[str, Any]]) -> str:
    """Frames/s and p99 of the cells that tell most: a row per cell, a column per subject."""
    names = [name for name in COMPARED if any(name in cell["subjects"] for cell in cells)]
    rows = [
        f"| frames/s (p99 ms) | {' | '.join(SUBJECTS[name].title for name in names)} |",
        "|---|" + "---|" * len(names),
    ]
    for key in HEADLINES:
        subjects = _subjects(cells, *key)
        if subjects:
            shown = [_with_p99(subjects.get(name)) for name in names]
            streams = "1 stream" if key[1] == 1 else f"{key[1]} streams"
            rows.append(f"| {key[0]}, {streams} | {' | '.join(shown)} |")
    return "\n".join(rows)


def _with_p99(result: Mapping[str, Any] | None) -> str:
    speed = _shown(result, FRAMES)
    return f"{speed} ({_shown(result, P99)})" if speed not in ("", "cannot") else speed


def jpeg_note(results: Mapping[str, Any]) -> str:
    """What is decoded of a JPEG, and by whom."""
    if _is_floor_fair(results):
        return "Of a JPEG everybody decodes the luma alone, which is all that the decision needs."
    return (
        "**When these figures were made the floor still decoded the colours of a JPEG**, and framewire and the peers "
        "the luma alone: its JPEG figures are too low, and framewire is not judged by them."
    )


def _is_floor_fair(results: Mapping[str, Any]) -> bool:
    return results.get("floor_jpeg") == LUMA


def pace_note(cells: Sequence[Mapping[str, Any]], name: str) -> str:
    """Whether the machine was as fast around a cell as when the length of its work was set."""
    drift = next((cell.get("drift") for cell in cells if cell["name"] == name), None)
    if drift is None:
        return "How fast the machine was when this was measured is not known: it was calibrated once, before the run."
    found = f"before the run, right before this cell and right after it, differ by {drift:.1%}"
    if drift <= MOST_DRIFT:
        return f"The calibrations that say how much work a millisecond is, {found}."
    return (
        f"**The machine did not keep its pace**: the calibrations that say how much work a millisecond is, {found}, "
        f"which is more than {MOST_DRIFT:.0%}. The servers took turns and can be compared with each other, but not "
        "with an ideal."
    )


def target_table(results: Mapping[str, Any], targets: Sequence[Target]) -> str:
    """Each target with what was reached, in a column for each server that is held against one."""
    held = {name for target in targets for name in target.ours}
    names = [name for name in SUBJECTS if name in held]
    titles = " | ".join(SUBJECTS[name].title for name in names)
    rows = [f"| load | streams | figure | against | target | {titles} |", "|---|---|---|---|---|" + "---|" * len(names)]
    for target in targets:
        subjects = _subjects(results["cells"], target.name, target.streams)
        verdicts = {name: judge(target, name, subjects) for name in target.ours}
        rival = next((verdict.rival for verdict in verdicts.values() if verdict is not None), "")
        reason = _not_judged(results, target)
        shown = []
        for name in names:
            verdict = verdicts.get(name)
            if verdict is not None:
                word = reason or ("met" if verdict.is_met else "**missed**")
                shown.append(f"{verdict.median:.2f} ({verdict.least:.2f} to {verdict.most:.2f}) {word}")
            else:
                # Of one that has no figures in a cell with figures the tables below say why.
                shown.append("not measured" if name in target.ours and not any(verdicts.values()) else "")
        rows.append(
            f"| {target.name} | {target.streams} | {FIGURES[target.figure]} | {_against(target, rival)} | "
            f"{_bound(target)} | {' | '.join(shown)} |"
        )
    return "\n".join(rows)


def _not_judged(results: Mapping[str, Any], target: Target) -> str:
    """Why figures of a run do not say whether a target is met; empty when they do."""
    if target.name == JPEG_SHARED and "floor" in target.rivals and not _is_floor_fair(results):
        return "not judged: the floor decoded colours"
    cells = results["cells"]
    drift = next((cell.get("drift") or 0.0 for cell in cells if cell["name"] == target.name), 0.0)
    if not target.rivals and drift > MOST_DRIFT:
        return f"not judged: calibrations differ by {drift:.0%}"
    return ""


def _bound(target: Target) -> str:
    return f"{'at least' if target.is_least else 'at most'} {target.bound:.2g}"


def _against(target: Target, rival: str) -> str:
    if not target.rivals:
        return f"the ideal, {IDEAL_MODEL:.0f}"
    if len(target.rivals) == 1:
        return SUBJECTS[target.rivals[0]].title
    who = "either form" if target.rivals == TUNED else "the usual form"
    return who + (f": {SUBJECTS[rival].title}" if rival else "")


def figure_table(cells: Sequence[Mapping[str, Any]], figure: str) -> str:
    """The medians of one figure: a row per cell, a column per subject."""
    names = [name for name in COMPARED if any(name in cell["subjects"] for cell in cells)]
    rows = [
        f"| load | streams | {' | '.join(SUBJECTS[name].title for name in names)} |",
        "|---|---|" + "---|" * len(names),
    ]
    for cell in cells:
        if cell["name"] not in SPECIAL:
            shown = [_shown(cell["subjects"].get(name), figure) for name in names]
            rows.append(f"| {cell['name']} | {cell['streams']} | {' | '.join(shown)} |")
    return "\n".join(rows)


def special_table(cells: Sequence[Mapping[str, Any]], name: str) -> str:
    """All figures of one cell: a row per subject."""
    rows = ["| server | frames/s | p50 ms | p99 ms | max ms | server CPU ms/frame |", "|---|---|---|---|---|---|"]
    figures = (FRAMES, "p50_ms", P99, "max_ms", CPU)
    for cell in cells:
        if cell["name"] != name:
            continue
        for subject, result in cell["subjects"].items():
            shown = [_shown(result, figure) for figure in figures]
            rows.append(f"| {SUBJECTS[subject].title} | {' | '.join(shown)} |")
        if cell["offered"]:
            rows.insert(0, f"{cell['offered']:.0f} frames/s are offered over {cell['streams']} streams.\n")
    return "\n".join(rows) if len(rows) > 2 else "Not measured in this run."


def _shown(result: Mapping[str, Any] | None, figure: str) -> str:
    if result is None or ("cannot" not in result and not result["rounds"]):
        return ""
    if "cannot" in result:
        return "cannot"
    value = statistics.median(one[figure] for one in result["rounds"])
    if figure == FRAMES:
        return f"{value:,.0f}"
    return f"{value:.2f}" if figure in (CPU, CLIENT_CPU) else f"{value:.1f}"


def cannot_list(cells: Sequence[Mapping[str, Any]]) -> str:
    """Who could not do what, with its own words, and who needed another try."""
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for cell in cells:
        for name, result in cell["subjects"].items():
            where = f"{cell['name']} ({cell['streams']})"
            if "cannot" in result:
                reasons.setdefault((name, "cannot", result["cannot"]), []).append(where)
            else:
                for failure in result["failures"]:
                    reasons.setdefault((name, "failed in a round and got another try", failure), []).append(where)
    lines = [
        f"- {SUBJECTS[name].title} {what}: `{reason}`: {'; '.join(where)}"
        for (name, what, reason), where in reasons.items()
    ]
    return "\n".join(lines) or "Everyone could do everything."


def version_list(results: Mapping[str, Any]) -> str:
    """Versions by environment."""
    users = {subject.environment: subject.title for subject in reversed(SUBJECTS.values())}
    users |= {"own": "floor, framewire and the load", "triton": "Triton"}
    return "\n".join(
        f"- {users[environment]}: " + ", ".join(f"{package} {version}" for package, version in packages.items())
        for environment, packages in results["versions"].items()
    )


def _measured(results: Mapping[str, Any]) -> list[str]:
    return [name for name in SUBJECTS if any(name in cell["subjects"] for cell in results["cells"])]


def _subjects(cells: Sequence[Mapping[str, Any]], name: str, streams: int) -> Mapping[str, Any]:
    for cell in cells:
        if cell["name"] == name and cell["streams"] == streams:
            found: Mapping[str, Any] = cell["subjects"]
            return found
    return {}
