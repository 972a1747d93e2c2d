"""How long pictures are away after each fault, with the patience that users have. Prints the rows of the fault table.

    python tests/rtsp/recovery_times.py

That is the longest time without a frame, counted from the first connection on, or from the first frame where the fault
comes in the middle.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from itertools import islice

from camera_behaviour import Behaviour
from camera_clips import street_clip
from camera_server import RtspServer

from framewire.capture import CaptureEvent, CaptureOptions, open_capture

AWAY_S = 20.0
GOOD = Behaviour()


@dataclass(frozen=True)
class Trial:
    """A fault, and how many frames come before it."""

    name: str
    behaviours: tuple[Behaviour, ...]
    frames_before: int = 0
    away_s: float = 0.0
    """For so long the camera refuses connections; the time counts from when it is back."""
    transport: str = "tcp"


TRIALS = (
    Trial("connection refused for 20 s", (GOOD,), away_s=AWAY_S),
    Trial("accepts and stays silent", (Behaviour(silent_at="connect"), GOOD)),
    Trial("answers PLAY and sends nothing", (Behaviour(silent_at="playing"), GOOD)),
    Trial("wrong credentials (401)", (Behaviour(status={"DESCRIBE": 401}), GOOD)),
    Trial("not allowed (403)", (Behaviour(status={"DESCRIBE": 403}), GOOD)),
    Trial("no such stream (404)", (Behaviour(status={"DESCRIBE": 404}), GOOD)),
    Trial("fails (503)", (Behaviour(status={"DESCRIBE": 503}), GOOD)),
    Trial("breaks the connection", (Behaviour(frames=50, then="drop"), GOOD), 50),
    Trial("ends the session (BYE)", (Behaviour(frames=50, then="end"), GOOD), 50),
    Trial("stalls, socket open, TCP", (Behaviour(frames=50, then="stall"), GOOD), 50),
    Trial("stalls, socket open, UDP", (Behaviour(frames=50, then="stall"), GOOD), 50, transport="udp"),
    Trial("sends reports and no video", (Behaviour(frames=50, then="chatter"), GOOD), 50),
    Trial("resolution changes", (Behaviour(clips={50: street_clip(640, 360)}),), 50),
    Trial("timestamps jump a day ahead", (Behaviour(jumps={50: 86_400 * 90_000}),), 50),
    Trial("timestamps jump 20 s back", (Behaviour(first_timestamp=2_700_000, jumps={50: -1_800_000}),), 50),
    Trial("no video in the description", (Behaviour(sdp="v=0\r\no=- 1 1 IN IP4 0\r\ns=x\r\nt=0 0\r\n"), GOOD)),
)


def recovery_s(trial: Trial) -> tuple[float, list[CaptureEvent]]:
    """Seconds without pictures, and what was told meanwhile."""
    events: list[CaptureEvent] = []
    with RtspServer(street_clip(), *trial.behaviours) as server:
        if trial.away_s:
            server.refuse()
        options = CaptureOptions(server.url, transport=trial.transport)  # type: ignore[arg-type]
        start = time.monotonic()
        if trial.away_s:

            def come_back() -> None:
                nonlocal start
                time.sleep(trial.away_s)
                start = time.monotonic()
                server.listen()

            threading.Thread(target=come_back).start()
        with open_capture(options, events.append) as capture:
            frames = capture.frames()
            longest_s = 0.0
            for _ in islice(frames, trial.frames_before + 5):
                now = time.monotonic()
                if not (trial.frames_before and capture.statistics().frames == 1):
                    longest_s = max(longest_s, now - start)
                start = now
            return longest_s, events


def main() -> None:
    chosen = sys.argv[1:]
    lock = threading.Lock()

    def run(trial: Trial) -> None:
        seconds, events = recovery_s(trial)
        told = []
        for event in events:
            code = event.body.get("code", "")
            text = event.kind.removeprefix("Diagnostics.") + (f" {code}" if code else "")
            if not told or told[-1] != text:
                told.append(text)
        with lock:
            print(f"| {trial.name} | {', '.join(told)} | {seconds:.2f} s |", flush=True)

    # They wait nearly all of the time: together they take as long as the longest.
    threads = [
        threading.Thread(target=run, args=(trial,))
        for trial in TRIALS
        if not chosen or any(word in trial.name for word in chosen)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
