"""A camera, an extension and a pipeline between them; every answer is compared with the truth.

    make demo-pipeline

Starts an RTSP server (the one of the tests) that sends a street from day to night, ``framewire serve``, and
``framewire run`` on examples/pipelines/day_or_night.json. Prints what the hub receives, ends all of them, and exits
with 1 when an answer is wrong or missing.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.append(str(PROJECT / "tests" / "rtsp"))

from camera_clips import encode_clip  # noqa: E402 - found by the line above
from camera_server import RtspServer  # noqa: E402 - see above

from framewire.sources import Scene  # noqa: E402 - see above

TOPOLOGY = PROJECT / "examples" / "pipelines" / "day_or_night.json"
FRAMES = 150
FRAMES_PER_SECOND = 15
SHOWN = 5
UNDECIDED = 3.0
"""Grey levels around 127 in which compression may decide; such frames are not judged."""

TICKS = 90_000 // FRAMES_PER_SECOND
FRAMEWIRE = [sys.executable, "-m", "framewire"]


def main() -> int:
    scene = Scene(320, 180, frames=FRAMES, frames_per_second=FRAMES_PER_SECOND)
    rendered = [scene.render(index) for index in range(FRAMES)]
    levels = [truth.grey_mean for _, truth in rendered]
    clip = encode_clip([image for image, _ in rendered], frames_per_second=FRAMES_PER_SECOND)
    server = subprocess.Popen(
        [*FRAMEWIRE, "serve", "--host", "127.0.0.1", "--port", "0"], stderr=subprocess.PIPE, text=True
    )
    try:
        address = listening(server)
        with RtspServer(clip) as camera:
            print(f"camera     {camera.url}")
            print(f"extension  {address}")
            command = [
                *(*FRAMEWIRE, "run", str(TOPOLOGY)),
                *("--set", f"rtspUrl={camera.url}", "--set", f"extensionAddress=tcp://{address}"),
            ]
            print("pipeline   framewire run", *command[4:], "\n", flush=True)
            return compared(received(command), levels)
    finally:
        server.terminate()
        server.wait()


def listening(server: subprocess.Popen[str]) -> str:
    """The address that a server says it listens on."""
    assert server.stderr is not None
    for line in server.stderr:
        if found := re.search(r"listening on (\S+)", line):
            return found[1]
    raise SystemExit("the extension did not start")


def received(command: list[str]) -> list[dict[str, object]]:
    """The bodies of the inference events of a whole clip; some lines are shown."""
    bodies: list[dict[str, object]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pipeline:
        assert pipeline.stdout is not None
        for line in pipeline.stdout:
            message = json.loads(line)
            is_inference = message["applicationProperties"]["eventType"].endswith("Inference")
            if not is_inference or len(bodies) < SHOWN:
                print(line, end="", flush=True)
            if is_inference:
                bodies.append(message["body"])
                if len(bodies) == FRAMES:
                    pipeline.send_signal(signal.SIGINT)
    if pipeline.returncode:
        raise SystemExit(f"framewire run ended with {pipeline.returncode}")
    return bodies


def compared(bodies: list[dict[str, object]], levels: list[float]) -> int:
    """Says how many answers are right; the exit status."""
    first = int(str(bodies[0]["timestamp"]))
    right = undecided = 0
    wrong: list[int] = []
    for body in bodies[:FRAMES]:
        index = round((int(str(body["timestamp"])) - first) / TICKS)
        level = levels[index % FRAMES]
        (inference,) = body["inferences"]  # type: ignore[misc] # JSON
        label = inference["classification"]["tag"]["value"]
        if abs(level - 127) < UNDECIDED:
            undecided += 1
        elif label == ("light" if level >= 127 else "dark"):
            right += 1
        else:
            wrong.append(index)
    print(f"\n{len(bodies[:FRAMES])} frames answered: {right} right, {len(wrong)} wrong, {undecided} at the limit")
    if wrong or not right:
        print(f"wrong frames: {wrong}")
        return 1
    print("every answer is right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
