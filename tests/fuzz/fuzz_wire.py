"""Looks for bytes that ``decode`` and protobuf's own parser understand differently, for as long as one likes.

Guided by coverage, with atheris, which is not among framewire's dependencies; it wants a virtual environment of its own
with framewire and Hypothesis in it (``pip install --editable . hypothesis atheris``):

    python tests/fuzz/fuzz_wire.py -max_total_time=600 [FOLDER FOR INPUTS] [libFuzzer options]

Without atheris, from a random generator, with the number of inputs to try and where the generator starts:

    python tests/fuzz/fuzz_wire.py --without-atheris 1000000 [--seed 1]

It ends with an error at the first difference and prints the bytes; atheris also leaves them in a file.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

WIRE_TESTS = Path(__file__).resolve().parents[1] / "wire"
GOLDEN = WIRE_TESTS / "golden"


def main() -> None:
    sys.path.insert(0, str(WIRE_TESTS))
    if "--without-atheris" not in sys.argv:
        _run_atheris()
    parser = argparse.ArgumentParser()
    parser.add_argument("--without-atheris", type=int, metavar="INPUTS")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    generator = random.Random(arguments.seed)
    walk_everything()
    for _ in range(arguments.without_atheris):
        check(generator.randbytes(generator.randrange(250)))
    print(f"{arguments.without_atheris} inputs, no difference")


def _run_atheris() -> None:
    import atheris

    with atheris.instrument_imports(include=["framewire.wire"]):
        walk_everything()
    # The golden messages begin with 8: what follows is a message to `check`.
    golden = ",".join(str(path) for path in sorted(GOLDEN.iterdir()))
    atheris.Setup([*sys.argv, f"-seed_inputs={golden}"], check)
    atheris.Fuzz()


def walk_everything() -> None:
    """Lets the walker have messages of any size; otherwise it gets large ones alone, which are slow to try."""
    from framewire.wire import codec

    codec.LARGE_BYTES = 1
    codec.FRAME_SHARE = 0.0


def check(data: bytes) -> None:
    """One input: a byte that says what the others are, a byte that gives a bound, and a message or choices for one."""
    from odd_messages import Choices, any_bytes
    from reference_decoder import difference

    kind, bound = (*data[:2], 0, 0)[:2]
    message = data[2:] if kind % 4 == 0 else any_bytes(Choices(data[2:]))
    for most in (None, bound):
        if found := difference(message, most):
            raise AssertionError(f"{message!r} within {most}: {found}")


if __name__ == "__main__":
    main()
