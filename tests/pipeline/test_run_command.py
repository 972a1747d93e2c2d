"""``framewire run`` beside a running ``framewire serve``: what it prints, how it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line import PATIENCE_S, command, documents, environment, eventually, framewire, refused, running
from pipeline_documents import grpc, hub, motion, source, topology, written

SCENE = "test:size=320x180,frames=45,fps=15"


@pytest.fixture
def address() -> Iterator[str]:
    """An extension that tells light from dark."""
    with running("serve", "--port", "0", "--host", "127.0.0.1") as server:
        yield "tcp://" + server.until_said(r"listening on (\S+)")[1]


def run(*arguments: object) -> list[dict[str, Any]]:
    finished = framewire("run", *arguments)
    assert finished.returncode == 0, finished.stderr
    assert "Traceback" not in finished.stderr
    return documents(finished.stdout)


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [one["applicationProperties"]["eventType"].removeprefix("Microsoft.VideoAnalyzer.") for one in messages]


def inferences(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one["body"] for one, kind in zip(messages, kinds(messages), strict=True) if kind == "Analytics.Inference"]


def test_every_frame_of_a_file_that_is_read_as_fast_as_possible_is_answered(address: str, tmp_path: Path) -> None:
    path = written(tmp_path, topology(source(SCENE), grpc("ai", address), hub("ai")))
    messages = run(path, "--as-fast-as-possible")
    found = inferences(messages)
    assert len(found) == 45
    # Frames of 15 a second are 6,000 ticks apart.
    times = [body["timestamp"] for body in found]
    assert [later - times[0] for later in times] == [6_000 * index for index in range(45)]
    assert {tuple(one["classification"]["tag"]["value"] for one in body["inferences"]) for body in found} <= {
        ("light",),
        ("dark",),
    }
    first = next(one for one, kind in zip(messages, kinds(messages), strict=True) if kind == "Analytics.Inference")
    properties = first["applicationProperties"]
    assert properties["subject"] == "/edgeModules/avaedge/livePipelines/Tested/processors/ai"
    assert properties["dataVersion"] == "1.0"
    seconds, ticks = divmod(first["body"]["timestamp"], 90_000)
    assert properties["eventTime"].endswith(f"{seconds % 60:02}.{ticks // 90:03}Z")
    assert kinds(messages)[:3] == [
        "Operational.PipelineStateChanged",
        "Operational.PipelineStateChanged",
        "Diagnostics.MediaSessionEstablished",
    ]
    assert [one["body"]["state"] for one in messages if "state" in one["body"]] == [
        "activating",
        "active",
        "deactivating",
        "inactive",
    ]


def test_names_fill_the_subject_and_bodies_can_be_had_alone(address: str, tmp_path: Path) -> None:
    path = written(tmp_path, topology(source(SCENE), grpc("ai", address), hub("ai")))
    output = tmp_path / "messages.jsonl"
    bodies = run(
        path, "--as-fast-as-possible", "--body-only", "--name", "gate-7", "--module", "edge", "--output", output
    )
    assert len(bodies) == 45
    assert all(set(body) == {"timestamp", "inferences"} for body in bodies)
    kept = documents(output.read_text())
    assert inferences(kept) == bodies
    assert {one["applicationProperties"]["subject"] for one in kept} == {
        "/edgeModules/edge/livePipelines/gate-7",
        "/edgeModules/edge/livePipelines/gate-7/sources/camera",
        "/edgeModules/edge/livePipelines/gate-7/processors/ai",
    }


def test_the_message_of_the_last_of_two_extensions_holds_the_inferences_of_both_and_none_twice(
    address: str, tmp_path: Path
) -> None:
    echo = {"extensionConfiguration": json.dumps({"processor": "echo"})}
    path = written(
        tmp_path,
        topology(
            source(SCENE),
            motion(),
            grpc("first", address, "motion"),
            grpc("again", address, "first"),
            grpc("echoing", address, "again", **echo),
            hub("echoing"),
        ),
    )
    for body in inferences(run(path, "--as-fast-as-possible")):
        types = [one["type"] for one in body["inferences"]]
        # The second answers what the first did, and the third repeats all that it is sent.
        assert types.count("classification") == 1
        assert types == ["motion"] * (len(types) - 1) + ["classification"]
    assert len(inferences(run(path, "--as-fast-as-possible"))) == 45


def test_a_sampling_rate_and_frames_without_annotation_are_respected(address: str, tmp_path: Path) -> None:
    slow = {"samplingOptions": {"maximumSamplesPerSecond": "5"}}
    path = written(tmp_path, topology(source(SCENE), grpc("ai", address, **slow), hub("ai")))
    assert len(inferences(run(path, "--as-fast-as-possible"))) == 15
    picky = {"samplingOptions": {"skipSamplesWithoutAnnotation": "true"}}
    path = written(tmp_path, topology(source(SCENE), grpc("ai", address, **picky), hub("ai")))
    assert inferences(run(path, "--as-fast-as-possible")) == []


def test_an_interrupt_deactivates_the_pipeline(address: str, tmp_path: Path) -> None:
    path = written(tmp_path, topology(source("test:size=320x180"), grpc("ai", address), hub("ai")))
    with running("run", path) as pipeline:
        pipeline.until_printed(10)
        assert pipeline.stop(signal.SIGINT) == 0
    messages = documents(pipeline.stdout)
    assert messages[-1]["body"] == {"previousState": "deactivating", "state": "inactive"}
    # In real time: 15 frames a second, each media time as long after the first as the clock says.
    found = inferences(messages)
    assert found[0]["timestamp"] < found[-1]["timestamp"]


def test_a_second_interrupt_ends_a_run_that_waits_for_its_answers(tmp_path: Path) -> None:
    processor = tmp_path / "stuck.py"
    processor.write_text(
        "import time\n"
        "from framewire import Processor\n\n\n"
        "class Stuck(Processor):\n"
        "    def process(self, frames):\n"
        "        time.sleep(20)\n"
        "        return [() for _ in frames]\n"
    )
    with running("serve", "--port", "0", "--host", "127.0.0.1", "--processor", f"{processor}:Stuck") as server:
        address = "tcp://" + server.until_said(r"listening on (\S+)")[1]
        path = written(tmp_path, topology(source("test:size=320x180"), grpc("ai", address), hub("ai")))
        with running("run", path) as pipeline:
            server.until_said("session 1")
            pipeline.send_signal(signal.SIGINT)
            eventually(lambda: '"state":"deactivating"' in pipeline.stdout)
            pipeline.send_signal(signal.SIGINT)
            assert pipeline.end() == 1
    assert pipeline.stderr.splitlines()[-1] == "framewire: interrupted"


def test_nothing_of_a_file_is_lost_when_the_extension_dies_and_returns(tmp_path: Path) -> None:
    scene = "test:size=320x180,frames=1000,fps=15"
    with running("serve", "--port", "0", "--host", "127.0.0.1") as server:
        port = server.until_said(r"listening on \S+:(\d+)")[1]
        path = written(tmp_path, topology(source(scene), grpc("ai", f"tcp://127.0.0.1:{port}"), hub("ai")))
        with running("run", path, "--as-fast-as-possible", "--body-only") as pipeline:
            pipeline.until_printed(100)
            server.process.kill()
            server.process.wait()
            pipeline.until_said("ai: .* trying again")
            with running("serve", "--port", port, "--host", "127.0.0.1"):
                assert pipeline.end() == 0
    times = [body["timestamp"] for body in documents(pipeline.stdout)]
    assert [time - times[0] for time in times] == [6_000 * index for index in range(1000)]


def test_a_live_source_drops_what_a_slow_extension_cannot_take_and_says_how_much(tmp_path: Path) -> None:
    processor = tmp_path / "slow.py"
    processor.write_text(
        "import time\n"
        "from framewire import Processor\n\n\n"
        "class Slow(Processor):\n"
        "    def process(self, frames):\n"
        "        time.sleep(0.5)\n"
        "        return [() for _ in frames]\n"
    )
    with running("serve", "--port", "0", "--host", "127.0.0.1", "--processor", f"{processor}:Slow") as server:
        address = "tcp://" + server.until_said(r"listening on (\S+)")[1]
        scene = "test:size=320x180,frames=60,fps=30"
        path = written(tmp_path, topology(source(scene), grpc("ai", address), hub("ai")))
        finished = framewire("run", path)
    assert finished.returncode == 0
    assert inferences(documents(finished.stdout)) == []
    assert "60 frames" in finished.stderr
    assert re.search(r"ai: 0 \(dropped: \d+ extension-busy\)", finished.stderr)


def test_a_pipeline_without_a_sink_that_publishes_runs_and_says_so(tmp_path: Path) -> None:
    document = topology(source(SCENE), motion(), {**hub("line"), "name": "hub"})
    document["properties"]["processors"].append(
        {
            "@type": "#Microsoft.VideoAnalyzer.ObjectTrackingProcessor",
            "name": "tracker",
            "inputs": [{"nodeName": "motion"}],
        }
    )
    document["properties"]["sinks"][0]["inputs"] = [{"nodeName": "tracker"}]
    finished = framewire("run", written(tmp_path, document), "--as-fast-as-possible")
    assert finished.returncode == 0, finished.stderr
    assert inferences(documents(finished.stdout)) == []
    assert "nothing will be published" in finished.stderr
    assert "tracker" in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("nowhere.json",), "nowhere.json cannot be read: No such file or directory"),
        (("{path}", "--set", "speed"), "has no '='"),
        (("{path}", "--output", "ftp://somewhere"), "ftp"),
        (("{path}", "--outbox-mib", "-1"), "outbox"),
    ],
)
def test_what_cannot_run_is_refused_in_one_line(arguments: tuple[str, ...], expected: str, tmp_path: Path) -> None:
    path = written(tmp_path, topology(source(SCENE), motion(), hub("motion")))
    assert expected in refused("run", *(one.format(path=path) for one in arguments))


def test_a_source_whose_name_is_too_long_is_told_in_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, topology(source("a" * 300), motion(), hub("motion")))
    finished = framewire("run", path)
    assert finished.returncode == 2
    assert f"framewire: {'a' * 80} cannot be read (File name too long)" in finished.stderr.splitlines()
    assert "Traceback" not in finished.stderr


def test_a_source_that_does_not_exist_is_told_in_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, topology(source("nowhere.mp4", "me", "s3cret"), motion(), hub("motion")))
    finished = framewire("run", path)
    assert finished.returncode == 2
    assert "nowhere.mp4 does not exist" in finished.stderr
    assert "s3cret" not in finished.stdout + finished.stderr


def test_the_profile_names_each_node(tmp_path: Path) -> None:
    path = written(tmp_path, topology(source(SCENE), motion(), hub("motion")))
    finished = framewire("run", path, "--as-fast-as-possible", "--profile")
    found = re.findall(r"^(\S.*?)  +(\d* ) +(\d+\.\d\d)  .* (\d+)%$", finished.stderr, re.MULTILINE)
    frames = {name: count.strip() for name, count, _, _ in found}
    assert frames["motion"] == "45"
    # The scene is drawn by the camera's node, where others decode.
    assert frames["camera: decoding"] == "45"
    assert set(frames) == {"camera", "camera: decoding", "motion", "the rest", "together"}
    *rows, together = (float(seconds) for _, _, seconds, _ in found)
    assert together == pytest.approx(sum(rows), abs=0.03)


def test_the_profile_tells_images_from_the_node_that_sends_them(address: str, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        topology(source(SCENE), grpc("ai", address, samplingOptions={"maximumSamplesPerSecond": "1"}), hub("ai")),
    )
    finished = framewire("run", path, "--as-fast-as-possible", "--profile")
    assert re.search(r"^ai: images +3 ", finished.stderr, re.MULTILINE)
    assert re.search(r"^ai +45 ", finished.stderr, re.MULTILINE)


def test_a_reader_that_goes_away_ends_the_run(tmp_path: Path) -> None:
    path = written(
        tmp_path, topology(source("test:size=320x180"), motion(eventAggregationWindow="PT0S"), hub("motion"))
    )
    with subprocess.Popen(
        command("run", path), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as pipeline:
        assert pipeline.stdout is not None
        assert pipeline.stderr is not None
        for _ in range(3):
            pipeline.stdout.readline()
        pipeline.stdout.close()
        assert pipeline.wait(PATIENCE_S) == 1
        assert "Traceback" not in pipeline.stderr.read()


def test_prometheus_is_answered_while_it_runs(tmp_path: Path) -> None:
    path = written(tmp_path, topology(source("test:size=160x90"), motion(), hub("motion")))
    with running("run", path, "--metrics-port", 0) as one:
        url = one.until_said(r"metrics on (http://127\.0\.0\.1:\d+/metrics)")[1]
        one.until_printed(3)
        text = httpx.get(url, trust_env=False).text
        assert 'va_active_live_pipelines{pipeline_topology="Tested"} 1.0' in text.splitlines()
        of = 'live_pipeline="Tested",node="motion",pipeline_topology="Tested"'
        assert f'va_data_dropped_total{{data_kind="video",{of}}} 0.0' in text.splitlines()
        # Once a frame has come.
        latency = f"va_cumulative_latency_seconds_max{{{of}}} "
        eventually(lambda: latency in httpx.get(url, trust_env=False).text)
        port = url.rpartition(":")[2].partition("/")[0]
        assert f"port {port} of 127.0.0.1 cannot be used" in refused("run", path, "--metrics-port", port, code=1)
        assert one.stop() == 0


def test_a_metrics_host_that_can_be_none_is_told_in_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, topology(source(SCENE), motion(), hub("motion")))
    line = refused("run", path, "--metrics-port", "a..b:9600", code=1)
    assert line == "port 9600 of a..b cannot be used: no name of a host"


@pytest.mark.parametrize("listen", ["70000", "somewhere", "127.0.0.1:", "-1"])
def test_a_metrics_port_that_is_none_is_refused_in_one_line(listen: str, tmp_path: Path) -> None:
    path = written(tmp_path, topology(source(SCENE), motion(), hub("motion")))
    assert "--metrics-port is" in refused("run", path, f"--metrics-port={listen}")
