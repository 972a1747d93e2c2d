"""The commands as processes of their own, as an operator starts them."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

from framewire.cli.main import run

PATIENCE_S = 30.0
"""A test that waits longer than this has failed."""

SHARED_MEMORY = Path("/dev/shm")

Finished = subprocess.CompletedProcess[str]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without the settings that somebody may have in it; warnings are errors."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FRAMEWIRE_", "GRPC_")) and name not in ("port", "batchSize", "grpcBinding")
    }
    return {**plain, "PYTHONWARNINGS": "error", **(changes or {})}


def changed_by(folder: Path, code: str) -> dict[str, str]:
    """What makes Pythons run some code first: for a fault that nobody can cause, or a time that no option changes."""
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


FRAMEWIRE: tuple[object, ...] = ("-m", "framewire")


def command(*arguments: object, program: tuple[object, ...] = FRAMEWIRE) -> list[str]:
    """The words that start framewire, or a program of Python that stands in for it."""
    return [sys.executable, *map(str, program), *map(str, arguments)]


def framewire(*arguments: object, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Finished:
    """Runs a command to its end."""
    return subprocess.run(
        command(*arguments),
        env=environment(env),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def framewire_here(*arguments: object, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Finished:
    """Runs a command to its end in this process: what it says is the same, and no interpreter has to start."""
    words = [str(argument) for argument in arguments]
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    log, level = logging.root.handlers[:], logging.root.level
    try:
        with (
            patch.dict(os.environ, environment(env), clear=True),
            chdir(cwd or Path.cwd()),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = run(words)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        logging.root.handlers[:] = log
        logging.root.setLevel(level)
    return Finished(words, code, out.getvalue(), err.getvalue())


def complaint(finished: Finished, code: int) -> str:
    """The one line that a failed command says, after a look at its exit status."""
    assert "Traceback" not in finished.stderr
    (line,) = finished.stderr.splitlines()
    assert finished.stdout == ""
    assert finished.returncode == code, line
    return line.removeprefix("framewire: ")


def refused(*arguments: object, code: int = 2, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Runs a command that must fail, and returns the one line that it says."""
    return complaint(framewire(*arguments, env=env, cwd=cwd), code)


def refused_here(
    *arguments: object, code: int = 2, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """The same in this process."""
    return complaint(framewire_here(*arguments, env=env, cwd=cwd), code)


def documents(text: str) -> list[dict[str, Any]]:
    """One JSON document per line."""
    return [json.loads(line) for line in text.splitlines()]


def eventually(is_so: Callable[[], bool], what: str = "") -> None:
    """Polls until something is so; fails when it never is."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, f"still not so: {what or is_so}"
        time.sleep(0.01)


class Running:
    """A command that runs; its output is collected meanwhile. At the end of a block it is killed if it still runs."""

    def __init__(
        self,
        *arguments: object,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        program: tuple[object, ...] = FRAMEWIRE,
    ) -> None:
        self.process = subprocess.Popen(
            command(*arguments, program=program),
            env=environment(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=self._collect, args=(self.process.stdout, self.out)),
            threading.Thread(target=self._collect, args=(self.process.stderr, self.err)),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_running:
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()

    @staticmethod
    def _collect(stream: Any, lines: list[str]) -> None:
        with stream:
            lines.extend(iter(stream.readline, ""))

    @property
    def stdout(self) -> str:
        return "".join(self.out)

    @property
    def stderr(self) -> str:
        return "".join(self.err)

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def until_said(self, pattern: str) -> re.Match[str]:
        """Waits for something on stderr."""
        eventually(
            lambda: bool(re.search(pattern, self.stderr, re.MULTILINE)) or not self.is_running,
            f"{pattern} in {self.stderr}",
        )
        self.read_all_if_ended()
        found = re.search(pattern, self.stderr, re.MULTILINE)
        assert found, f"ended without {pattern}: {self.stderr}"
        return found

    def until_printed(self, count: int) -> None:
        """Waits for so many lines on stdout."""
        eventually(lambda: len(self.out) >= count or not self.is_running, f"{count} lines")
        self.read_all_if_ended()
        assert len(self.out) >= count, self.stderr

    def read_all_if_ended(self) -> None:
        """Has all that a command said, once it has ended."""
        if not self.is_running:
            for reader in self._readers:
                reader.join(PATIENCE_S)

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def until_taken(self, number: int) -> None:
        """Waits until it has taken a signal that was sent to it: another one that comes before is the same one."""
        eventually(lambda: not has_signal(self.process.pid, "ShdPnd", number), f"signal {number} is taken")

    def end(self) -> int:
        """Waits for the end; returns the exit status. No command may ever show a traceback."""
        code = self.process.wait(PATIENCE_S)
        self.read_all_if_ended()
        assert "Traceback" not in self.stderr, self.stderr
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal and waits for the end."""
        self.send_signal(number)
        return self.end()


@contextmanager
def running(
    *arguments: object,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    program: tuple[object, ...] = FRAMEWIRE,
) -> Iterator[Running]:
    """A command in the background, killed at the end of the block if it still runs."""
    with Running(*arguments, env=env, cwd=cwd, program=program) as one:
        yield one


class Server(Running):
    """A server that is ready."""

    def __init__(
        self,
        *arguments: object,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        where: tuple[object, ...] = ("--port", 0, "--host", "127.0.0.1"),
    ) -> None:
        super().__init__("serve", *where, *arguments, env=env, cwd=cwd)
        self.address = self.until_said(r"^listening on (.+)$")[1]


@contextmanager
def serving(*arguments: object, **named: Any) -> Iterator[Server]:
    """A server that is ready, killed at the end of the block if it still runs."""
    with Server(*arguments, **named) as one:
        yield one


def has_signal(process_id: int, kind: str, number: int) -> bool:
    """Whether a signal is among those of a kind: of SigCgt the process has a handler, ShdPnd it has not taken yet."""
    status = Path(f"/proc/{process_id}/status").read_text()
    signals = next(line.split()[1] for line in status.splitlines() if line.startswith(f"{kind}:"))
    return bool(int(signals, 16) & 1 << number - 1)


def memory_of(process: subprocess.Popen[str]) -> list[Path]:
    """The shared memory files that a process made and that are still there."""
    return sorted(SHARED_MEMORY.glob(f"framewire-{process.pid}-*"))
