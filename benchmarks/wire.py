"""What reading and writing one message costs, in microseconds: the best of many, so that a busy machine matters little.

python benchmarks/wire.py [--rounds 40]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from framewire.model.geometry import Rectangle
from framewire.model.inference import Classification, Entity, Motion, Tag
from framewire.model.message import ContentReference, Message, Sample
from framewire.wire import decode, encode

TIME = 145_819_820_073_974
FRAME_BYTES = 1920 * 1080 * 3
MAX_OVERHEAD_BYTES = 1 << 20
LIGHT = Classification(Tag("light", 1.0), subtype="colorIntensity")
MOTION = Motion(Rectangle(0.25, 0.5, 0.125, 0.0625), subtype="motion", inference_id="m-1")
CARS = [Entity(Tag("car", 0.9), Rectangle(0.25, 0.5, 0.125, 0.0625), id=str(number)) for number in range(20)]


def messages() -> dict[str, Message]:
    return {
        "sample in shared memory": Message(300, 0, Sample(TIME, ContentReference(FRAME_BYTES, FRAME_BYTES))),
        "the same with 20 upstream entities": Message(300, 0, Sample(TIME, ContentReference(0, FRAME_BYTES), CARS)),
        "embedded JPEG, 100 kB": Message(300, 0, Sample(TIME, bytes(100_000))),
        "embedded 1080p RGB24": Message(300, 0, Sample(TIME, bytes(FRAME_BYTES))),
        "the same with upstream motion": Message(300, 0, Sample(TIME, bytes(FRAME_BYTES), (MOTION,))),
        "answer without result": Message(300, 300, Sample(TIME)),
        "answer with a classification": Message(300, 300, Sample(TIME, None, (LIGHT,))),
        "answer with 20 entities": Message(300, 300, Sample(TIME, None, CARS)),
    }


def best_us(call: Callable[[], object], rounds: int) -> float:
    """Microseconds of one call: the best round of `rounds`, each about two milliseconds long."""
    started = time.perf_counter()
    call()
    calls = max(1, int(0.002 / (time.perf_counter() - started)))
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(calls):
            call()
        best = min(best, (time.perf_counter() - started) / calls)
    return best * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    print("| message | decode, us | encode, us |\n|---|---|---|")
    for name, message in messages().items():
        data = encode(message)
        reading = best_us(lambda: decode(data, max_overhead_bytes=MAX_OVERHEAD_BYTES), rounds)  # noqa: B023 - called now
        writing = best_us(lambda: encode(message), rounds)  # noqa: B023 - called now
        print(f"| {name} | {reading:.1f} | {writing:.1f} |")


if __name__ == "__main__":
    main()
