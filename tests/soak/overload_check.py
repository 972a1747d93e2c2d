"""Overload: ten times more frames than the processor can take, for minutes."""

from __future__ import annotations

import asyncio
import os
import time

from footprints import MEGABYTE, PATIENCE_S, line_through
from soak_camera import FULL_HD, Account, SoakCamera
from soaked_server import SoakedServer, complaints
from verdicts import Report, percentile, sampled

STREAMS = 4
OFFERED_PER_S = 50
CALL_MS = 200
MAX_AGE_MS = 500
SESSION_MIB, TOTAL_MIB = 32, 96
"""Limits of embedded frames in flight: four sessions could have 128 MiB, all together may have 96."""

LIMIT_BYTES = min(STREAMS * SESSION_MIB, TOTAL_MIB) * (1 << 20) + 300 * MEGABYTE
END_TO_END_MS = MAX_AGE_MS + CALL_MS + 100
FLAT_MB = 16.0
"""What the line through the resident memory may rise over the time: less than three frames."""


async def overload(when_busy: str, seconds: float, *, settle_s: float) -> Report:
    """Offers 50 embedded 1080p frames/s to a processor that takes 5, and looks at memory, ages and accounts.

    A camera sends each frame at its time, whether the ones before are answered or not. One whose write is held up by
    the server leaves out the frames whose time is over by then, as a camera without memory does: what it cannot hand
    over was never the server's.

    Args:
        when_busy: `wait`, or `latest`, which comes with a largest age.
        seconds: How long.
        settle_s: From when on the memory must be flat.
    """
    options: list[object] = ["--option", f"ms={CALL_MS}", "--when-busy", when_busy]
    options += ["--max-in-flight-mib", SESSION_MIB, "--max-total-in-flight-mib", TOTAL_MIB]
    if when_busy != "wait":
        options += ["--max-age", MAX_AGE_MS]
    account = Account()
    async with SoakedServer("Slow", *options) as server:
        began_s = time.monotonic()
        async with sampled(lambda: server.resident_bytes / MEGABYTE, lambda: time.monotonic() - began_s) as memory:
            async with asyncio.TaskGroup() as tasks:
                offering = [
                    tasks.create_task(_offer(server.address, account, index, seconds)) for index in range(STREAMS)
                ]
            left_out = sum(task.result() for task in offering)
        counts = await server.statistics()
        log = server.log
    # What an operator may tell the C library; it decides how much memory is kept beside what is used.
    told = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("MALLOC_")]
    report = Report(
        ", ".join(["overload", when_busy, *told]),
        f"{OFFERED_PER_S} frames/s of 1920x1080 RGB24 offered over {STREAMS} streams for {seconds:g} s to a processor "
        f"of {CALL_MS} ms; {' '.join(server.options)}",
    )
    report.tell("frames offered, handed over, processed", f"{account.sent + left_out}, {account.sent}, {account.right}")
    _tell_account(report, account, counts["frames"])
    _tell_memory(report, memory, seconds, settle_s)
    if when_busy != "wait":
        _tell_ages(report, account, counts)
    report.expect("errors in the server's log", complaints(log), [])
    return report


async def _offer(address: str, account: Account, index: int, seconds: float) -> int:
    """One camera; returns how many frames it left out because it was held up."""
    period_s = STREAMS / OFFERED_PER_S
    left_out = 0
    async with SoakCamera(address, account, FULL_HD, in_flight=1 << 30, keeps_ages=True) as camera:
        first_s = time.monotonic() + period_s * index / STREAMS
        for number in range(round(seconds / period_s)):
            due_s = first_s + number * period_s
            late_s = time.monotonic() - due_s
            if late_s >= period_s:
                left_out += 1
                continue
            await asyncio.sleep(max(0.0, -late_s))
            await camera.send(number % 200)
        await camera.finish(PATIENCE_S + seconds)
    return left_out


def _tell_account(report: Report, account: Account, counts: dict[str, object]) -> None:
    dropped = counts["dropped"]
    assert isinstance(dropped, dict)
    report.tell(
        "acknowledged, doubled or strange, lost, wrong",
        f"{account.answered}, {account.strange}, {account.lost}, {account.wrong}",
        f"{account.sent}, 0, 0, 0",
        is_kept=account.is_complete and account.sent > 0,
    )
    report.tell(
        "drops that the server counted by cause",
        ", ".join(f"{cause} {count}" for cause, count in dropped.items()),
        f"{account.empty} in all, as many as acknowledgements without inferences",
        is_kept=sum(dropped.values()) == account.empty and counts["failed"] == 0,
    )
    report.expect("streams that ended well", account.statuses["OK"], STREAMS)


def _tell_memory(report: Report, memory: list[tuple[float, float]], seconds: float, settle_s: float) -> None:
    steady = [point for point in memory if settle_s <= point[0] <= seconds]
    line = line_through(steady)
    rise = line.slope * (seconds - settle_s)
    report.tell(
        f"resident memory from {settle_s:g} s on, its line",
        f"{sum(megabytes for _, megabytes in steady) / len(steady):.0f} MB, {line.slope * 60:+.2f} MB/min "
        f"(standard error {line.slope_error * 60:.2f}), {rise:+.1f} MB in all",
        f"rises by less than {FLAT_MB:g} MB",
        is_kept=rise < FLAT_MB,
        is_timed=True,  # in a few seconds there is no line to speak of
    )
    most = max(megabytes for _, megabytes in memory)
    limit = LIMIT_BYTES / MEGABYTE
    report.tell("most resident memory", f"{most:.0f} MB", f"at most {limit:.0f} MB", is_kept=most <= limit)


def _tell_ages(report: Report, account: Account, counts: dict[str, dict[str, dict[str, float]]]) -> None:
    stages = counts["stages"]
    age_ms = stages["wait"]["p99_ms"]
    report.tell(
        "age when processing begins, p99 (server)",
        f"{age_ms:.0f} ms",
        f"at most {MAX_AGE_MS} ms",
        is_kept=age_ms <= MAX_AGE_MS,
        is_timed=True,
    )
    inside_ms = sum(stages[name]["p99_ms"] for name in ("wait", "process", "send"))
    report.tell(
        "complete receipt to answer, the p99 of wait, process and send added up (server)",
        f"{inside_ms:.0f} ms",
        f"at most {END_TO_END_MS} ms",
        is_kept=inside_ms <= END_TO_END_MS,
        is_timed=True,
    )
    for name, ages_s in (("processed", account.right_ages_s), ("dropped", account.empty_ages_s)):
        p50_ms, p99_ms = (1000 * percentile(ages_s, share) for share in (50, 99))
        report.tell(
            f"end of the write to the answer of {name} frames (camera)",
            f"p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms",
            f"p99 at most {END_TO_END_MS} ms",
            is_kept=p99_ms <= END_TO_END_MS,
            is_timed=True,
        )
