"""The document of a run of the long checks."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from verdicts import Report

_HEAD = """\
# Overload, soak, worker death

Long checks against real servers, each a process of its own, over real sockets and shared memory. A camera that keeps
account of every frame plays against them: each sample must be acknowledged exactly once, with the answer to its own
first byte or with nothing, and as many with nothing as the server says that it dropped or failed.
[How to run them, and what they look at](../how-to/soak.md). Server and cameras share the cores.

Command: `make soak` (`python tests/soak/soak.py --write`)

"""


def renew(figures: Path, report: Report, seed: int) -> None:
    """Puts a report in the place of the last one of its title, in the figures and in the document beside them.

    Args:
        figures: A JSON file; the document has its name and the ending ``.md``.
        report: What a check has found.
        seed: Of its chance.
    """
    known = json.loads(figures.read_text()) if figures.exists() else []
    entry = {
        "title": report.title,
        "setting": report.setting,
        "run": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {_surroundings()}; load average "
        f"{os.getloadavg()[1]:.1f} over the last 5 minutes; seed {seed}",
        "findings": [asdict(finding) for finding in report.findings],
    }
    titles = [old["title"] for old in known]
    if report.title in titles:
        known[titles.index(report.title)] = entry
    else:
        known.append(entry)
    figures.write_text(json.dumps(known, indent=1) + "\n")
    figures.with_suffix(".md").write_text(_document(known))


def _document(entries: Sequence[dict[str, Any]]) -> str:
    kept = sum(all(finding["is_kept"] for finding in entry["findings"]) for entry in entries)
    parts = [_HEAD, f"{kept} of {len(entries)} checks are as they may be.\n"]
    for entry in entries:
        parts.append(f"\n## {_cell(entry['title'])}\n\n{_sentence(entry['setting'])}\n\n{entry['run']}.\n\n")
        parts.append("| what | found | may be | |\n|---|---|---|---|\n")
        for finding in entry["findings"]:
            verdict = "" if not finding["limit"] else "yes" if finding["is_kept"] else "**no**"
            cells = (_cell(finding[name]) for name in ("what", "found", "limit"))
            parts.append(f"| {' | '.join(cells)} | {verdict} |\n")
    notes = Path(__file__).with_name("notes.md")
    return "".join(parts) + (f"\n{notes.read_text()}" if notes.exists() else "")


def _surroundings() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("grpcio", "protobuf", "numpy"))
    return f"{os.cpu_count()} cores of {_processor()}, Python {platform.python_version()}, {versions}"


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return " ".join(found[1].split()[:2]) if found else platform.machine()


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else text


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
