"""The peers' own virtual environments, under .bench/ in the repository."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".bench"

REQUIREMENTS = {
    # The OpenCV lines are the newest that each peer's numpy allows.
    "triton": ("nvidia-pytriton==0.7.0", "opencv-python-headless<4.12"),
    "ray": ("ray[serve]>=2.57", "opencv-python-headless", "protobuf>=7.35.1"),
    "mlserver": ("mlserver>=1.7", "opencv-python-headless"),
    "plots": ("matplotlib>=3.9",),
}

SHOWN = {
    "own": ("grpcio", "protobuf", "numpy", "opencv-python-headless"),
    "triton": ("nvidia-pytriton", "numpy", "opencv-python-headless"),
    "ray": ("ray", "grpcio", "protobuf", "numpy", "opencv-python-headless"),
    "mlserver": ("mlserver", "grpcio", "protobuf", "numpy", "opencv-python-headless"),
}
"""Packages whose versions stand in the results."""


def interpreter(name: str) -> Path:
    """The Python of an environment; ``own`` is the one that this script runs in."""
    return Path(sys.executable) if name == "own" else PLACE / name / "bin" / "python"


@functools.cache
def make(name: str) -> None:
    """Makes an environment unless it is there.

    Raises:
        RuntimeError: It cannot be made; the text is the installer's last line.
    """
    wanted = "\n".join(REQUIREMENTS.get(name, ()))
    stamp = PLACE / name / "requirements.txt"
    if name == "own" or (stamp.exists() and stamp.read_text() == wanted):
        return
    print(f"installing {', '.join(REQUIREMENTS[name])} into .bench/{name}", flush=True)
    for command in (
        (sys.executable, "-m", "venv", "--clear", str(PLACE / name)),
        (str(interpreter(name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS[name]),
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            raise RuntimeError(f"its environment cannot be made: {lines[-1]}")
    stamp.write_text(wanted)


@functools.cache
def versions(name: str) -> dict[str, str]:
    """Version by package, of those in `SHOWN`."""
    script = (
        "import json, sys; from importlib.metadata import version; "
        "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    )
    done = subprocess.run(
        (str(interpreter(name)), "-c", script, *SHOWN[name]), capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found
