"""Messages that wait: in memory, on a disk, and in memory while the disk takes no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from framewire.hub.outbox import Outbox
from framewire.hub.statistics import DropCause

MIB = 1 << 20


def silent(text: str) -> None:
    raise AssertionError(text)


def numbers(outbox: Outbox, after: int = 0) -> list[int]:
    return [number for number, _ in outbox.read(after, 10_000, MIB)]


def test_memory_keeps_the_newest() -> None:
    outbox = Outbox(None, 1000, silent)
    outbox.append([b"%03d" % number * 30 for number in range(1, 21)])
    # 98 bytes each with their header.
    assert numbers(outbox) == list(range(11, 21))
    assert outbox.dropped == {DropCause.FULL: 10}
    assert (outbox.waiting, outbox.waiting_bytes) == (10, 980)
    assert not outbox.is_lasting
    assert outbox.ack(15) == 5
    assert numbers(outbox) == [16, 17, 18, 19, 20]
    assert outbox.read(17, 2, MIB) == [(18, b"018" * 30), (19, b"019" * 30)]
    assert outbox.read(0, 10, 91) == [(16, b"016" * 30), (17, b"017" * 30)]
    assert outbox.close() == 5
    assert outbox.waiting == 0


def test_a_message_above_the_bound_is_told_apart(tmp_path: Path) -> None:
    for outbox in (Outbox(None, 64 << 10, silent), Outbox(tmp_path, 64 << 10, silent)):
        outbox.append([b"before", b"x" * (64 << 10), b"after"])
        assert numbers(outbox) == [1, 3]
        assert outbox.dropped[DropCause.TOO_LARGE] == 1
        outbox.close()


def test_a_folder_outlasts_the_outbox(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, MIB, silent)
    outbox.append([b"a", b"b", b"c"])
    assert outbox.is_lasting
    assert outbox.ack(1) == 1
    assert outbox.close() == 0
    outbox = Outbox(tmp_path, MIB, silent)
    assert (outbox.resumed, outbox.acked, outbox.waiting) == (2, 1, 2)
    outbox.append([b"d"])
    assert outbox.read(outbox.acked, 10, MIB) == [(2, b"b"), (3, b"c"), (4, b"d")]
    outbox.close()


def test_a_disk_at_its_bound_drops_the_oldest(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, 64 << 10, silent)
    for _ in range(100):
        outbox.append([b"x" * 1000])
    kept = numbers(outbox)
    assert kept[-1] == 100
    assert outbox.dropped == {DropCause.FULL: 100 - len(kept), DropCause.UNREADABLE: 0}
    outbox.close()


def in_a_process_with_a_full_disk(code: str, folder: Path) -> str:
    """Runs code in a process that can call full() and free(): files may not grow, or may again."""
    preamble = f"""
        import resource
        from pathlib import Path
        from framewire.hub.outbox import Outbox

        def full(size=0):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        def free():
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

        def numbers():
            return [number for number, _ in outbox.read(outbox.acked, 10_000, 1 << 30)]

        folder = Path({str(folder)!r})
        notes = []
        outbox = Outbox(folder, 16 << 20, notes.append)
    """
    script = dedent(preamble) + dedent(code)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_memory_stands_in_for_a_full_disk_and_the_order_stays(tmp_path: Path) -> None:
    out = in_a_process_with_a_full_disk(
        """
        outbox.append([b"a", b"b"])
        full()
        outbox.append([b"c"])
        outbox.append([b"d"])
        print(numbers(), outbox.waiting, outbox.is_lasting)
        outbox.ack(1)
        print(numbers(), outbox.waiting)
        free()
        outbox.append([b"e"])
        print(numbers(), outbox.waiting, outbox.is_lasting)
        print(*notes, sep="\\n")
        print(outbox.close())
        """,
        tmp_path,
    )
    assert out.splitlines() == [
        "[1, 2, 3, 4] 4 False",
        "[2, 3, 4] 3",
        "[2, 3, 4, 5] 4 True",
        f"the outbox {tmp_path} takes no more (File too large); up to 4 MiB are kept in memory until it does",
        f"the outbox {tmp_path} takes messages again",
        "0",
    ]
    outbox = Outbox(tmp_path, MIB, silent)
    assert outbox.read(outbox.acked, 10, MIB) == [(2, b"b"), (3, b"c"), (4, b"d"), (5, b"e")] or (
        # The note of what was delivered could not be written either: once more is allowed.
        outbox.read(outbox.acked, 10, MIB)[1:] == [(2, b"b"), (3, b"c"), (4, b"d"), (5, b"e")]
    )
    outbox.close()


def test_a_disk_that_fills_up_in_the_middle_of_a_write_keeps_what_is_whole(tmp_path: Path) -> None:
    out = in_a_process_with_a_full_disk(
        """
        full(1500)
        for number in range(5):
            outbox.append([b"%d" % number * 700])
        print(numbers(), outbox.is_lasting, len(notes))
        sizes = [path.stat().st_size for path in sorted(folder.glob("*.segment"))]
        print(sizes)
        outbox.ack(3)
        print(numbers())
        free()
        print(outbox.close())
        """,
        tmp_path,
    )
    assert out.splitlines() == ["[1, 2, 3, 4, 5] False 1", "[1416]", "[4, 5]", "0"]
    outbox = Outbox(tmp_path, MIB, silent)
    assert outbox.read(outbox.acked, 10, MIB)[-2:] == [(4, b"3" * 700), (5, b"4" * 700)]
    outbox.close()


def test_what_stands_in_has_a_bound_too(tmp_path: Path) -> None:
    out = in_a_process_with_a_full_disk(
        """
        outbox.append([b"on the disk"])
        full()
        for number in range(100):
            outbox.append([b"x" * 100_000])
        kept = numbers()
        print(kept[0], kept[1], kept[-1], outbox.waiting)
        print({cause.value: count for cause, count in outbox.dropped.items() if count})
        print(outbox.waiting_bytes <= (4 << 20) + 100, len(notes))
        print(outbox.close())
        """,
        tmp_path,
    )
    assert out.splitlines() == ["1 61 101 42", "{'disk': 59}", "True 1", "41"]


def test_a_folder_that_is_taken_away_does_not_stop_anything(tmp_path: Path) -> None:
    folder = tmp_path / "box"
    notes: list[str] = []
    outbox = Outbox(folder, 64 << 10, notes.append)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    outbox.append([b"a"])
    outbox.append([b"b"])
    assert outbox.read(0, 10, MIB) == [(1, b"a"), (2, b"b")]
    assert outbox.ack(2) == 2
    assert outbox.close() == 0
    assert notes == [
        f"the outbox {folder} takes no more (No such file or directory); "
        "up to 0.0625 MiB are kept in memory until it does"
    ]
