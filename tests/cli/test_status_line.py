"""The status line of commands on a terminal of forty columns."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from command_line import PATIENCE_S, changed_by, command, environment, serving

sys.path.append(str(Path(__file__).resolve().parents[1] / "pipeline"))
from pipeline_documents import hub, node, source, topology, written

from framewire.cli.output import room_for_results, say

COLUMNS = 40

_SLOW_TO_WRITE = """
import time
from framewire.hub import lines
write = lines._write
def slow(*arguments):
    time.sleep(0.7)
    return write(*arguments)
lines._write = slow
"""
"""Messages are long under way to the terminal: a status line is due before they get there."""


def shown_by(*arguments: object, env: Mapping[str, str] | None = None) -> str:
    """What a command writes to a terminal that holds its stdout and its stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    with subprocess.Popen(
        command(*arguments), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment(env)
    ) as process:
        os.close(theirs)
        written_there = bytearray()
        while True:
            try:
                data = os.read(ours, 1 << 16)
            except OSError:  # the last one who had it open has gone
                break
            written_there += data
        os.close(ours)
        assert process.wait(PATIENCE_S) == 0, written_there.decode()
    return written_there.decode().replace("\r\n", "\n")


def status_lines(text: str) -> list[str]:
    """The lines that were taken back; that nothing else stands in or behind them was looked at."""
    lines = re.findall(r"(?:\A|\n|\x1b\[K)([^\n\r\x1b]+)(?=\r\x1b\[K)", text)
    for line in lines:
        assert len(line) < COLUMNS
        assert "{" not in line
    # All that is left when each is taken back begins at the beginning of a line.
    left = re.sub(r"[^\n\r]*\r\x1b\[K", "", text)
    assert "\r" not in left
    assert all(line.startswith(("{", "inactive", "camera", "motion", "10 frames")) for line in left.splitlines()), left
    return lines


def test_run_cuts_it_and_leaves_nothing_of_it_between_messages(tmp_path: Path) -> None:
    name = "motion-detector-with-a-long-name"
    scene = source("test:size=160x96,fps=10,frames=25")
    document = topology(scene, node("MotionDetectionProcessor", name, "camera"), hub(name))
    text = shown_by("run", written(tmp_path, document))
    lines = status_lines(text)
    assert len(lines) >= 3
    assert re.fullmatch(r"streaming; camera: \d+ frames, \d+\.\d/s; .*…", lines[-1])
    assert {len(line) for line in lines} == {COLUMNS - 1}
    assert text.count('"eventType":"Microsoft.VideoAnalyzer.') >= 3
    # What comes last is whole.
    assert re.search(rf"inactive; camera: 25 frames, \d+\.\d/s; {name}: \d+.*; \d+ messages\n", text)


def test_a_message_that_comes_late_to_the_terminal_has_a_line_of_its_own(tmp_path: Path) -> None:
    scene = source("test:size=160x96,fps=10,frames=25")
    document = topology(scene, node("MotionDetectionProcessor", "motion", "camera"), hub("motion"))
    text = shown_by("run", written(tmp_path, document), env=changed_by(tmp_path, _SLOW_TO_WRITE))
    status_lines(text)
    assert text.count('"eventType":"Microsoft.VideoAnalyzer.') >= 3


def test_messages_that_a_terminal_does_not_take_hold_up_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    is_over, is_writing = threading.Event(), threading.Event()

    def write_for_ever() -> None:
        with room_for_results():
            is_writing.set()
            is_over.wait(PATIENCE_S)

    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setattr(sys, "stderr", terminal)
        writing = threading.Thread(target=write_for_ever)
        writing.start()
        assert is_writing.wait(PATIENCE_S)
        say("a note")
        assert writing.is_alive()
        assert os.read(ours, 100) == b"a note\r\n"
        is_over.set()
        writing.join()
    os.close(ours)


def test_send_leaves_nothing_of_it_between_results() -> None:
    with serving() as server:
        text = shown_by("send", "test:size=160x96,fps=10,frames=10", "--fps", 10, "--to", server.address)
    assert status_lines(text)[0].startswith("0 sent, 0 answered, ")
    assert text.count('{"timestamp":') == 10
