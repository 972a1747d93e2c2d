"""Loads against servers that keep the contract, and against some that do not."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
from pathlib import Path

import loaded_servers as servers
import pytest
from loaded_servers import FRAMES, a_load, serving

from framewire.errors import ConfigurationError, FramewireError, PeerError, SharedMemoryError
from framewire.load import Tally, memory_bytes, run_load
from framewire.load.statistics import ServerFrames
from framewire.model.message import ContentReference, Message, Sample

ENOUGH_MEMORY = memory_bytes(FRAMES, 4)


async def test_an_honest_server_answers_every_frame_once() -> None:
    tally = Tally()
    async with serving(servers.honest) as address:
        report = await run_load(a_load(address, streams=3), tally=tally)
    assert report.tally is tally
    assert (tally.lost, tally.doubled, tally.unknown, tally.late, tally.unsent) == (0, 0, 0, 0, 0)
    assert report.is_clean
    assert report.failure is None
    assert 0 < tally.answered <= tally.sent
    assert report.frames_per_second == tally.answered / report.duration_s
    assert tally.latencies.count > 0


async def test_each_stream_has_a_connection_and_a_name_of_its_own() -> None:
    peers, names = set(), set()

    async def noting(call: servers.Call) -> None:
        peers.add(call.context.peer())
        descriptor = await call.accept()
        assert not isinstance(descriptor.identifier, str | None)
        names.add(descriptor.identifier.graph_instance_name)
        async for frame in call.frames():
            await call.answer(frame)

    async with serving(noting) as address:
        await run_load(a_load(address, streams=3, duration_s=0.1))
    assert len(peers) == 3
    assert names == {"framewire-bench-1", "framewire-bench-2", "framewire-bench-3"}


async def test_frames_are_sent_in_turn_with_rising_numbers_and_the_time_of_day() -> None:
    arrived: list[Message] = []
    async with serving(recording(arrived)) as address:
        await run_load(a_load(address, in_flight=2, duration_s=0.1))
    samples = [message.payload for message in arrived if isinstance(message.payload, Sample)]
    assert [message.sequence_number for message in arrived] == list(range(2, len(arrived) + 2))
    assert {sample.content for sample in samples} == set(FRAMES)
    stamps = [sample.timestamp for sample in samples]
    assert stamps == sorted(stamps)
    assert abs(stamps[0] / 90_000 - time.time()) < 600


async def test_frames_lie_in_shared_memory_of_each_stream_which_is_gone_afterwards() -> None:
    contents: list[bytes] = []
    files: set[Path] = set()
    modes = set()

    async def looking(call: servers.Call) -> None:
        descriptor = await call.accept()
        assert descriptor.shared_memory is not None
        file = Path("/dev/shm") / descriptor.shared_memory.handle_name
        files.add(file)
        modes.add(stat.S_IMODE(file.stat().st_mode))
        assert file.stat().st_size == descriptor.shared_memory.length_bytes == ENOUGH_MEMORY
        memory = file.read_bytes()
        async for frame in call.frames():
            assert isinstance(frame.payload, Sample)
            place = frame.payload.content
            assert isinstance(place, ContentReference)
            contents.append(memory[place.offset_bytes : place.offset_bytes + place.length_bytes])
            await call.answer(frame)

    async with serving(looking) as address:
        load = a_load(address, streams=2, duration_s=0.1, shared_memory_bytes=ENOUGH_MEMORY, shared_memory_mode=0o640)
        report = await run_load(load)
    assert report.is_clean
    assert set(contents) == set(FRAMES)
    assert len(files) == 2
    assert modes == {0o640}
    assert not any(file.exists() for file in files)


@pytest.mark.parametrize(
    ("in_flight", "memory", "most"), [(1, 0, 1), (3, 0, 3), (4, ENOUGH_MEMORY, 4), (4, ENOUGH_MEMORY - 1, 3)]
)
async def test_no_more_frames_are_in_flight_than_allowed_and_than_fit(in_flight: int, memory: int, most: int) -> None:
    waited: list[int] = []
    async with serving(holding(most, waited)) as address:
        report = await run_load(a_load(address, in_flight=in_flight, shared_memory_bytes=memory, duration_s=0.1))
    assert report.is_clean
    assert max(waited) == most


async def test_configuration_and_credentials_reach_the_server() -> None:
    seen: list[tuple[str, dict[str, str]]] = []

    async def noting(call: servers.Call) -> None:
        metadata = dict(call.context.invocation_metadata())
        descriptor = await call.accept()
        seen.append((descriptor.configuration, metadata))
        async for frame in call.frames():
            await call.answer(frame)

    async with serving(noting) as address:
        await run_load(a_load(address, configuration='{"a": 1}', user="camera", password="secret", duration_s=0.1))
        await run_load(a_load(address, duration_s=0.1))
    (configuration, with_user), (_, without) = seen
    assert configuration == '{"a": 1}'
    assert with_user["x-ms-authentication"] == "Basic Y2FtZXJhOnNlY3JldA=="
    assert "x-ms-authentication" not in without


async def test_an_unlucky_frame_is_counted_as_lost() -> None:
    async with serving(servers.losing_one) as address:
        report = await run_load(a_load(address, streams=2))
    assert report.failure is None
    assert report.tally.lost == 2
    assert not report.is_clean


async def test_a_second_answer_is_counted_as_doubled() -> None:
    async with serving(servers.doubling_one) as address:
        report = await run_load(a_load(address))
    assert (report.tally.lost, report.tally.doubled, report.tally.unknown) == (0, 1, 0)
    assert not report.is_clean


async def test_an_answer_to_nothing_that_was_sent_is_counted_as_unknown() -> None:
    async with serving(servers.inventing_one) as address:
        report = await run_load(a_load(address))
    assert (report.tally.lost, report.tally.doubled, report.tally.unknown) == (0, 0, 1)
    assert not report.is_clean


async def test_results_that_acknowledge_nothing_are_no_fault() -> None:
    async with serving(servers.adding_results) as address:
        report = await run_load(a_load(address))
    assert report.is_clean


def slow(tally: Tally, than_s: float) -> int:
    return sum(count for edge_s, count in tally.latencies.bins() if edge_s > than_s)


async def test_an_open_loop_shows_a_stall_in_every_frame_that_was_due_meanwhile() -> None:
    async with serving(servers.stalling(after=20, seconds=0.6)) as address:
        load = a_load(address, frames_per_second=100.0, in_flight=4, warm_up_s=0.0, duration_s=1.5)
        report = await run_load(load)
    tally = report.tally
    assert report.is_clean
    assert report.offered_per_second == 100.0
    assert tally.latencies.count >= 149
    # Of those due in the first 0.3 s of the stall each waited 0.3 s or more, though only four had been sent.
    assert slow(tally, 0.3) >= 30
    assert tally.latencies.maximum >= 0.6
    percentile_s = tally.latencies.percentile(99)
    assert percentile_s is not None
    assert percentile_s >= 0.5
    assert tally.late >= 50


async def test_a_closed_loop_meets_the_same_stall_with_the_frames_in_flight_alone() -> None:
    async with serving(servers.stalling(after=20, seconds=0.6)) as address:
        report = await run_load(a_load(address, in_flight=1, warm_up_s=0.0, duration_s=1.0))
    assert report.tally.latencies.maximum >= 0.6
    # On a busy machine another one may be slow, too; of an open loop thirty are.
    assert 1 <= slow(report.tally, 0.599) <= 5


async def test_frames_that_could_not_be_sent_by_the_end_are_counted_and_their_waiting_too() -> None:
    async with serving(servers.stalling(after=5, seconds=0.8)) as address:
        load = a_load(address, frames_per_second=100.0, in_flight=2, warm_up_s=0.0, duration_s=0.5)
        report = await run_load(load)
    tally = report.tally
    assert report.failure is None
    assert tally.lost == 0
    assert tally.unsent >= 40
    assert tally.latencies.count >= 49
    assert tally.latencies.maximum >= 0.8


async def test_far_more_frames_than_can_ever_be_sent_are_counted_without_holding_the_end_up() -> None:
    async with serving(servers.stalling(after=5, seconds=0.3)) as address:
        load = a_load(address, frames_per_second=100_000.0, streams=3, warm_up_s=0.0, duration_s=0.2)
        report = await run_load(load)
    tally = report.tally
    assert report.failure is None
    # 300,000 frames/s were due; all but those few that left are given up.
    assert tally.latencies.count == pytest.approx(report.duration_s * 300_000, rel=0.1)
    assert tally.unsent > 0.5 * tally.latencies.count


async def test_a_stop_in_the_warm_up_of_an_open_loop_ends_it() -> None:
    stop, arrived = asyncio.Event(), asyncio.Event()

    async def noting(call: servers.Call) -> None:
        await call.accept()
        async for frame in call.frames():
            await call.answer(frame)
            arrived.set()

    async with serving(noting) as address:
        load = a_load(address, frames_per_second=100.0, warm_up_s=600.0)
        running = asyncio.create_task(run_load(load, stop=stop))
        await arrived.wait()
        stop.set()
        with pytest.raises(FramewireError, match=r"^stopped before anything was measured$"):
            await running


async def test_an_open_loop_offers_its_rate_and_no_more() -> None:
    arrived: list[Message] = []
    async with serving(recording(arrived)) as address:
        load = a_load(address, frames_per_second=50.0, streams=2, warm_up_s=0.0, duration_s=0.4)
        report = await run_load(load)
    assert report.offered_per_second == 100.0
    # As many as were due, be it at the edges of the window or in a window that took longer on a busy machine.
    assert 38 <= report.tally.latencies.count <= report.duration_s * 100 + 2
    assert len(arrived) <= report.duration_s * 100 + 4


@pytest.mark.parametrize("rate", [None, 200.0], ids=["closed loop", "open loop"])
async def test_a_server_that_falls_silent_is_told_and_does_not_hold_the_run(rate: float | None) -> None:
    async with serving(servers.answering(10)) as address:
        load = a_load(address, frames_per_second=rate, warm_up_s=0.0, duration_s=600.0, timeout_s=4.0)
        report = await run_load(load)
    assert str(report.failure) == (
        f"{address} has not answered 4 frames for 4 s; give it longer with --timeout if it is that slow"
    )
    assert (report.tally.sent, report.tally.lost) == (14, 4)


async def test_a_server_that_answers_nothing_at_all() -> None:
    async with serving(servers.answering(0)) as address:
        report = await run_load(a_load(address, warm_up_s=0.0, duration_s=600.0, timeout_s=4.0))
    assert report.frames_per_second == 0
    assert report.latency_ms(50) is None
    assert report.own_cpu_ms is None
    assert report.tally.lost == 4


async def test_one_stream_that_fails_ends_the_load_and_the_others_in_order() -> None:
    calls = 0

    async def second_fails(call: servers.Call) -> None:
        nonlocal calls
        calls += 1
        await (servers.failing(10) if calls == 2 else servers.honest)(call)

    async with serving(second_fails) as address:
        report = await run_load(a_load(address, streams=3, in_flight=1, warm_up_s=0.0, duration_s=600.0))
    assert str(report.failure) == f"{address} ended the stream with INTERNAL: the model fell over"
    assert report.tally.lost == 1


async def test_a_stream_that_ends_too_early_without_an_error() -> None:
    async with serving(servers.ending(10)) as address:
        report = await run_load(a_load(address, in_flight=1, warm_up_s=0.0, duration_s=600.0))
    assert str(report.failure) == f"{address} ended the stream before we did"


async def test_an_answer_that_is_no_message_ends_the_load() -> None:
    async with serving(servers.babbling) as address:
        report = await run_load(a_load(address, warm_up_s=0.0, duration_s=600.0))
    assert str(report.failure) == f"{address} breaks the contract: an answer of 1 bytes is no MediaStreamMessage"


async def test_a_failure_during_the_warm_up_leaves_nothing_to_report() -> None:
    async with serving(servers.failing(3)) as address:
        with pytest.raises(PeerError, match=r"ended the stream with INTERNAL: the model fell over$"):
            await run_load(a_load(address, warm_up_s=600.0))


async def test_a_refused_descriptor_is_told_in_the_words_of_the_server_on_one_line() -> None:
    async with serving(servers.refusing) as address:
        with pytest.raises(PeerError) as raised:
            await run_load(a_load(address, shared_memory_bytes=ENOUGH_MEMORY))
    assert str(raised.value) == (
        f"{address} ended the stream with INVALID_ARGUMENT: the configuration is not valid: objectLabel"
    )
    assert raised.value.status == "INVALID_ARGUMENT"


async def test_a_server_that_does_not_answer_the_descriptor() -> None:
    async with serving(servers.mute) as address:
        with pytest.raises(PeerError, match=r"did not answer the descriptor within 0\.2 s$"):
            await run_load(a_load(address, timeout_s=0.2))


async def test_a_server_that_answers_the_descriptor_with_something_else() -> None:
    async with serving(servers.impolite) as address:
        with pytest.raises(PeerError, match=r"breaks the contract: the server's first message is not a descriptor$"):
            await run_load(a_load(address))


async def test_nobody_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
    with pytest.raises(PeerError, match=r"cannot be reached .*; check the address, and that the server is running$"):
        await run_load(a_load(address))


async def test_an_address_that_is_none() -> None:
    with pytest.raises(ConfigurationError, match=r"^address 'nowhere' is none"):
        await run_load(a_load("nowhere"))


def own_memory() -> set[Path]:
    return set(Path("/dev/shm").glob(f"framewire-{os.getpid()}-*"))


async def test_memory_that_the_machine_does_not_have_is_told_and_not_left_behind() -> None:
    async with serving(servers.honest) as address:
        with pytest.raises(SharedMemoryError, match=r"^/dev/shm has no room for "):
            await run_load(a_load(address, streams=2, shared_memory_bytes=1 << 40))
    assert own_memory() == set()


async def test_a_stop_ends_the_load_and_keeps_what_was_measured() -> None:
    stop, tally = asyncio.Event(), Tally()
    async with serving(servers.honest) as address:
        running = asyncio.create_task(run_load(a_load(address, duration_s=600.0), tally=tally, stop=stop))
        while tally.answered < 10:  # noqa: ASYNC110 - the tally has no event
            await asyncio.sleep(0.01)
        stop.set()
        report = await running
    assert report.is_clean
    assert report.tally.answered >= 10
    assert report.duration_s < 600


async def test_a_stop_before_anything_was_measured() -> None:
    stop = asyncio.Event()
    stop.set()
    async with serving(servers.mute) as address:
        with pytest.raises(FramewireError, match=r"^stopped before anything was measured$"):
            await run_load(a_load(address), stop=stop)


async def test_the_generator_knows_what_it_costs() -> None:
    async with serving(servers.honest) as address:
        report = await run_load(a_load(address))
    own = report.own
    assert 0 < own.thread_s <= own.process_s
    assert 0 < own.busy <= 1.01
    assert report.own_cpu_ms == own.process_s * 1000 / report.tally.answered
    # The server is this process, too: there is no telling them apart.
    assert report.server is None
    assert report.server_cpu_ms is None


async def test_a_server_on_a_unix_socket(tmp_path: Path) -> None:
    async with serving(servers.honest, address=f"unix:{tmp_path}/socket") as address:
        report = await run_load(a_load(address, duration_s=0.1))
    assert report.is_clean
    assert report.tally.answered > 0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, None),
        (b'{"stages": {"process": {"count": 3}}}', {"stages": {"process": {"count": 3}}}),
        (b"no JSON", None),
        (b"\xff\xff", None),
        (b"[1]", None),
    ],
    ids=["none", "an object", "no JSON", "no text", "no object"],
)
async def test_the_statistics_of_a_server_that_has_some(
    answer: bytes | None, expected: dict[str, object] | None
) -> None:
    async with serving(servers.honest, statistics=answer) as address:
        report = await run_load(a_load(address, duration_s=0.05))
    assert report.statistics == expected


async def test_answers_without_inferences_are_counted_and_what_the_server_dropped_is_its_own_difference() -> None:
    asked = 0

    def count() -> bytes:
        nonlocal asked
        asked += 1
        return b'{"frames": {"answered": %d, "dropped": {"latest": %d}}}' % (100 + 19 * asked, 1000 + 500 * asked)

    async with serving(servers.judging_every_third, statistics=count) as address:
        report = await run_load(a_load(address, in_flight=1, frames_per_second=50.0, duration_s=1.0))
    assert asked == 2
    assert report.server_frames == ServerFrames(19, 0, {"latest": 500})
    assert report.statistics == {"frames": {"answered": 138, "dropped": {"latest": 2000}}}
    assert report.is_clean
    # Two of three, whichever was the first of the window.
    assert abs(report.tally.answered * 2 / 3 - report.tally.empty) <= 1


def recording(arrived: list[Message]) -> servers.Behaviour:
    async def behave(call: servers.Call) -> None:
        await call.accept()
        async for frame in call.frames():
            arrived.append(frame)
            await call.answer(frame)

    return behave


def holding(most: int, waited: list[int]) -> servers.Behaviour:
    """Answers the first `most` frames together, once they have come; then each at once. Notes how many waited."""

    async def behave(call: servers.Call) -> None:
        await call.accept()
        waiting: list[Message] = []
        async for frame in call.frames():
            waiting.append(frame)
            waited.append(len(waiting))
            if len(waiting) == most:
                # One more, if it is on its way, is here within this time.
                await asyncio.sleep(0.02)
                for held in waiting:
                    await call.answer(held)
                waiting.clear()
        for held in waiting:
            await call.answer(held)

    return behave
