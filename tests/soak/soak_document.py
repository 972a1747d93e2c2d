"""The document of a run of the long checks."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from verdicts import Report

_HEAD = """\
# Overload, soak, worker death

Long checks against real servers, each a process of its own, over real sockets and shared memory. A camera that keeps
account of every frame plays against them: each sample must be acknowledged exactly once, with the answer to its own
first byte or with nothing, and as many with nothing as the server says that it dropped or failed.
[How to run them, and what they look at](../how-to/soak.md).

"""


def document(reports: Sequence[Report], seed: int) -> str:
    """What a run has found, as Markdown."""
    kept = sum(len(report.broken) == 0 for report in reports)
    versions = ", ".join(f"{name} {version(name)}" for name in ("grpcio", "protobuf", "numpy"))
    parts = [
        _HEAD,
        "Command: `make soak` (`python tests/soak/soak.py --write`)\n\n",
        f"Machine: {os.cpu_count()} cores of {_processor()}; Python {platform.python_version()}; {versions}. "
        "Server and cameras share the cores.\n\n",
        f"Seed: {seed}. {kept} of {len(reports)} checks are as they may be.\n",
    ]
    for report in reports:
        parts.append(f"\n## {_cell(report.title)}\n\n{_sentence(report.setting)}\n\n")
        parts.append("| what | found | may be | |\n|---|---|---|---|\n")
        for finding in report.findings:
            verdict = "" if not finding.limit else "yes" if finding.is_kept else "**no**"
            parts.append(f"| {_cell(finding.what)} | {_cell(finding.found)} | {_cell(finding.limit)} | {verdict} |\n")
    return "".join(parts)


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return " ".join(found[1].split()[:2]) if found else platform.machine()


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else text


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
