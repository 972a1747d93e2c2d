"""The image is built and run for real, and the files beside it say what they should."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT.parent / "shared" / "tools" / "container"
BASE = "localhost/framewire-base:bookworm"
IMAGE_UID = 1010
OTHER_UID = 2020

TEMPLATES = {
    "deployment.template.json": ("host", "host"),
    "deployment.shareable.template.json": ("shareable", "container:avaedge"),
}
VARIABLES = {
    "AVAEDGE_DATA_FOLDER",
    "AVAEDGE_IMAGE",
    "AVAEDGE_PROVISIONING_TOKEN",
    "CONTAINER_REGISTRY",
    "CONTAINER_REGISTRY_PASSWORD",
    "CONTAINER_REGISTRY_USERNAME",
    "FRAMEWIRE_IMAGE",
}
GUIDE = (ROOT / "docs" / "how-to" / "deploy.md").read_text(encoding="utf-8")
TROUBLES = (ROOT / "docs" / "how-to" / "troubleshooting-shared-memory.md").read_text(encoding="utf-8")


def load(path: str) -> Any:
    return json.loads((ROOT / "deploy" / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "ipc_modes"), TEMPLATES.items())
def test_a_deployment_template_sets_ipc_logs_environment_and_restart(name: str, ipc_modes: tuple[str, str]) -> None:
    text = (ROOT / "deploy" / "iot-edge" / name).read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+)\}", text)) == VARIABLES
    modules = json.loads(text)["modulesContent"]["$edgeAgent"]["properties.desired"]["modules"]
    assert set(modules) == {"avaedge", "framewire"}
    # IoT Hub wants createOptions as a string that holds JSON.
    hosts = {key: json.loads(module["settings"]["createOptions"])["HostConfig"] for key, module in modules.items()}
    assert (hosts["avaedge"]["IpcMode"], hosts["framewire"]["IpcMode"]) == ipc_modes
    for key, host in hosts.items():
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "10"}
        assert modules[key]["restartPolicy"] == "always"
    assert modules["framewire"]["env"] == {
        "port": {"value": "5001"},
        "batchSize": {"value": "1"},
        "grpcBinding": {"value": "tcp://0.0.0.0:5001"},
    }
    # A container can only join the IPC namespace of one that runs already.
    assert modules["avaedge"]["startupOrder"] < modules["framewire"]["startupOrder"]


def test_the_guide_explains_every_variable_of_the_templates() -> None:
    assert {name for name in VARIABLES if f"`{name}`" in GUIDE} == VARIABLES


@pytest.mark.parametrize(
    ("name", "mode"),
    [("grpc-extension-embedded.json", "embedded"), ("grpc-extension-shared-memory.json", "sharedMemory")],
)
def test_a_topology_snippet_is_one_whole_node_and_the_parameters_it_uses(name: str, mode: str) -> None:
    snippet = load(f"topologies/{name}")
    (node,) = snippet["processors"]
    assert node["@type"] == "#Microsoft.VideoAnalyzer.GrpcExtension"
    assert node["dataTransfer"]["mode"] == mode
    assert node["inputs"][0]["nodeName"]
    declared = [parameter["name"] for parameter in snippet["parameters"]]
    assert len(declared) == len(set(declared))
    assert set(re.findall(r"\$\{(\w+)\}", json.dumps(node))) == set(declared)


def test_the_whole_topology_holds_the_shared_memory_snippet() -> None:
    whole = load("topologies/camera-to-framewire.json")["properties"]
    snippet = load("topologies/grpc-extension-shared-memory.json")
    assert whole["processors"] == snippet["processors"]
    assert whole["parameters"][-len(snippet["parameters"]) :] == snippet["parameters"]
    used = set(re.findall(r"\$\{(\w+)\}", json.dumps([whole["sources"], whole["processors"], whole["sinks"]])))
    assert used == {parameter["name"] for parameter in whole["parameters"]}


def container(*arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOL, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False)


def podman(*arguments: str) -> str:
    done = container("podman", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def free_port() -> int:
    # The containers share the machine's network.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    if not TOOL.exists():
        pytest.skip(f"{TOOL.name} is not here: the script that builds and runs images, ../shared/tools/container")
    if os.geteuid() != 0:
        pytest.skip("building and running images needs root")
    base = container("base", BASE, timeout_s=240)
    assert base.returncode == 0, base.stderr
    name = f"localhost/framewire-test:{uuid.uuid4().hex[:12]}"
    # pip in the build takes the same way to its packages as pip on this machine.
    pip = [f"--build-arg={key}={os.environ[key]}" for key in ("PIP_INDEX_URL", "PIP_CERT") if key in os.environ]
    built = container(
        "build", "-f", "deploy/docker/Dockerfile", "--build-arg", f"BASE={BASE}", *pip, "-t", name, ".", timeout_s=240
    )
    assert built.returncode == 0, built.stdout + built.stderr
    yield name
    podman("rmi", "--force", name)


class RunningServer:
    """A server in a container, ready for clients."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port

    def logs(self) -> str:
        done = container("podman", "logs", self.name)
        return done.stdout + done.stderr


@contextmanager
def running_server(image: str, *options: str) -> Iterator[RunningServer]:
    """Starts ``docker run -d OPTIONS IMAGE -p PORT -b 1`` and waits until it says that it listens."""
    server = RunningServer(f"framewire-test-{uuid.uuid4().hex[:12]}", free_port())
    started = container("run", "-d", "--name", server.name, *options, image, "-p", str(server.port), "-b", "1")
    try:
        assert started.returncode == 0, started.stderr
        wait_for_line(server, f"listening on .*:{server.port}$")
        yield server
    finally:
        container("podman", "rm", "--force", "--time", "0", server.name)


def wait_for_line(server: RunningServer, pattern: str) -> None:
    # The logs end with the container, so a server that dies at once ends the wait, too.
    with subprocess.Popen(
        [TOOL, "podman", "logs", "--follow", server.name], stdout=PIPE, stderr=subprocess.STDOUT, text=True
    ) as follower:
        assert follower.stdout is not None
        watchdog = threading.Timer(30, follower.kill)
        watchdog.start()
        try:
            seen = []
            for line in follower.stdout:
                seen.append(line)
                if re.search(pattern, line):
                    return
            pytest.fail(f"no line like {pattern!r} in the logs:\n{''.join(seen)}")
        finally:
            watchdog.cancel()
            follower.kill()


def send_command(image: str, server: RunningServer, *arguments: str, options: tuple[str, ...]) -> list[str]:
    return [
        *("run", "--rm", *options, "--entrypoint", "framewire", image),
        *("send", "test:size=640x360,frames=20", "--to", f"127.0.0.1:{server.port}", *arguments),
    ]


def send(
    image: str, server: RunningServer, *arguments: str, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Streams 20 frames from a second container."""
    command = send_command(image, server, *arguments, options=options)
    done = container(*command)
    if "container has already been removed" in done.stderr:
        # podman itself was late: it asks for the exit status of one that it has removed.
        done = container(*command)
    return done


def is_documented(message: str, page: str) -> bool:
    """Whether a page shows this message, which it may wrap, and with other names and ports in it."""

    def plain(text: str) -> str:
        text = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", text)
        return " ".join(re.sub(r"framewire-\d+-[0-9a-f]{12}", "NAME", text).split())

    return plain(message) in plain(page)


def tags(output: str) -> set[str]:
    return {
        inference["classification"]["tag"]["value"]
        for line in output.splitlines()
        for inference in json.loads(line)["inferences"]
    }


@pytest.fixture(scope="module")
def server(image: str) -> Iterator[RunningServer]:
    with running_server(image, "--ipc", "host") as running:
        yield running


def test_the_server_does_not_run_as_root(server: RunningServer) -> None:
    assert podman("exec", server.name, "id", "-u") == str(IMAGE_UID)


def test_frames_reach_the_server_over_shared_memory_from_a_second_container(image: str, server: RunningServer) -> None:
    done = send(image, server, "--shared-memory", "--pixel-format", "rgb24", options=("--ipc", "host"))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 20
    assert tags(done.stdout) <= {"light", "dark"}


def test_frames_reach_the_server_embedded_without_a_shared_namespace(image: str, server: RunningServer) -> None:
    done = send(image, server)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 20


def test_a_client_under_another_user_id_is_told_both_ids_and_the_way_out(image: str, server: RunningServer) -> None:
    options = ("--ipc", "host", "--user", f"{OTHER_UID}:{OTHER_UID}")
    refused = send(image, server, "--shared-memory", options=options)
    assert refused.returncode == 1
    for needed in (f"user id {OTHER_UID}", f"user id {IMAGE_UID}", "0644"):
        assert needed in refused.stderr
    assert is_documented(refused.stderr, TROUBLES), refused.stderr
    # The way out that the message names.
    done = send(image, server, "--shared-memory", "--shared-memory-mode", "0644", options=options)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 20


def test_a_client_in_another_ipc_namespace_is_told_to_share_it(image: str, server: RunningServer) -> None:
    refused = send(image, server, "--shared-memory", options=("--ipc", "private"))
    assert refused.returncode == 1
    assert "must share the IPC namespace" in refused.stderr
    assert is_documented(refused.stderr, TROUBLES), refused.stderr


def test_a_client_whose_dev_shm_is_too_small_is_told_how_to_enlarge_it(image: str, server: RunningServer) -> None:
    refused = send(image, server, "--shared-memory=100", options=("--ipc", "private", "--shm-size", "64m"))
    assert refused.returncode == 1
    assert "--shm-size" in refused.stderr
    assert is_documented(refused.stderr, TROUBLES), refused.stderr


def test_a_frame_larger_than_its_shared_memory_is_named(image: str, server: RunningServer) -> None:
    frames = ("--size", "1920x1080", "--pixel-format", "rgb24")
    refused = send(image, server, "--shared-memory=5", *frames, options=("--ipc", "host"))
    assert refused.returncode == 1
    assert is_documented(refused.stderr, TROUBLES), refused.stderr


def test_an_embedded_frame_larger_than_a_message_is_named(image: str, server: RunningServer) -> None:
    refused = send(image, server, "--size", "7680x4320", "--pixel-format", "rgb24")
    assert refused.returncode == 1
    assert is_documented(refused.stderr, GUIDE), refused.stderr


def test_the_environment_of_the_templates_is_in_force_in_the_container(image: str) -> None:
    desired = load("iot-edge/deployment.template.json")["modulesContent"]["$edgeAgent"]["properties.desired"]
    environment = desired["modules"]["framewire"]["env"]
    options = [f"--env={name}={setting['value']}" for name, setting in environment.items()]
    shown = container("run", "--rm", *options, image, "--show-config")
    assert shown.returncode == 0, shown.stderr
    in_force = {line.split()[0]: line.split(maxsplit=1)[1].split("  ") for line in shown.stdout.splitlines()}
    values = {name: (parts[0], parts[-1].strip()) for name, parts in in_force.items()}
    assert values["port"] == ("5001", "(environment port)")
    assert values["batch-size"] == ("1", "(environment batchSize)")
    assert values["host"] == ("0.0.0.0", "(environment grpcBinding)")


def test_a_shareable_namespace_serves_without_the_hosts(image: str) -> None:
    with running_server(image, "--ipc", "shareable", "--shm-size", "64m") as server:
        done = send(image, server, "--shared-memory", options=("--ipc", f"container:{server.name}"))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 20


SLOW_PROCESSOR = """
import time

from framewire import Classification, Processor, Tag


class Slow(Processor):
    def process(self, frames):
        time.sleep(0.5)
        return [[Classification(Tag("seen", 1.0), subtype="slow")] for _ in frames]
"""


def test_podman_stop_answers_the_frames_in_flight_and_ends_with_0(image: str, tmp_path: Path) -> None:
    processor = tmp_path / "slow.py"
    processor.write_text(SLOW_PROCESSOR)
    processor.chmod(0o644)  # the server is another user
    mounted = (
        "--ipc",
        "host",
        "--volume",
        f"{processor}:/processors/slow.py:ro",
        "-e",
        "FRAMEWIRE_PROCESSOR=slow.py:Slow",
    )
    with running_server(image, *mounted) as server:
        command = send_command(
            image, server, "--frames", "4", "--in-flight", "4", "--shared-memory", options=("--ipc", "host")
        )
        with subprocess.Popen([TOOL, *command], stdout=PIPE, stderr=PIPE, text=True, cwd=ROOT) as client:
            assert client.stdout is not None
            answers = [client.stdout.readline()]
            # Three frames are still with the server, which needs half a second for each.
            start = time.monotonic()
            podman("stop", "--time", "10", server.name)
            stopped_after_s = time.monotonic() - start
            rest, told = client.communicate(timeout=30)
            answers += rest.splitlines()
        assert stopped_after_s < 10
        assert podman("inspect", "--format", "{{.State.ExitCode}}", server.name) == "0"
        assert [json.loads(line)["inferences"][0]["subtype"] for line in answers] == ["slow"] * 4
        assert "4 frames sent, 4 answered, 0 lost" in told
        assert "Traceback" not in told + server.logs()
