"""Regenerates the protobuf stubs in src/framewire/wire from proto/.

python tools/generate_stubs.py            write them
python tools/generate_stubs.py --check    exit 1 when the committed ones differ
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
SOURCE = ROOT / "src"


def generate(target: Path) -> list[Path]:
    protos = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    # No _pb2_grpc: handlers and calls are registered by method name, so that wire never imports grpc.
    status = protoc.main(
        ["protoc", f"--proto_path={PROTO}", f"--python_out={target}", f"--mypy_out=quiet:{target}", *protos]
    )
    if status:
        sys.exit(f"protoc failed with status {status}")
    return sorted(path for path in target.rglob("*_pb2.py*") if "wire" in path.parts)


def main() -> None:
    if "--check" not in sys.argv[1:]:
        generate(SOURCE)
        return
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        stale = [
            str(path.relative_to(fresh))
            for path in generate(fresh)
            if not (SOURCE / path.relative_to(fresh)).exists()
            or (SOURCE / path.relative_to(fresh)).read_bytes() != path.read_bytes()
        ]
    if stale:
        sys.exit(f"stubs differ from proto/: {', '.join(stale)}; run make proto and commit the result")


if __name__ == "__main__":
    main()
