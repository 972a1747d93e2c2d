"""The fuzz targets run, and they find what they look for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FUZZ_WIRE = str(Path(__file__).with_name("fuzz_wire.py"))


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120, check=False)


def test_the_wire_target_finds_no_difference() -> None:
    done = fuzz(FUZZ_WIRE, "--without-atheris", "1000")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1000 inputs, no difference\n", "")


def test_the_wire_target_finds_a_walker_that_stops_at_the_first_sample() -> None:
    # The frame of a second sample replaces the first one; here it is not seen.
    broken = (
        "import runpy, sys\n"
        "from framewire.wire import walker\n"
        "find = walker._Walker.find\n"
        "walker._Walker.find = lambda *arguments: find(*arguments)[:1]\n"
        "sys.argv = ['fuzz_wire.py', '--without-atheris', '20000']\n"
        f"runpy.run_path({FUZZ_WIRE!r}, run_name='__main__')\n"
    )
    done = fuzz("-c", broken)
    assert done.returncode == 1
    assert "AssertionError: b" in done.stderr
    assert "protobuf Message(" in done.stderr
