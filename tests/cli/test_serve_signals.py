"""How ``serve`` stops."""

import signal
from pathlib import Path

import pytest
from command_line import PATIENCE_S, Running, eventually, running, serving

TOYS = Path(__file__).parent / "watching.py"

SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)


def gated(gate: Path) -> tuple[str, ...]:
    """A processor that holds its first frame until the gate is there."""
    return ("--processor", f"{TOYS}:Gated", "--option", f"gate={gate}")


def sending(address: str, *arguments: object) -> Running:
    return Running("send", "test:size=64x48", "--loop", "--to", address, *arguments)


@SIGNALS
def test_an_idle_server_stops_at_once(number: int) -> None:
    with serving() as server:
        assert server.stop(number) == 0
        assert server.stderr == f"listening on {server.address}\ndraining: 0 sessions, 0 frames in flight\n"
        assert server.stdout == ""


@SIGNALS
def test_frames_in_flight_are_answered_first(tmp_path: Path, number: int) -> None:
    gate = tmp_path / "gate"
    with serving(*gated(gate)) as server:
        camera = sending(server.address, "--in-flight", 3)
        try:
            eventually(gate.with_suffix(".held").exists)
            server.send_signal(number)
            said = server.until_said(r"^draining: 1 sessions, (\d) frames in flight$")
            assert server.is_running
            gate.touch()
            assert server.end() == 0
            assert camera.end() == 1
        finally:
            camera.process.kill()
            camera.end()
    answers = int(said[1])
    assert answers >= 1
    assert camera.stdout.count('"value":"late"') >= answers
    assert camera.stderr.endswith(
        f"framewire: {server.address} ended the stream with UNAVAILABLE: the server is shutting down; connect again\n"
    )


def test_a_processor_that_does_not_come_back_is_left_behind(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with serving(*gated(gate), "--drain-timeout", 0.2) as server:
        camera = sending(server.address, "--in-flight", 1)
        try:
            eventually(gate.with_suffix(".held").exists)
            assert server.stop() == 1
            assert camera.end() == 1
        finally:
            camera.process.kill()
            camera.end()
    assert (
        "framewire: 1 frames in flight were not answered within 0.2 s; give them longer with --drain-timeout\n"
        in server.stderr
    )
    assert "1 frames sent, 0 answered, 1 lost" in camera.stderr


@SIGNALS
def test_a_second_signal_ends_it_at_once(tmp_path: Path, number: int) -> None:
    gate = tmp_path / "gate"
    with serving(*gated(gate), "--drain-timeout", 600) as server:
        camera = sending(server.address)
        try:
            eventually(gate.with_suffix(".held").exists)
            server.send_signal(signal.SIGTERM)
            server.until_said("^draining: 1 sessions")
            assert server.stop(number) == 1
            assert server.stderr.endswith("framewire: second signal, exiting now\n")
            assert camera.end() == 1
        finally:
            camera.process.kill()
            camera.end()


@SIGNALS
def test_a_server_that_still_loads_its_model_has_nothing_to_drain(number: int) -> None:
    with running("serve", "--port", 0, "--processor", f"{TOYS}:SlowToOpen") as server:
        server.until_printed(1)
        assert server.stop(number) == 0
        assert server.stderr == ""


@SIGNALS
def test_a_server_that_still_imports_its_processor_has_nothing_to_drain(tmp_path: Path, number: int) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\nprint('importing', flush=True)\nwhile True:\n    time.sleep(0.01)\n"
    )
    with running("serve", "--port", 0, "--processor", "slow.py:Mine", cwd=tmp_path) as server:
        server.until_printed(1)
        assert server.stop(number) == 0
        assert server.stderr == ""


def test_a_silent_session_is_ended_and_told(tmp_path: Path) -> None:
    with serving("--processor", "null") as server:
        # One frame now, the next one in a quarter of an hour.
        camera = sending(server.address, "--fps", 0.001)
        try:
            server.until_said("session 1: framewire-send-1/send")
            assert server.stop() == 0
            camera.process.wait(PATIENCE_S)
        finally:
            camera.process.kill()
            camera.end()
    assert camera.process.returncode == 1
    assert "the server is shutting down; connect again" in camera.stderr
