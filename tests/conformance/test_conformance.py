"""The probe finds each fault that existing servers have (contract, section 9), and none where there is none."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import broken_servers as servers
import pytest

from framewire.errors import PeerError
from framewire.processors.catalogue import Catalogue
from framewire.server import Server, ServerOptions
from framewire.testing.conformance import (
    NO_SESSION,
    Outcome,
    ProbeOptions,
    Verdict,
    judge_server,
    reach,
    select_rules,
    table,
)

# One loop for all: grpc.aio does not like to see several in one process.
pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENT = ProbeOptions(timeout_s=5)

QUICK = ProbeOptions(timeout_s=2)
"""For servers that fall silent: each silence is waited for."""


async def verdicts(server, options=PATIENT, *names) -> dict[str, Verdict]:
    async with servers.serving(server) as address:
        rules = select_rules(names)
        return {result.rule.name: result.verdict async for result in judge_server(address, options, rules)}


def of(outcome: Outcome, found: dict[str, Verdict]) -> set[str]:
    return {name for name, verdict in found.items() if verdict.outcome is outcome}


@pytest.fixture(autouse=True)
def nothing_stays_in_shared_memory():
    yield
    assert not list(Path("/dev/shm").glob(f"framewire-check-{os.getpid()}-*"))


async def test_a_right_server_passes_every_rule() -> None:
    found = await verdicts(servers.GoodServer())
    assert {name: verdict for name, verdict in found.items() if verdict.outcome is not Outcome.PASS} == {}
    assert len(found) == len(table()) >= 41


# The rules that a fault must break, and no others.
OBSERVED = {
    servers.LosesTheFrameThatFillsABatch: {"every-frame"},
    servers.KeepsViewsAfterTheAck: {"view-after-ack", "own-results", "half-close"},
    servers.MergesResults: {"own-results", "every-frame", "half-close"},
    servers.ServesThreeCameras: {"many-cameras"},
    servers.HasTheDefaultMessageLimit: {"embedded-1080p"},
    servers.IgnoresThePixelFormat: {"pixel-format"},
    servers.IgnoresTheStride: {"stride", "stride-last-row"},
    servers.SwallowsExceptions: {"torn-jpeg", "raw-length", "image-size"},
    servers.TakesAnyFirstMessage: {"first-message"},
    servers.TakesAnyHandle: {
        "handle-empty",
        "handle-path",
        "handle-missing",
        "handle-fifo",
        "memory-length-zero",
        "memory-length-beyond",
    },
    servers.TakesAnyOffset: {"reference-without-memory", "reference-outside"},
    servers.KeepsConfigurationForAll: {"configuration-own"},
    servers.ValidatesConfigurationLate: {"configuration-invalid"},
    servers.ForgetsTimestamps: {"timestamps"},
}

OTHERS = {
    servers.WantsTheLastRowPadded: {"stride-last-row"},
    servers.CountsFromZero: {"handshake", "server-sequence"},
    servers.SkipsANumber: {"server-sequence"},
    servers.AcknowledgesTwice: {"acknowledged-once", "half-close"},
    servers.SaysGoodbye: {"half-close"},
    servers.EndsWithAnError: {"half-close", "configuration-invalid", "reset"},
    servers.AnswersWithItsOwnTimescale: {"handshake"},
    servers.SaysItsOwnFormat: {"handshake"},
    servers.TakesASecondDescriptor: {"second-descriptor"},
    servers.TakesAnyOrder: {"sequence-rises"},
    servers.TakesNoEmptySample: {"no-content"},
    servers.SendsInferencesWithoutValue: {"inferences"},
    servers.FallsWithItsNeighbour: {"reset"},
    servers.ReadsEveryDescriptor: {
        "no-video-format",
        "raw-without-pixel-format",
        "size-zero",
        "stride-too-small",
        "unknown-number",
    },
    servers.SwapsRedAndBlueOfImages: {"encoding"},
    servers.AlignsOffsets: {"shared-memory", "shared-memory-jpeg", "view-after-ack"},
}


@pytest.mark.parametrize("broken", [*OBSERVED, *OTHERS], ids=lambda server: server.__name__)
async def test_a_fault_breaks_its_rules_and_no_others(broken) -> None:
    expected = {**OBSERVED, **OTHERS}[broken]
    found = await verdicts(broken(), ProbeOptions(timeout_s=0.7))
    if of(Outcome.FAIL, found) != expected:
        # On a busy machine a right answer takes longer than that.
        found = await verdicts(broken())
    seen = {name: found[name].seen for name in of(Outcome.FAIL, found)}
    assert set(seen) == expected, seen


async def test_every_rule_is_broken_by_some_server() -> None:
    broken = set().union(*OBSERVED.values(), *OTHERS.values())
    # The one that is missing wants a server with credentials; it has a test of its own.
    assert {rule.name for rule in table()} - broken == {"credentials"}


@pytest.mark.parametrize(
    ("server", "silent_rule", "seen"),
    [
        (servers.NeverAcknowledges, "acknowledged-once", "no answer within 2 s to 1 of 1 samples (sequence 2)"),
        (servers.WaitsForMoreFrames, "acknowledged-once", "no answer within 2 s to 1 of 1 samples (sequence 2)"),
        (servers.ServesThreeCameras, "many-cameras", "no answer within 2 s to the descriptor (3 were served)"),
        (servers.SwallowsExceptions, "torn-jpeg", "half a JPEG: no answer within 2 s to 1 of 3 samples (sequence 3)"),
        (servers.TakesAnyHandle, "handle-fifo", "no answer within 2 s to the first message"),
    ],
)
async def test_silence_is_a_failure_in_time(server, silent_rule, seen) -> None:
    found = await verdicts(server(), QUICK, silent_rule)
    assert found[silent_rule].outcome is Outcome.FAIL
    assert found[silent_rule].seen.endswith(seen)


async def test_a_server_that_never_speaks_costs_one_wait_and_not_one_for_each_rule() -> None:
    found = await verdicts(servers.Silent(), QUICK)
    assert of(Outcome.FAIL, found) == {"handshake", "credentials"}
    assert found["handshake"].seen == "no answer within 2 s to the descriptor"
    assert {found[name].seen for name in of(Outcome.NOT_SHOWN, found)} == {NO_SESSION}


async def test_without_a_session_the_first_of_some_chosen_rules_fails() -> None:
    found = await verdicts(servers.Silent(), QUICK, "timestamps", "half-close")
    assert found["timestamps"].outcome is Outcome.FAIL
    assert found["timestamps"].seen == f"{NO_SESSION}: no answer within 2 s to the descriptor"
    assert found["half-close"].outcome is Outcome.NOT_SHOWN


async def test_a_server_that_dies_gives_verdicts_to_the_end() -> None:
    found = await verdicts(servers.Dies())
    assert len(found) == len(table())
    assert "UNAVAILABLE" in found["torn-jpeg"].seen
    assert found["timestamps"].outcome is Outcome.PASS
    assert found["reset"].outcome is Outcome.FAIL
    assert found["reset"].seen.startswith("cannot reach 127.0.0.1:")
    assert found["reset"].seen.endswith("it was last there for torn-jpeg")


@pytest.mark.parametrize(
    ("server", "not_shown"),
    [
        (
            servers.SaysTheSameOfAll,
            {
                "own-results",
                "view-after-ack",
                "pixel-format",
                "encoding",
                "stride",
                "stride-last-row",
                "configuration-own",
            },
        ),
        (
            servers.SharesNoMemory,
            {
                "shared-memory",
                "shared-memory-jpeg",
                "view-after-ack",
                "reference-outside",
                "handle-fifo",
                "memory-length-zero",
                "memory-length-beyond",
            },
        ),
        (
            servers.TakesJpegAlone,
            {"raw-length", "embedded-1080p", "shared-memory", "pixel-format", "encoding", "stride", "stride-last-row"},
        ),
    ],
)
async def test_what_a_right_server_does_not_show_is_no_failure(server, not_shown) -> None:
    found = await verdicts(server())
    assert of(Outcome.FAIL, found) == set()
    assert of(Outcome.NOT_SHOWN, found) == not_shown


async def test_a_configuration_of_the_user_is_tried() -> None:
    options = ProbeOptions(timeout_s=5, configuration='{"threshold": 80}')
    found = await verdicts(servers.GoodServer(), options, "configuration-own")
    assert found["configuration-own"].seen == '{"threshold": 80} changed the answers of its own session only'


async def test_the_base_configuration_goes_to_every_session() -> None:
    options = ProbeOptions(timeout_s=5, base_configuration='{"threshold": 0}')
    found = await verdicts(servers.GoodServer(), options, "every-frame")
    assert found["every-frame"].seen == "22 equal pictures, each got colorIntensity=light"


async def test_a_server_that_wants_credentials_is_probed_with_them() -> None:
    found = await verdicts(servers.WantsCredentials(), ProbeOptions(timeout_s=5, user="camera", password="secret"))
    assert of(Outcome.PASS, found) == set(found)
    assert found["credentials"].seen == ("camera was let in; UNAUTHENTICATED for none and dummyUserName:dummyPassword")


async def test_a_server_that_wants_credentials_and_gets_none_is_not_judged() -> None:
    with pytest.raises(PeerError, match="does not let us in: UNAUTHENTICATED: who are you; give its --user"):
        await verdicts(servers.WantsCredentials())


async def test_a_server_that_takes_fewer_cameras_and_says_so_is_not_at_fault() -> None:
    catalogue = Catalogue()
    options = ServerOptions(host="127.0.0.1", port=0, max_sessions=3)
    async with Server(options, catalogue.find("color-intensity"), catalogue=catalogue) as server:
        found = {result.rule.name: result.verdict async for result in judge_server(server.address)}
    assert of(Outcome.FAIL, found) == set()
    assert of(Outcome.NOT_SHOWN, found) == {"many-cameras"}


async def test_our_own_server_keeps_every_rule() -> None:
    catalogue = Catalogue()
    options = ServerOptions(host="127.0.0.1", port=0)
    async with Server(options, catalogue.find("color-intensity"), catalogue=catalogue) as server:
        found = {result.rule.name: result.verdict async for result in judge_server(server.address)}
    assert of(Outcome.PASS, found) == {rule.name for rule in table()}


async def test_nobody_there_is_said_at_once() -> None:
    async with servers.serving(servers.GoodServer()) as address:
        pass
    with pytest.raises(PeerError, match=f"cannot reach {address}: .*Connection refused"):
        await reach(address, ProbeOptions(timeout_s=5))


async def test_somebody_who_speaks_something_else_is_not_waited_for() -> None:
    async def shout(reader, writer) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(shout, "127.0.0.1", 0)
    async with listener:
        host, port = listener.sockets[0].getsockname()
        with pytest.raises(PeerError, match="cannot reach"):
            await reach(f"{host}:{port}", QUICK)
