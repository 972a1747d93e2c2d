"""Records on a disk: order, bound, what a crash leaves behind, damage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.errors import ConfigurationError
from framewire.hub import segment as segment_module
from framewire.hub.segments import SegmentLog

MIB = 1 << 20


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SegmentLog]:
    opened = SegmentLog(tmp_path / "box", MIB)
    yield opened
    opened.close()


def contents(log: SegmentLog, after: int = 0, most: int = 1000, most_bytes: int = MIB) -> list[tuple[int, bytes]]:
    return log.read(after, most, most_bytes)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.segment"))


def test_records_are_read_in_order(log: SegmentLog) -> None:
    log.append([(1, b"a"), (2, b""), (3, b"c" * 100_000)])
    log.append([(4, b"d")])
    assert contents(log) == [(1, b"a"), (2, b""), (3, b"c" * 100_000), (4, b"d")]
    assert contents(log, after=3) == [(4, b"d")]
    assert contents(log, after=4) == []
    assert contents(log, after=1, most=1) == [(2, b"")]
    # From the start again, after having read further.
    assert contents(log, most=2) == [(1, b"a"), (2, b"")]
    assert (log.waiting, log.last) == (4, 4)


def test_reading_ends_with_the_record_that_reaches_the_size(log: SegmentLog) -> None:
    log.append([(number, b"x" * 10) for number in range(1, 9)])
    assert [number for number, _ in contents(log, most_bytes=1)] == [1]
    assert [number for number, _ in contents(log, most_bytes=20)] == [1, 2]
    assert [number for number, _ in contents(log, most_bytes=21)] == [1, 2, 3]


def test_what_is_acknowledged_is_no_longer_needed(log: SegmentLog) -> None:
    log.append([(1, b"a"), (2, b"b"), (3, b"c")])
    assert log.ack(2) == 2
    assert (log.waiting, log.acked) == (1, 2)
    assert log.ack(2) == 0
    assert log.ack(1) == 0
    assert log.ack(99) == 1
    assert log.waiting == 0


def test_what_is_left_is_there_for_the_next_one(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, MIB)
    log.append([(number, b"%d" % number) for number in range(1, 6)])
    log.ack(2)
    log.close()
    log = SegmentLog(tmp_path, MIB)
    assert (log.waiting, log.acked, log.last) == (3, 2, 5)
    log.append([(6, b"6")])
    assert contents(log, after=log.acked) == [(3, b"3"), (4, b"4"), (5, b"5"), (6, b"6")]
    log.ack(6)
    log.close()
    assert files(tmp_path) == ["delivered", "lock"]
    log = SegmentLog(tmp_path, MIB)
    assert (log.waiting, log.acked, log.last) == (0, 6, 6)
    log.close()


def test_one_that_was_not_closed_is_the_same_as_one_that_was(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, MIB)
    log.append([(1, b"a"), (2, b"b")])
    log.ack(1)
    os.close(log._lock)  # as the end of its process does
    again = SegmentLog(tmp_path, MIB)
    assert contents(again, after=again.acked) == [(2, b"b")]
    again.close()


def test_a_folder_has_one_user(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path / "a" / "b", MIB)
    with pytest.raises(ConfigurationError) as refused:
        SegmentLog(tmp_path / "a" / "b", MIB)
    assert str(refused.value) == f"another process uses the outbox {tmp_path}/a/b; end it, or choose another folder"
    log.close()
    SegmentLog(tmp_path / "a" / "b", MIB).close()


def test_what_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError) as refused:
        SegmentLog(tmp_path / "file" / "box", MIB)
    assert str(refused.value) == (
        f"the outbox {tmp_path}/file/box cannot be used (Not a directory); "
        "make it a folder that this user may write to, or choose another"
    )


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path / "box", MIB)
    log.append([(1, b"secret")])
    assert (tmp_path / "box").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "box").iterdir()} == {0o600}
    log.close()


def test_the_oldest_make_room_at_the_bound(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, 64 << 10)
    for number in range(1, 101):
        log.append([(number, b"x" * 1000)])
    assert log.size_bytes <= 64 << 10
    assert sum(path.stat().st_size for path in segments(tmp_path)) == log.size_bytes
    kept = [number for number, _ in contents(log)]
    assert kept == list(range(101 - len(kept), 101))
    # Files of 1/16 of the bound hold five of these records; not more than one file is dropped in advance.
    assert len(kept) >= 58
    assert log.dropped == 100 - len(kept)
    assert log.waiting == len(kept)
    log.close()


def test_what_makes_room_after_it_was_acknowledged_is_not_dropped(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, 64 << 10)
    for number in range(1, 201):
        log.append([(number, b"x" * 1000)])
        log.ack(number - 2)
    assert (log.dropped, log.waiting) == (0, 2)
    assert len(segments(tmp_path)) <= 3
    log.close()


def test_a_record_may_be_as_large_as_the_bound(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, 64 << 10)
    log.append([(1, b"a"), (2, b"b")])
    large = b"x" * ((64 << 10) - segment_module.HEADER_BYTES)
    log.append([(3, large)])
    assert contents(log) == [(3, large)]
    assert log.dropped == 2
    log.close()


def test_numbers_may_have_gaps(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, MIB)
    log.append([(1, b"a"), (2, b"b"), (5, b"e")])
    log.append([(9, b"i")])
    assert contents(log, after=1) == [(2, b"b"), (5, b"e"), (9, b"i")]
    assert log.ack(4) == 2
    assert log.waiting == 2
    log.close()
    log = SegmentLog(tmp_path, MIB)
    assert contents(log, after=log.acked) == [(5, b"e"), (9, b"i")]
    log.close()


@pytest.mark.parametrize("kept_bytes", range(1, 20))
def test_a_torn_end_is_cut_off_and_the_next_record_goes_on(tmp_path: Path, kept_bytes: int) -> None:
    log = SegmentLog(tmp_path, MIB)
    log.append([(1, b"whole")])
    whole = log.size_bytes
    log.append([(2, b"torn record.")])
    os.close(log._lock)
    (path,) = segments(tmp_path)
    os.truncate(path, whole + kept_bytes)
    log = SegmentLog(tmp_path, MIB)
    assert (log.waiting, log.last) == (1, 1)
    log.append([(2, b"new")])
    assert contents(log) == [(1, b"whole"), (2, b"new")]
    log.close()
    log = SegmentLog(tmp_path, MIB)
    assert contents(log) == [(1, b"whole"), (2, b"new")]
    log.ack(2)
    log.close()
    assert files(tmp_path) == ["delivered", "lock"]


def test_a_file_whose_only_record_is_torn_gives_its_name_to_the_next(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, MIB)
    log.append([(1, b"torn")])
    os.close(log._lock)
    (path,) = segments(tmp_path)
    os.truncate(path, 3)
    log = SegmentLog(tmp_path, MIB)
    log.append([(1, b"new"), (2, b"newer")])
    log.ack(1)
    assert contents(log, after=1) == [(2, b"newer")]
    log.close()
    log = SegmentLog(tmp_path, MIB)
    assert contents(log, after=1) == [(2, b"newer")]
    log.close()


def test_zeros_at_the_end_are_no_records(tmp_path: Path) -> None:
    """What some file systems leave after the power was cut."""
    log = SegmentLog(tmp_path, MIB)
    log.append([(1, b"a")])
    os.close(log._lock)
    (path,) = segments(tmp_path)
    with path.open("ab") as file:
        file.write(bytes(4096))
    log = SegmentLog(tmp_path, MIB)
    assert contents(log) == [(1, b"a")]
    log.close()


def test_a_record_that_went_bad_while_we_run_costs_the_rest_of_its_file(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, 64 << 10)
    for number in range(1, 11):
        log.append([(number, b"x" * 1000)])
    first, second, *_ = segments(tmp_path)
    with first.open("r+b") as file:
        file.seek(2 * 1008 + 500)
        file.write(b"!")
    found = [number for number, _ in contents(log)]
    assert found[:2] == [1, 2]
    assert found[2] == int(second.stem)
    assert log.unreadable == int(second.stem) - 3
    assert log.waiting == len(found)
    assert log.ack(10) == len(found)
    assert log.waiting == 0
    log.close()


def test_a_file_that_somebody_deleted_is_counted_and_skipped(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, 64 << 10)
    for number in range(1, 11):
        log.append([(number, b"x" * 1000)])
    first, second, *_ = segments(tmp_path)
    first.unlink()
    assert contents(log)[0][0] == int(second.stem)
    assert log.unreadable == int(second.stem) - 1
    log.close()


def test_a_length_that_went_bad_asks_for_no_memory(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, MIB)
    log.append([(1, b"a")])
    os.close(log._lock)
    (path,) = segments(tmp_path)
    with path.open("r+b") as file:
        file.write(b"\xff\xff\xff\xff")
    log = SegmentLog(tmp_path, MIB)
    assert log.waiting == 0
    log.close()


@pytest.mark.parametrize("content", [b"", b"short", b"\x00" * 12, b"\xff" * 12, b"x" * 100])
def test_without_a_cursor_everything_is_delivered_again(tmp_path: Path, content: bytes) -> None:
    log = SegmentLog(tmp_path, MIB)
    log.append([(1, b"a"), (2, b"b")])
    log.ack(1)
    log.close()
    (tmp_path / "delivered").write_bytes(content)
    log = SegmentLog(tmp_path, MIB)
    assert contents(log) == [(1, b"a"), (2, b"b")]
    log.close()


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    for name in ("notes.txt", "1.segment", "\u0660" * 20 + ".segment", "x" * 20 + ".segment"):
        (tmp_path / name).write_text("mine")
    log = SegmentLog(tmp_path, MIB)
    log.append([(1, b"a")])
    log.ack(1)
    log.close()
    assert files(tmp_path) == sorted(
        ["delivered", "lock", "notes.txt", "1.segment", "\u0660" * 20 + ".segment", "x" * 20 + ".segment"]
    )


def test_nothing_stays_open(tmp_path: Path) -> None:
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(3):
        log = SegmentLog(tmp_path, 64 << 10)
        for number in range(log.last + 1, log.last + 30):
            log.append([(number, b"x" * 1000)])
            contents(log)
        log.close()
    with pytest.raises(ConfigurationError):
        SegmentLog(Path("/proc/none"), MIB)
    # Not equal: what tests before have left may be closed meanwhile.
    assert len([*Path("/proc/self/fd").iterdir()]) <= before


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(st.integers(0, 3000), min_size=1, max_size=6)),
        st.tuples(st.just("ack"), st.integers(0, 12)),
        st.tuples(st.just("reopen"), st.booleans()),
        st.tuples(st.just("skip"), st.integers(1, 3)),
    ),
    max_size=40,
)


@given(steps)
def test_it_behaves_as_a_list(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]]) -> None:
    """Whatever happens: order, counts, and what is left, are those of a list whose first items make room."""
    folder = tmp_path_factory.mktemp("box")
    log = SegmentLog(folder, 64 << 10)
    kept: dict[int, bytes] = {}
    number = 0
    for step, value in steps:
        if step == "append":
            records = []
            for size in value:  # type: ignore[attr-defined]
                number += 1
                records.append((number, b"%d " % number * (size // 4)))
            before = log.dropped
            log.append(records)
            kept.update(records)
            for _ in range(log.dropped - before):
                del kept[min(kept)]
        elif step == "ack":
            up_to = log.acked + value  # type: ignore[operator]
            gone = [item for item in kept if item <= up_to]
            assert log.ack(up_to) == len(gone)
            for item in gone:
                del kept[item]
            number = max(number, up_to)
        elif step == "reopen":
            log.close() if value else os.close(log._lock)
            log = SegmentLog(folder, 64 << 10)
        else:
            number += value  # type: ignore[operator]
        assert log.waiting == len(kept)
        assert log.read(log.acked, 1000, MIB) == sorted(kept.items())
        assert log.size_bytes <= 64 << 10
        assert log.unreadable == 0
    log.close()
