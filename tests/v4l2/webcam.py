"""A webcam for a command: a driver of our own in place of the kernel's, as no machine for tests has a camera."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_DRIVER = Path(__file__).with_name("driver.c")


def driver(folder: Path) -> Path:
    """The driver, compiled."""
    library = folder / "driver.so"
    compiler = shutil.which("cc")
    if compiler is None or not Path("/usr/include/linux/videodev2.h").exists():
        pytest.skip("needs a C compiler and the kernel's headers")
    command = [compiler, "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, _DRIVER, "-ldl"]
    subprocess.run(command, check=True)
    return library


@contextmanager
def device_file() -> Iterator[Path]:
    """A name for it under /dev, which no other camera has."""
    for number in range(70, 100):
        path = Path(f"/dev/video{number}")
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            continue
        except OSError as error:
            pytest.skip(f"needs a file in /dev ({error.strerror})")
        break
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def plugged_in(library: Path, path: Path, **settings: int) -> dict[str, str]:
    """The environment of a program that finds the webcam there: `fps`, `frames` until it is unplugged, `busy`."""
    given = {f"FAKE_CAMERA_{name.upper()}": str(value) for name, value in settings.items()}
    return {"LD_PRELOAD": str(library), "FAKE_CAMERA": str(path), **given}
