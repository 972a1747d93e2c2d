"""The long checks for a few seconds each; ``make soak`` runs them in full."""

from __future__ import annotations

import pytest
from deaths_check import server_deaths, worker_deaths
from frames_check import soak
from overload_check import overload


@pytest.mark.parametrize("when_busy", ["wait", "latest"])
async def test_overload_loses_nothing_and_stays_within_its_memory(when_busy: str) -> None:
    report = await overload(when_busy, 4, settle_s=1)
    assert report.broken_whatever_the_machine == []


@pytest.mark.parametrize("executor", ["threads", "inline", "processes"])
async def test_frames_and_cut_sessions_leave_nothing_behind(executor: str) -> None:
    report = await soak(executor, 2_000, 60, seed=1, warm_up=1_000)
    assert report.broken_whatever_the_machine == []


async def test_worker_processes_that_die_fail_their_own_frames_alone() -> None:
    report = await worker_deaths(1, seed=1)
    assert report.broken_whatever_the_machine == []


async def test_a_killed_server_leaves_no_process_and_its_port_is_free_at_once() -> None:
    report = await server_deaths(1)
    assert report.broken_whatever_the_machine == []
