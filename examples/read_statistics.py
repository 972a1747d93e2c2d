"""Asks a server what it has done: python examples/read_statistics.py HOST:PORT

With credentials: python examples/read_statistics.py HOST:PORT USER:PASSWORD
"""

import base64
import json
import sys
from typing import Any

import grpc


# region: read
def read_statistics(address: str, credentials: str = "") -> dict[str, Any]:
    """The statistics of the server at HOST:PORT; `credentials` is ``user:password``, or empty."""
    metadata = []
    if credentials:
        metadata.append(("x-ms-authentication", "Basic " + base64.b64encode(credentials.encode()).decode()))
    with grpc.insecure_channel(address) as channel:
        read = channel.unary_unary("/framewire.v1.Statistics/Read")
        document: dict[str, Any] = json.loads(read(b"", timeout=5, metadata=metadata))
    return document


# endregion: read


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit(f"usage: {sys.argv[0]} HOST:PORT [USER:PASSWORD]")
    try:
        document = read_statistics(*sys.argv[1:])
    except grpc.RpcError as error:
        sys.exit(f"{sys.argv[1]} did not answer: {error.code().name}: {error.details()}")
    frames = document["frames"]
    dropped = ", ".join(f"{cause} {count}" for cause, count in frames["dropped"].items())
    print(f"{document['sessions']['open']} sessions open, {frames['in_flight']} frames in flight")
    print(f"received {frames['received']}, answered {frames['answered']} ({frames['failed']} failed)")
    print(f"dropped: {dropped}")
    print(f"{'':10} {'count':>7} {'p50':>9} {'p99':>9} {'max':>9}")
    for name, stage in document["stages"].items():
        figures = " ".join(f"{stage[member]:9.3f}" for member in ("p50_ms", "p99_ms", "max_ms"))
        print(f"{name:10} {stage['count']:7} {figures}  ms")
    batch = document["batch_size"]
    print(f"{'batch size':10} {batch['count']:7} {batch['p50']:9.1f} {batch['p99']:9.1f} {batch['max']:9.1f}")
    for executor in document["executors"]:
        print("executor:", ", ".join(f"{name} {value}" for name, value in executor.items()))


if __name__ == "__main__":
    main()
