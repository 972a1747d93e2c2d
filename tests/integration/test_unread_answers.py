"""Clients that do not take their answers: they hold no place for ever, and no drain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from attacked_server import running
from toy_processors import label, toy
from wire_camera import SMALL, TAKES_LITTLE, camera, eventually

from framewire.model.frame import Frame
from framewire.server import Server, stream


def talkative(frames: Sequence[Frame]) -> Any:
    """Answers of two megabytes: more than a transport takes that nobody reads."""
    return [(label("x" * (2 << 20)),) for _ in frames]


async def silent_reader(server: Server, one: Any) -> None:
    await one.introduce(SMALL)
    await eventually(lambda: server.statistics()["sessions"]["accepted"] == 1)
    for _ in range(3):
        await one.frame()
    await eventually(lambda: server.statistics()["frames"]["answered"] >= 1)


async def test_one_that_has_finished_is_cut_off_when_it_takes_nothing_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_UNREAD_S", 0.2)
    async with (
        running(toy(talkative), max_in_flight=4) as server,
        camera(server.address, is_reading=False, options=TAKES_LITTLE) as one,
    ):
        await silent_reader(server, one)
        await one.half_close()
        await eventually(lambda: server.sessions == 0)


async def test_one_that_takes_its_answers_slowly_gets_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_UNREAD_S", 30.0)
    async with running(toy(talkative), max_in_flight=4) as server, camera(server.address) as one:
        await one.handshake(SMALL)
        numbers = [await one.frame() for _ in range(3)]
        await one.half_close()
        assert (await one.ending()).code == "OK"
        assert one.acknowledged == numbers


async def test_it_does_not_hold_up_the_end_of_the_server() -> None:
    async with (
        running(toy(talkative), max_in_flight=4, drain_timeout_s=0.2) as server,
        camera(server.address, is_reading=False, options=TAKES_LITTLE) as one,
    ):
        await silent_reader(server, one)
        assert not await server.drain()
        await eventually(lambda: server.frames_in_flight == 0)
        for open_stream in list(server._streams):
            open_stream.cut_off()
        await eventually(lambda: server.sessions == 0)
