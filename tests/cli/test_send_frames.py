"""What ``send`` sends, and what it prints."""

import json
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command_line import (
    PATIENCE_S,
    Server,
    command,
    documents,
    environment,
    framewire,
    framewire_here,
    refused,
    refused_here,
    serving,
)

from framewire.sources import open_source

TOYS = Path(__file__).parent / "watching.py"

BOTH = pytest.mark.parametrize("transfer", ["embedded", "shared memory"])


def way(transfer: str) -> tuple[str, ...]:
    return ("--shared-memory",) if transfer == "shared memory" else ()


@pytest.fixture(scope="module")
def describing() -> Iterator[Server]:
    with serving("--processor", f"{TOYS}:Describe") as server:
        yield server


@pytest.fixture(scope="module")
def boxing() -> Iterator[Server]:
    with serving("--processor", f"{TOYS}:Boxed") as server:
        yield server


@pytest.fixture(scope="module")
def judging() -> Iterator[Server]:
    with serving() as server:
        yield server


def picture(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (64, 48)) -> Path:
    """An image of one colour, RGB."""
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), colour[::-1], np.uint8))
    return path


def send(server: Server, source: object, *arguments: object) -> list[dict[str, Any]]:
    finished = framewire_here("send", source, "--to", server.address, *arguments)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.count("\n") == 1
    return documents(finished.stdout)


def described(server: Server, source: object, *arguments: object) -> dict[str, Any]:
    """Sends one frame; gives what arrived."""
    (document,) = send(server, source, "--frames", 1, *arguments)
    found: dict[str, Any] = json.loads(document["inferences"][0]["classification"]["tag"]["value"])
    return found


@BOTH
@pytest.mark.parametrize("encoding", ["raw", "jpg", "png", "bmp"])
def test_each_encoding_arrives_and_each_verdict_is_right(judging: Server, transfer: str, encoding: str) -> None:
    with open_source("test:size=64x48,frames=10") as scene:
        truths = [frame.truth.color_intensity for frame in scene if frame.truth is not None]
    assert truths == ["light"] * 5 + ["dark"] * 5
    found = send(judging, "test:size=64x48,frames=10", "--encoding", encoding, *way(transfer))
    assert [document["inferences"][0]["classification"]["tag"]["value"] for document in found] == truths


@pytest.mark.parametrize(
    ("pixel_format", "middle"),
    [
        ("rgb24", [255, 130, 0]),
        ("bgr24", [255, 130, 0]),
        ("argb", [255, 130, 0]),
        ("rgba", [255, 130, 0]),
        ("abgr", [255, 130, 0]),
        ("bgra", [255, 130, 0]),
        # Green has six bits, 32 of 63 is 130; with five bits 16 of 31 is 132.
        ("rgb565be", [255, 130, 0]),
        ("rgb565le", [255, 130, 0]),
        ("rgb555be", [255, 132, 0]),
        ("rgb555le", [255, 132, 0]),
    ],
)
def test_each_pixel_format_arrives_with_its_colours(
    describing: Server, tmp_path: Path, pixel_format: str, middle: list[int]
) -> None:
    image = picture(tmp_path / "orange.png", (255, 130, 0), (63, 47))
    found = described(describing, image, "--pixel-format", pixel_format, "--shared-memory=1")
    assert found["form"] == f"RAW {pixel_format.upper()} 63x47"
    assert found["middle"] == middle


def test_yuv420p_arrives_with_nearly_its_colours(describing: Server, tmp_path: Path) -> None:
    image = picture(tmp_path / "orange.png", (230, 130, 40), (63, 47))
    found = described(describing, image, "--encoding", "raw", "--pixel-format", "yuv420p")
    assert found["form"] == "RAW YUV420P 63x47"
    assert found["middle"] == pytest.approx([230, 130, 40], abs=4)


def test_jpg_is_sent_unless_told_otherwise_and_raw_is_rgb24(describing: Server, tmp_path: Path) -> None:
    image = picture(tmp_path / "orange.png", (255, 130, 0))
    assert described(describing, image)["form"] == "JPG 64x48"
    assert described(describing, image, "--encoding", "raw")["form"] == "RAW RGB24 64x48"


def test_the_quality_of_a_jpg_is_the_sender_s_choice(describing: Server) -> None:
    with open_source("test:size=64x48,frames=1") as scene:
        middle = [int(value) for value in next(iter(scene)).image[24, 32]]
    best = described(describing, "test:size=64x48", "--quality", 100)["middle"]
    worst = described(describing, "test:size=64x48", "--quality", 0)["middle"]
    assert best == pytest.approx(middle, abs=6)
    assert worst != best


def test_the_configuration_of_the_topology_reaches_the_processor(describing: Server) -> None:
    text = '{"inferenceConfidence":0.7,"objectLabel":"Größe ☂"}'
    found = described(describing, "test:size=64x48", "--extension-configuration", text)
    assert found["configuration"] == text


@pytest.mark.parametrize(
    ("arguments", "form", "corner"),
    [
        (("--size", "100x100"), "RAW RGB24 100x100", [0, 0, 0]),
        (("--size", "100x100", "--scale", "pad"), "RAW RGB24 100x100", [0, 0, 0]),
        (("--size", "100x100", "--scale", "preserveAspectRatio"), "RAW RGB24 100x50", [200, 120, 40]),
        (("--size", "100x100", "--scale", "stretch"), "RAW RGB24 100x100", [200, 120, 40]),
        (("--size", "100x"), "RAW RGB24 100x50", [200, 120, 40]),
        (("--size", "x100"), "RAW RGB24 200x100", [200, 120, 40]),
        (("--size", "x25", "--scale", "stretch"), "RAW RGB24 50x25", [200, 120, 40]),
        ((), "RAW RGB24 200x100", [200, 120, 40]),
    ],
)
def test_a_picture_is_made_to_fit(
    describing: Server, tmp_path: Path, arguments: tuple[str, ...], form: str, corner: list[int]
) -> None:
    image = picture(tmp_path / "wide.png", (200, 120, 40), (200, 100))
    found = described(describing, image, "--encoding", "raw", *arguments)
    assert (found["form"], found["corner"], found["middle"]) == (form, corner, [200, 120, 40])


WHOLE = (0, 0, 1, 1)
SOME = (0.25, 0.25, 0.5, 0.5)


@pytest.mark.parametrize(
    ("size", "arguments", "found", "printed"),
    [
        # 200x100 in 100x100: 100x50 in the middle, bars of a quarter above and below.
        ((200, 100), ("--size", "100x100"), WHOLE, (0, 0, 1, 1)),
        ((200, 100), ("--size", "100x100"), SOME, (0.25, 0, 0.5, 1)),
        ((200, 100), ("--size", "100x100"), (0.1, 0.5, 0.2, 0.125), (0.1, 0.5, 0.2, 0.25)),
        # What reaches into a bar ends at the picture; what lies in it has no height.
        ((200, 100), ("--size", "100x100"), (0, 0.125, 1, 0.25), (0, 0, 1, 0.25)),
        ((200, 100), ("--size", "100x100"), (0, 0, 1, 0.125), (0, 0, 1, 0)),
        # 100x200 in 100x100: 50x100 in the middle, bars of a quarter left and right.
        ((100, 200), ("--size", "100x100"), SOME, (0, 0.25, 1, 0.5)),
        # No bars, nothing to take away.
        ((200, 100), ("--size", "100x100", "--scale", "stretch"), SOME, SOME),
        ((200, 100), ("--size", "100x100", "--scale", "preserveAspectRatio"), SOME, SOME),
        ((200, 100), ("--size", "100x"), SOME, SOME),
        ((200, 100), (), SOME, SOME),
    ],
)
def test_boxes_are_printed_in_the_coordinates_of_the_source(
    boxing: Server,
    tmp_path: Path,
    *,
    size: tuple[int, int],
    arguments: tuple[str, ...],
    found: tuple[float, ...],
    printed: tuple[float, ...],
) -> None:
    image = picture(tmp_path / "image.png", (200, 120, 40), size)
    options = json.dumps({"options": dict(zip("ltwh", found, strict=True))})
    (document,) = send(boxing, image, "--extension-configuration", options, *arguments)
    box = document["inferences"][0]["entity"]["box"]
    assert box == pytest.approx(dict(zip("ltwh", printed, strict=True)), abs=1e-6)


def test_a_line_of_json_for_each_sample(judging: Server, tmp_path: Path) -> None:
    for name, level in [("1.png", 20), ("2.png", 200), ("10.png", 20)]:
        picture(tmp_path / name, (level, level, level))
    finished = framewire("send", tmp_path, "--to", judging.address)
    now = time.time()
    assert finished.returncode == 0
    lines = finished.stdout.splitlines()
    timestamps = [json.loads(line)["timestamp"] for line in lines]
    assert lines == [
        f'{{"timestamp":{timestamp},"inferences":[{{"type":"classification","subtype":"colorIntensity",'
        f'"classification":{{"tag":{{"value":"{verdict}","confidence":1}}}}}}]}}'
        for timestamp, verdict in zip(timestamps, ["dark", "light", "dark"], strict=True)
    ]
    # Unix time in ticks of 1/90,000 s.
    assert all(abs(timestamp / 90_000 - now) < 60 for timestamp in timestamps)
    assert len(set(timestamps)) == 3
    assert finished.stderr.startswith("3 frames sent, 3 answered, 0 lost; ")


def test_the_long_form_is_the_one_of_the_samples(judging: Server, tmp_path: Path) -> None:
    finished = framewire(
        "send", picture(tmp_path / "sky.png", (200, 220, 250)), "--to", judging.address, "--format", "long"
    )
    timestamp = json.loads(finished.stdout)["timestamp"]
    assert (
        finished.stdout
        == """{
  "timestamp": TIMESTAMP,
  "inferences": [
    {
      "type": "classification",
      "subtype": "colorIntensity",
      "inferenceId": "",
      "relatedInferences": [],
      "classification": {
        "tag": {
          "value": "light",
          "confidence": 1
        },
        "attributes": []
      },
      "extensions": {},
      "valueCase": "classification"
    }
  ]
}
""".replace("TIMESTAMP", str(timestamp))
    )


def test_a_sample_without_inferences_prints_nothing() -> None:
    with serving("--processor", "null") as server:
        assert send(server, "test:size=64x48,frames=5") == []


@pytest.mark.parametrize(("arguments", "ticks"), [((), 6_000), (("--fps", 450), 200), (("--fps", 100), 900)])
def test_timestamps_follow_the_source_or_the_pace(judging: Server, arguments: tuple[object, ...], ticks: int) -> None:
    found = send(judging, "test:size=64x48,frames=9,fps=15", *arguments)
    timestamps = sorted(document["timestamp"] for document in found)
    assert [second - first for first, second in pairwise(timestamps)] == [pytest.approx(ticks, abs=1)] * 8


def test_json_is_utf_8_whatever_the_terminal_speaks(describing: Server) -> None:
    finished = framewire(
        *("send", "test:size=64x48", "--frames", 1, "--to", describing.address),
        *("--extension-configuration", '{"weather":"☂"}'),
        env={"PYTHONIOENCODING": "ascii"},
    )
    assert finished.returncode == 0, finished.stderr
    assert "☂" in finished.stdout


def test_several_streams_at_once_are_all_answered(describing: Server) -> None:
    finished = framewire(
        "send", "test:size=64x48,frames=6", "--to", describing.address, "--streams", 5, "--shared-memory"
    )
    assert finished.returncode == 0
    assert finished.stderr.startswith("30 frames sent, 30 answered, 0 lost; ")
    cameras = [
        json.loads(document["inferences"][0]["classification"]["tag"]["value"])["camera"]
        for document in documents(finished.stdout)
    ]
    assert sorted(cameras) == sorted(f"framewire-send-{number}" for number in range(1, 6) for _ in range(6))


def test_it_stops_after_so_many_frames(judging: Server) -> None:
    assert len(send(judging, "test:size=64x48,frames=20", "--frames", 7)) == 7
    assert len(send(judging, "test:size=64x48,frames=3", "--frames", 7)) == 3
    assert len(send(judging, "test:size=64x48,frames=3", "--frames", 7, "--loop")) == 7


def test_it_stops_after_so_many_seconds_and_keeps_its_pace(judging: Server) -> None:
    # One at the start and then one every 50 ms: never more, and on a slow machine some fewer. Who was held up for most
    # of the second gets more time.
    for duration_s in (1, 7):
        count = len(send(judging, "test:size=64x48,frames=3", "--loop", "--duration", duration_s, "--fps", 20))
        assert count <= 20 * duration_s + 1
        if count >= 5:
            break
    assert count >= 5


def test_the_time_is_over_also_when_the_next_frame_is_not_due_yet(judging: Server) -> None:
    # The second one is due after 100 s. Who was held up until the time was over has sent none, and gets more of it.
    for duration_s in (0.3, 7):
        started = time.monotonic()
        count = len(send(judging, "test:size=64x48,frames=3", "--duration", duration_s, "--fps", 0.01))
        assert time.monotonic() - started < 30
        if count:
            break
    assert count == 1


def test_the_address_may_be_written_as_in_a_topology(judging: Server) -> None:
    finished = framewire("send", "test:size=64x48,frames=1", "--to", f"tcp://{judging.address}")
    assert finished.returncode == 0


def test_the_reader_of_a_pipe_may_leave(judging: Server) -> None:
    words = command("send", "test:size=64x48", "--loop", "--to", judging.address)
    with subprocess.Popen(
        words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # A line is there as soon as its frame is answered, not when a buffer is full.
        assert json.loads(process.stdout.readline())["inferences"]
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 1
        said = process.stderr.read()
    assert said.count("\n") == 1
    assert " answered, 0 lost; " in said


def test_a_full_disk(judging: Server) -> None:
    words = command("send", "test:size=64x48,frames=5", "--to", judging.address)
    with Path("/dev/full").open("w") as full:
        finished = subprocess.run(
            words, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, timeout=30, check=False
        )
    assert finished.returncode == 1
    assert finished.stderr.endswith("framewire: results cannot be written to stdout: No space left on device\n")


SMALL = "test:size=64x48,frames=1"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((SMALL, "--size", "0x4"), "'0x4' is no size such as 416x416, 640x (height follows) or x360"),
        ((SMALL, "--size", "x"), "'x' is no size such as 416x416, 640x (height follows) or x360"),
        ((SMALL, "--size", "70000x"), "'70000x' is too large; allowed: up to 65535 pixels"),
        ((SMALL, "--size", "99999999x1"), "is no size such as 416x416, 640x (height follows) or x360"),
        ((SMALL, "--scale", "crop"), "'crop' is not one of 'pad', 'preserveAspectRatio', 'stretch'"),
        ((SMALL, "--encoding", "gif"), "'gif' is not one of 'raw', 'jpg', 'png', 'bmp'"),
        ((SMALL, "--fps", "0"), "--fps is 0; allowed: a number above 0"),
        ((SMALL, "--fps", "nan"), "--fps is nan; allowed: a number above 0"),
        ((SMALL, "--duration", "-1"), "--duration is -1; allowed: a number above 0"),
        ((SMALL, "--timeout", "0"), "--timeout is 0; allowed: a number above 0"),
        ((SMALL, "--in-flight", "0"), "in flight is 0; allowed: 1 or more"),
        ((SMALL, "--frames", "0"), "0 is not in the range x>=1"),
        ((SMALL, "--streams", "0"), "0 is not in the range x>=1"),
        ((SMALL, "--quality", "101"), "quality is 101; allowed: 0 to 100"),
        (
            (SMALL, "--quality", "50", "--encoding", "png"),
            "--quality means nothing for png; allowed: --quality with jpg",
        ),
        (
            (SMALL, "--pixel-format", "rgb24", "--encoding", "jpg"),
            "--pixel-format rgb24 implies raw and --encoding is jpg; leave one of them out",
        ),
        ((SMALL, "--pixel-format", "RGB24"), "'RGB24' is not one of "),
        ((SMALL, "--password", "secret"), "--password needs --user"),
        ((SMALL, "--user", "me", "--password", "s\udcff"), "--password is ***; allowed: text in UTF-8"),
        ((SMALL, "--to", "localhost"), "address 'localhost' is none; allowed: HOST:PORT, "),
        ((SMALL, "--to", "localhost:0"), "address 'localhost:0' is none; allowed: HOST:PORT, "),
        ((SMALL, "--shared-memory=0"), "--shared-memory is 0; allowed: a number above 0"),
        ((SMALL, "--shared-memory=1e-9"), "--shared-memory is 1e-09 MiB; allowed: 1 byte to 1 TiB"),
        ((SMALL, "--shared-memory=1e300"), "--shared-memory is 1e+300 MiB; allowed: 1 byte to 1 TiB"),
        ((SMALL, "--shared-memory=much"), "'much' is not a valid float"),
        ((SMALL, "--shared-memory-mode", "rw"), "'rw' is no permission such as 0600 or 0644"),
        ((SMALL, "--shared-memory-mode", "999"), "'999' is no permission such as 0600 or 0644"),
        ((), "Missing argument 'SOURCE'"),
        ((SMALL, "second.mp4"), "Got unexpected extra argument (second.mp4)"),
        (("none.mp4",), "none.mp4 does not exist; allowed: test: (a synthetic scene), "),
        (("",), "a source without a name does not exist; allowed: "),
        (
            ("notes.txt",),
            "notes.txt cannot be read as video (it is text); give a video, an image or a folder of images",
        ),
        (("empty",), "empty holds no image; allowed: a folder with images, or an image or a video"),
        (("/dev/video99",), "/dev/video99 does not exist; allowed: "),
        (("test:speed=2",), "test: has no option 'speed'; allowed: size, frames, fps"),
        (("ftp://me:secret@host/clip.mp4",), "ftp://***@host/clip.mp4 is of no kind that is known; allowed: "),
    ],
)
def test_wrong_usage(judging: Server, tmp_path: Path, arguments: tuple[str, ...], text: str) -> None:
    (tmp_path / "notes.txt").write_text("hello\n" * 100)
    (tmp_path / "empty").mkdir()
    to = () if "--to" in arguments else ("--to", judging.address)
    assert text in refused_here("send", *arguments, *to, cwd=tmp_path)


@pytest.mark.parametrize("source", ["rtsp://me:secret@127.0.0.1:1/live", "http://me:secret@127.0.0.1:1/clip.mp4"])
def test_a_camera_that_cannot_be_reached_is_a_failure_and_no_wrong_usage(judging: Server, source: str) -> None:
    said = refused("send", source, "--to", judging.address, code=1)
    assert "***@127.0.0.1:1" in said
    assert "cannot be reached (Connection refused)" in said
    assert "secret" not in said


def test_a_password_is_in_no_message_of_the_other_side(judging: Server) -> None:
    finished = framewire("send", SMALL, "--to", judging.address, "--user", "me", "--password", "geheim")
    assert finished.returncode == 0
    assert "geheim" not in finished.stderr + judging.stderr
