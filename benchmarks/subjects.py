"""Who is measured: how each server starts, and which client speaks to it."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import environments
from calibration import Calibration
from cells import Work
from contract_load import ContractClient
from load import Client
from peers.work import ROUNDS_PER_MS
from process_tree import ProcessTree
from v2_load import MlserverClient, TritonClient

HERE = Path(__file__).resolve().parent
LOGS = environments.PLACE / "logs"
START_S = 120.0
"""How long a server may take to listen."""


@dataclass(frozen=True)
class Subject:
    """One server of the comparison.

    Args:
        title: Its name in tables.
        environment: Where it is installed.
        command: Its command line after the interpreter, by port and work.
        client: Makes a client for an address.
        note: How it is set up, a sentence or two for the report.
        needs: Options of ``framewire serve`` without which it is left out.
        variables: Environment variables of its own, as pairs.
    """

    title: str
    environment: str
    command: Callable[[int, Work, Calibration], list[str]]
    client: Callable[[str], Client]
    note: str
    needs: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def has_variants(self) -> bool:
        """Each kind of work takes a server of its own; the others learn from the stream what to do."""
        return self.title.startswith("framewire")


def _script(path: str) -> Callable[[int, Work, Calibration], list[str]]:
    return lambda port, work, calibration: [str(HERE / path), str(port)]


def _framewire(*options: str) -> Callable[[int, Work, Calibration], list[str]]:
    def command(port: int, work: Work, calibration: Calibration) -> list[str]:
        line = ["-m", "framewire", "serve", "-p", str(port), "--host", "127.0.0.1", "--log-level", "error", *options]
        if work == "model":
            line += ["--processor", f"{HERE / 'processors.py'}:Model", "-b", "8"]
            line += ["--option", f"rounds_per_ms={calibration.rounds_per_ms}"]
        elif work == "python":
            line += ["--processor", f"{HERE / 'processors.py'}:PurePython"]
            line += ["--option", f"turns_per_ms={calibration.turns_per_ms}"]
        return line

    return command


SUBJECTS = {
    "floor": Subject(
        "floor",
        "own",
        _script("floor.py"),
        functools.partial(ContractClient, tells_work=True),
        "`benchmarks/floor.py`, a bare grpc.aio handler: stock protobuf, no checks, one frame after the other in the "
        "event loop.",
    ),
    "framewire": Subject(
        "framewire",
        "own",
        _framewire(),
        functools.partial(ContractClient, tells_work=False),
        "`framewire serve` with its defaults: one worker thread.",
    ),
    "framewire-inline": Subject(
        "framewire, inline",
        "own",
        _framewire("--executor", "inline"),
        functools.partial(ContractClient, tells_work=False),
        "`framewire serve --executor inline`, meant for processors that take microseconds.",
        needs=("--executor",),
    ),
    "framewire-processes-1": Subject(
        "framewire, 1 process",
        "own",
        _framewire("--executor", "processes", "--workers", "1"),
        functools.partial(ContractClient, tells_work=False),
        "`framewire serve --executor processes --workers 1`.",
        needs=("--executor", "--workers"),
    ),
    "framewire-processes-2": Subject(
        "framewire, 2 processes",
        "own",
        _framewire("--executor", "processes", "--workers", "2"),
        functools.partial(ContractClient, tells_work=False),
        "`framewire serve --executor processes --workers 2`.",
        needs=("--executor", "--workers"),
    ),
    "triton-backend": Subject(
        "Triton, model.py",
        "triton",
        _script("peers/triton_backend.py"),
        TritonClient,
        "`benchmarks/peers/triton_backend.py`: the Python backend of Triton 2.51 with a `model.py`, one instance, "
        "dynamic batching up to 8, from the binaries in PyTriton's wheel; one ModelStreamInfer call per stream, system "
        "shared memory registered once per stream.",
    ),
    "triton-callable": Subject(
        "Triton, PyTriton",
        "triton",
        _script("peers/triton_callable.py"),
        TritonClient,
        "`benchmarks/peers/triton_callable.py`: the same Triton with a callable bound by PyTriton, which lives in a "
        "process of its own behind the Python backend; same batching, same client.",
    ),
    "ray": Subject(
        "Ray Serve",
        "ray",
        _script("peers/ray_serve.py"),
        functools.partial(ContractClient, tells_work=True),
        "`benchmarks/peers/ray_serve.py`: the extension contract over Ray Serve's bidirectional gRPC, one proxy and "
        "one replica, `serve.batch` for the model.",
    ),
    "ray-haproxy": Subject(
        "Ray Serve, HAProxy",
        "ray",
        _script("peers/ray_serve.py"),
        functools.partial(ContractClient, tells_work=True),
        "the same with `RAY_SERVE_ENABLE_HA_PROXY=1` and `RAY_SERVE_THROUGHPUT_OPTIMIZED=1`: HAProxy passes each "
        "stream to a gRPC server inside the replica, and Ray's own proxy takes no part.",
        variables=(("RAY_SERVE_ENABLE_HA_PROXY", "1"), ("RAY_SERVE_THROUGHPUT_OPTIMIZED", "1")),
    ),
    "mlserver": Subject(
        "MLServer",
        "mlserver",
        _script("peers/mlserver_v2.py"),
        MlserverClient,
        "`benchmarks/peers/mlserver_v2.py`: a model in MLServer's own process (no workers), V2 over gRPC, the frame as "
        "one element of type BYTES, four loops of ModelInfer calls per stream.",
    ),
}


class Instance:
    """A running server, held still whenever it is not its turn.

    Raises:
        RuntimeError: It cannot be installed, or ends before it listens; the text is its own.
    """

    def __init__(self, name: str, work: Work, calibration: Calibration) -> None:
        subject = SUBJECTS[name]
        missing = [option for option in subject.needs if option not in serve_options()]
        if missing:
            raise RuntimeError(f"framewire serve has no {' and no '.join(missing)} here")
        environments.make(subject.environment)
        port = _free_ports()
        mark = secrets.token_hex(8)
        LOGS.mkdir(parents=True, exist_ok=True)
        self._log = LOGS / f"{name}-{work}.log"
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [str(environments.interpreter(subject.environment)), *subject.command(port, work, calibration)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, **_variables(calibration), **dict(subject.variables), "BENCH_SUBJECT": mark},
            )
        self.tree = ProcessTree(process, f"BENCH_SUBJECT={mark}")
        try:
            self._wait_until_it_listens(process)
        except BaseException:
            self.tree.end()
            raise
        self.client = subject.client(f"127.0.0.1:{port}")
        self.idle_cpu_s = 0.0
        self.tree.refresh()
        self.hold()

    def _wait_until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_S
        while b"listening on " not in self._log.read_bytes():
            if process.poll() is not None:
                raise RuntimeError(f"ended with status {process.returncode}: {self._last_line()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"does not listen after {START_S:g} s: {self._last_line()}")
            time.sleep(0.1)  # the log is a file, so that a full pipe cannot hold the server up

    def _last_line(self) -> str:
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1][:300] if lines else "it said nothing"

    def hold(self) -> None:
        """Stops all its processes."""
        self.tree.freeze()
        self._held_cpu_s = self.tree.cpu_seconds()

    def resume(self) -> None:
        """Lets them go on, and adds up what they used meanwhile, which is nothing."""
        self.idle_cpu_s += self.tree.cpu_seconds() - self._held_cpu_s
        self.tree.thaw()

    def end(self) -> None:
        """Ends the server."""
        self.tree.end()


@functools.cache
def serve_options() -> str:
    """The help of ``framewire serve``, which tells whether an option is there."""
    done = subprocess.run((sys.executable, "-m", "framewire", "serve", "--help"), capture_output=True, check=False)
    return done.stdout.decode()


def _variables(calibration: Calibration) -> dict[str, str]:
    library = sysconfig.get_config_var("LIBDIR") or ""
    return {
        ROUNDS_PER_MS: str(calibration.rounds_per_ms),
        # The stubs of the contract for Ray, and for its workers the file that they import.
        "PYTHONPATH": os.pathsep.join(
            (str(HERE.parent / "src"), str(HERE / "peers"), os.environ.get("PYTHONPATH", ""))
        ),
        # Triton's Python backend embeds this interpreter.
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, (library, os.environ.get("LD_LIBRARY_PATH", "")))),
    }


def _free_ports(count: int = 4) -> int:
    """The first of so many neighbouring ports that nobody listens on."""
    for first in range(18000 + os.getpid() % 1000 * 10, 60000, count):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise RuntimeError("no four neighbouring ports are free")
