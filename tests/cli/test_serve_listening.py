"""Where ``serve`` listens, and what it says when it cannot."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import (
    PATIENCE_S,
    Server,
    command,
    complaint,
    documents,
    environment,
    eventually,
    framewire,
    framewire_here,
    refused,
    refused_here,
    serving,
)

TOYS = Path(__file__).parent / "watching.py"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(where=("--port", 0)) as one:
        yield one


def ask(address: str, *arguments: object) -> list[str]:
    """Sends two frames; gives what the server finds."""
    finished = framewire_here("send", "test:size=64x48,frames=2", "--to", address, *arguments)
    assert finished.returncode == 0, finished.stderr
    return [line["inferences"][0]["classification"]["tag"]["value"] for line in documents(finished.stdout)]


def test_one_line_says_when_it_is_ready(server: Server) -> None:
    assert server.stderr.splitlines()[:1] == [f"listening on {server.address}"]
    assert server.address.startswith("[::]:")
    assert not server.address.endswith(":0")
    assert server.stdout == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "tcp://127.0.0.1", "tcp://[::1]"])
def test_ipv4_and_ipv6_both_answer(server: Server, host: str) -> None:
    if "[" in host and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    assert ask(f"{host}:{server.address.rpartition(':')[2]}") == ["light", "dark"]


@pytest.mark.parametrize("host", [None, "127.0.0.1", "::1", "localhost"])
def test_a_port_in_use(server: Server, host: str | None) -> None:
    port = server.address.rpartition(":")[2]
    chosen = () if host is None else ("--host", host)
    assert refused_here("serve", "--port", port, *chosen, code=1) == (
        f"port {port} is in use; stop the other server, or choose another with --port (0: a free one)"
    )


def test_a_host_of_another_machine() -> None:
    assert refused_here("serve", "--port", 0, "--host", "192.0.2.1") == (
        "cannot listen on host '192.0.2.1' port 0 (Cannot assign requested address); "
        "allowed: an address of this machine, unix:/path, or nothing for all interfaces"
    )


def test_a_host_without_a_meaning() -> None:
    text = refused_here("serve", "--port", 0, "--host", "0.0.0.0:5001")
    assert text.startswith("cannot listen on host '0.0.0.0:5001' port 0")
    assert text.endswith("allowed: an address of this machine, unix:/path, or nothing for all interfaces")


def test_a_privileged_port(tmp_path: Path) -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first <= 1:
        pytest.skip("here anybody may use any port")
    words = command("serve", "--port", first - 1)
    if os.geteuid() == 0:
        # Root without the right to such ports: PR_CAPBSET_DROP of CAP_NET_BIND_SERVICE takes it from the next program.
        drop = "import ctypes, os, sys; assert not ctypes.CDLL(None).prctl(24, 10); os.execv(sys.argv[1], sys.argv[1:])"
        words = [words[0], "-c", drop, *words]
    finished = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=30, check=False)
    assert complaint(finished, 1) == (
        f"port {first - 1} may not be used by this user; choose one above 1023 with --port"
    )


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "framewire.sock"
    with serving(where=("--host", f"unix:{path}")) as server:
        assert server.address == f"unix:{path}"
        assert ask(server.address, "--shared-memory") == ["light", "dark"]
        assert refused("serve", "--host", f"unix:{path}", code=1) == (
            f"another server listens on unix:{path}; stop it, or choose another path with --host"
        )
        # The one that was refused has not taken the socket away.
        assert ask(server.address) == ["light", "dark"]
        assert server.stop() == 0
    assert not path.exists()


def test_a_unix_socket_that_a_killed_server_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "framewire.sock"
    with serving(where=("--host", f"unix:{path}")) as killed:
        killed.process.kill()
        killed.process.wait()
    assert path.exists()
    with serving(where=("--host", f"unix:{path}")) as server:
        assert ask(server.address) == ["light", "dark"]


def test_a_unix_socket_in_a_folder_that_there_is_not(tmp_path: Path) -> None:
    path = tmp_path / "none" / "framewire.sock"
    finished = framewire("serve", "--host", f"unix:{path}")
    assert complaint(finished, 2) == (
        f"cannot listen on unix:{path}; its folder must exist and be writable, and hold nothing else of that name"
    )


@pytest.mark.parametrize(
    ("processor", "code", "text"),
    [
        (
            "colour-intensity",
            2,
            "there is no processor 'colour-intensity'; did you mean 'color-intensity'?; "
            "allowed: color-intensity, echo, motion, null",
        ),
        ("mine.py", 2, "processor 'mine.py' names no class; allowed: mine.py:ClassName"),
        ("mine.py:Mine", 2, "there is no file mine.py; give the path of a Python file, then :ClassName"),
        (
            "broken.py:Mine",
            2,
            "broken.py cannot be imported: SyntaxError: '(' was never closed (broken.py, line 2); "
            "run with --log-level debug to see where",
        ),
        (
            "leaving.py:Mine",
            2,
            "leaving.py cannot be imported: SystemExit: 3; run with --log-level debug to see where",
        ),
        (
            "no.such.package:Mine",
            2,
            "module 'no.such.package' cannot be imported: ModuleNotFoundError: No module named 'no'; "
            "run with --log-level debug to see where",
        ),
        (f"{TOYS}:Boxes", 2, f"{TOYS} has no class 'Boxes'; allowed: "),
        (
            f"{TOYS}:NoProcessor",
            2,
            f"NoProcessor in {TOYS} is no processor; allowed: a class with process(self, frames) "
            "or process_images(self, mediaStreamMessage, rawBytes, size)",
        ),
        (
            f"{TOYS}:RaisesWhenMade",
            1,
            f"processor {TOYS}:RaisesWhenMade cannot be opened: RuntimeError: no model in this folder",
        ),
        (
            f"{TOYS}:RaisesWhenOpened",
            1,
            f"processor {TOYS}:RaisesWhenOpened cannot be opened: OSError: no such accelerator",
        ),
    ],
)
def test_a_processor_that_cannot_be_used(tmp_path: Path, processor: str, code: int, text: str) -> None:
    (tmp_path / "broken.py").write_text("import framewire\nprint(\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(3)\n")
    said = refused("serve", "--port", 0, "--processor", processor, code=code, cwd=tmp_path)
    assert said.startswith(text)


def test_the_log_level_debug_shows_where_a_processor_raises() -> None:
    finished = framewire("serve", "--port", 0, "--log-level", "debug", "--processor", f"{TOYS}:RaisesWhenOpened")
    assert finished.returncode == 1
    assert 'raise OSError("no such accelerator")' in finished.stderr


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("threshold", "option 'threshold' is not key=value; allowed: for example threshold=100"),
        (
            "treshold=100",
            "processor color-intensity has no option 'treshold'; did you mean 'threshold'?; allowed: threshold",
        ),
        ("threshold=dark", "option threshold of processor color-intensity is 'dark': input should be a valid number"),
    ],
)
def test_a_wrong_option_of_the_processor(option: str, text: str) -> None:
    assert refused_here("serve", "--port", 0, "--option", option).startswith(text)


def test_a_processor_of_a_file_and_its_options(tmp_path: Path) -> None:
    settings = tmp_path / "framewire.toml"
    settings.write_text("[option]\nl = 0.25\nw = 0.5\n")
    with serving("--processor", f"{TOYS}:Boxed", "--config", settings) as server:
        finished = framewire_here("send", "test:size=64x48,frames=1", "--to", server.address)
    (line,) = documents(finished.stdout)
    assert line["inferences"] == [
        {
            "type": "entity",
            "entity": {"tag": {"value": "thing", "confidence": 1}, "box": {"l": 0.25, "t": 0, "w": 0.5, "h": 1}},
        }
    ]


def test_a_processor_of_a_module_in_this_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TOYS.read_text())
    with serving("--processor", "mine:Boxed", cwd=tmp_path) as server:
        finished = framewire_here("send", "test:size=64x48,frames=1", "--to", server.address)
    assert len(documents(finished.stdout)) == 1


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("me:secret\njunk-without-colon\n", "line 2 of FILE is no credential; allowed: user:password"),
        (
            "# nobody\n\n",
            "FILE holds no credentials; allowed: lines of user:password; leave --credentials out to let all in",
        ),
        (b"\xff\xfe", "cannot read credentials from FILE: it is not UTF-8; check --credentials"),
        (None, "cannot read credentials from FILE: No such file or directory; check --credentials"),
    ],
)
def test_credentials_that_cannot_be_read(tmp_path: Path, content: str | bytes | None, text: str) -> None:
    file = tmp_path / "credentials"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = refused_here("serve", "--port", 0, "--credentials", file)
    assert said == text.replace("FILE", str(file))
    assert "junk" not in said


def test_credentials_let_in_who_has_them_and_nobody_else(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("# cameras\nyard:open:sesame\n")
    with serving("--credentials", file, env={"FRAMEWIRE_USER": "gate", "FRAMEWIRE_PASSWORD": "s3cret"}) as server:
        assert ask(server.address, "--user", "yard", "--password", "open:sesame") == ["light", "dark"]
        assert ask(server.address, "--user", "gate", "--password", "s3cret") == ["light", "dark"]
        for wrong in (("--user", "yard", "--password", "sesame"), ("--user", "gate"), ()):
            said = refused_here("send", "test:size=64x48,frames=2", "--to", server.address, *wrong, code=1)
            assert said == (
                f"{server.address} ended the stream with UNAUTHENTICATED: "
                "x-ms-authentication does not hold the credentials of this server"
            )
    assert "sesame" not in server.stderr
    assert "s3cret" not in server.stderr


def test_user_and_password_of_the_client_may_come_from_its_environment() -> None:
    secrets = {"FRAMEWIRE_USER": "gate", "FRAMEWIRE_PASSWORD": "s3cret"}
    with serving(env=secrets) as server:
        finished = framewire_here("send", "test:size=64x48,frames=2", "--to", server.address, env=secrets)
        assert finished.returncode == 0, finished.stderr


def test_the_variables_of_existing_deployments_are_followed() -> None:
    with serving(where=(), env={"grpcBinding": "tcp://127.0.0.1:1", "port": "0", "batchSize": "2"}) as server:
        assert server.address.startswith("127.0.0.1:")
        assert ask(server.address) == ["light", "dark"]


def test_a_server_without_stdout_and_stderr_serves(tmp_path: Path) -> None:
    path = tmp_path / "framewire.sock"
    words = [*command("serve", "--host"), f"unix:{path}"]
    with subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words], env=environment()) as process:
        try:
            eventually(path.exists)
            assert ask(f"unix:{path}") == ["light", "dark"]
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()


def test_a_server_whose_stderr_nobody_reads_any_more_serves_and_drains() -> None:
    words = command("serve", "--port", 0, "--host", "127.0.0.1")
    with subprocess.Popen(words, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            address = process.stderr.readline().removeprefix("listening on ").strip()
            process.stderr.close()
            assert ask(address) == ["light", "dark"]
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("host", ["a..b", "\udcff", "\u00e4..b"])
def test_a_host_that_can_be_none_is_told_in_one_line(host: str) -> None:
    line = refused("serve", "--port", 0, "--host", host)
    assert line.startswith("cannot listen on host ")
    assert line.endswith("allowed: an address of this machine, unix:/path, or nothing for all interfaces")
