"""Triton with a model of its Python backend, from the binaries that PyTriton brings, without PyTriton's own hop.

LD_LIBRARY_PATH=<the interpreter's lib folder> python benchmarks/peers/triton_backend.py PORT
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import urllib.error
import urllib.request
from pathlib import Path

import pytriton

HERE = Path(__file__).resolve().parent
PACKAGE = Path(pytriton.__file__).parent
MODELS = {"raw": "-1, -1, 3", "jpeg": "-1", "model": "-1, -1, 3"}

CONFIGURATION = """\
name: "{name}"
backend: "python"
max_batch_size: 8
input [ {{ name: "frame" data_type: TYPE_UINT8 dims: [ {dims} ] }} ]
output [ {{ name: "light" data_type: TYPE_UINT8 dims: [ 1 ] }} ]
instance_group [ {{ count: 1 kind: KIND_CPU }} ]
dynamic_batching {{ }}
"""


def lay_out(folder: Path) -> None:
    """A model repository, and the backend with the stub of this Python in it."""
    shutil.copytree(PACKAGE / "tritonserver" / "backends", folder / "backends")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = PACKAGE / "tritonserver" / "python_backend_stubs" / version / "triton_python_backend_stub"
    shutil.copy(stub, folder / "backends" / "python")
    for name, dims in MODELS.items():
        place = folder / "models" / name / "1"
        place.mkdir(parents=True)
        shutil.copy(HERE / "triton_model.py", place / "model.py")
        shutil.copy(HERE / "work.py", place)
        (place.parent / "config.pbtxt").write_text(CONFIGURATION.format(name=name, dims=dims))


def main(port: int) -> None:
    folder = Path(sys.prefix) / "repository"
    shutil.rmtree(folder, ignore_errors=True)
    lay_out(folder)
    environment = dict(os.environ)
    libraries = PACKAGE.parent / "nvidia_pytriton.libs"
    environment["LD_LIBRARY_PATH"] = f"{environment.get('LD_LIBRARY_PATH', '')}:{libraries}"
    # The stub embeds an interpreter, which takes the environment of the python3 that it finds first.
    environment["PATH"] = f"{sysconfig.get_path('scripts')}:{environment['PATH']}"
    command = [
        str(PACKAGE / "tritonserver" / "bin" / "tritonserver"),
        f"--model-repository={folder / 'models'}",
        f"--backend-directory={folder / 'backends'}",
        "--grpc-address=127.0.0.1",
        f"--grpc-port={port}",
        "--http-address=127.0.0.1",
        f"--http-port={port + 1}",
        "--allow-metrics=false",
    ]
    watcher = os.fork()
    if watcher:
        os.execve(command[0], command, environment)
    _announce(port)


def _announce(port: int) -> None:
    """Says when the server is ready, from a child, because the server takes this process's place."""
    import time

    parent = os.getppid()
    while os.getppid() == parent:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port + 1}/v2/health/ready", timeout=1) as answer:
                if answer.status == 200:
                    print(f"listening on 127.0.0.1:{port}", file=sys.stderr, flush=True)
                    break
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.2)  # another process gets ready, which tells by HTTP alone
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
