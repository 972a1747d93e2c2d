"""Where the settings of ``serve`` come from, and which one wins."""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import environment, framewire, refused, refused_here

from framewire.cli.main import run

Shown = Callable[..., dict[str, tuple[str, str]]]


def forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    """Runs ``serve --show-config`` in this process; gives value and source by name."""
    handlers, level = logging.root.handlers[:], logging.root.level
    forget_settings(monkeypatch)

    def show(*arguments: object) -> dict[str, tuple[str, str]]:
        assert run(["serve", *map(str, arguments), "--show-config"]) == 0
        rows = {}
        for line in capsys.readouterr().out.splitlines():
            name, value = line.split(maxsplit=1)
            value, _, source = value.rpartition("  (")
            rows[name] = (value.strip(), source.removesuffix(")"))
        return rows

    yield show
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def test_the_defaults(shown: Shown) -> None:
    assert shown() == {
        "port": ("5001", "default"),
        "batch-size": ("1", "default"),
        "host": ("-", "default"),
        "processor": ("color-intensity", "default"),
        "option": ("-", "default"),
        "executor": ("threads", "default"),
        "workers": ("1", "default"),
        "frame-timeout": ("60", "default"),
        "batch-wait": ("0", "default"),
        "batch-reply": ("frame", "default"),
        "max-message": ("64", "default"),
        "max-frame": ("256", "default"),
        "max-sessions": ("256", "default"),
        "max-pools": ("32", "default"),
        "max-bad-frames": ("30", "default"),
        "max-in-flight": ("32", "default"),
        "max-in-flight-mib": ("64", "default"),
        "max-total-in-flight": ("1024", "default"),
        "max-total-in-flight-mib": ("512", "default"),
        "when-busy": ("wait", "default"),
        "max-age": ("0", "default"),
        "strict-configuration": ("false", "default"),
        "shared-memory-read": ("map", "default"),
        "credentials": ("-", "default"),
        "drain-timeout": ("8", "default"),
        "log-level": ("info", "default"),
    }


SETTINGS = [
    ("port", "6001", "6001", "6001"),
    ("batch-size", "4", "4", "4"),
    ("host", "127.0.0.1", '"127.0.0.1"', "127.0.0.1"),
    ("host", "unix:/run/framewire.sock", '"unix:/run/framewire.sock"', "unix:/run/framewire.sock"),
    ("processor", "motion", '"motion"', "motion"),
    ("option", "threshold=100", '["threshold=100"]', "threshold=100"),
    ("executor", "inline", '"inline"', "inline"),
    ("workers", "4", "4", "4"),
    ("frame-timeout", "2.5", "2.5", "2.5"),
    ("when-busy", "latest", '"latest"', "latest"),
    ("max-age", "250", "250", "250"),
    ("batch-wait", "2.5", "2.5", "2.5"),
    ("batch-reply", "aggregate", '"aggregate"', "aggregate"),
    ("max-message", "8", "8", "8"),
    ("max-frame", "0.5", "0.5", "0.5"),
    ("max-sessions", "9", "9", "9"),
    ("max-bad-frames", "0", "0", "0"),
    ("max-in-flight", "7", "7", "7"),
    ("max-in-flight-mib", "6", "6", "6"),
    ("max-total-in-flight", "70", "70", "70"),
    ("max-total-in-flight-mib", "60", "60", "60"),
    ("shared-memory-read", "copy", '"copy"', "copy"),
    ("credentials", "secrets.txt", '"secrets.txt"', "secrets.txt"),
    ("drain-timeout", "3", "3", "3"),
    ("log-level", "error", '"error"', "error"),
]


@pytest.mark.parametrize(("name", "text", "toml", "value"), SETTINGS)
def test_each_setting_is_a_flag_a_variable_and_a_line_of_the_file(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, name: str, text: str, toml: str, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secrets.txt").write_text("yard:gate\n")  # credentials are read before they are shown
    assert shown(f"--{name}", text)[name] == (value, f"flag --{name}")
    file = tmp_path / "framewire.toml"
    file.write_text(f"{name} = {toml}\n")
    assert shown("--config", file)[name] == (value, f"file {file}")
    file.write_text(f"{name.replace('-', '_')} = {toml}\n")
    assert shown("--config", file)[name] == (value, f"file {file}")
    variable = f"FRAMEWIRE_{name.replace('-', '_').upper()}"
    monkeypatch.setenv(variable, text)
    assert shown()[name] == (value, f"environment {variable}")


@pytest.mark.parametrize("text", ["1", "true", "yes", "on"])
def test_strictness_is_a_flag_a_variable_and_a_line_of_the_file(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert shown("--strict-configuration")["strict-configuration"] == ("true", "flag --strict-configuration")
    file = tmp_path / "framewire.toml"
    file.write_text("strict-configuration = true\n")
    assert shown("--config", file)["strict-configuration"] == ("true", f"file {file}")
    monkeypatch.setenv("FRAMEWIRE_STRICT_CONFIGURATION", text)
    assert shown()["strict-configuration"] == ("true", "environment FRAMEWIRE_STRICT_CONFIGURATION")


def test_the_short_flags_of_existing_deployments(shown: Shown) -> None:
    settings = shown("-p", 5002, "-b", 3)
    assert settings["port"] == ("5002", "flag --port")
    assert settings["batch-size"] == ("3", "flag --batch-size")


@pytest.mark.parametrize(
    ("layers", "port", "source"),
    [
        ("", "5001", "default"),
        ("file", "5101", "file framewire.toml"),
        ("variable", "5102", "environment FRAMEWIRE_PORT"),
        ("file variable", "5102", "environment FRAMEWIRE_PORT"),
        ("flag", "5103", "flag --port"),
        ("file flag", "5103", "flag --port"),
        ("variable flag", "5103", "flag --port"),
        ("file variable flag", "5103", "flag --port"),
        ("binding", "5104", "environment grpcBinding"),
        ("file binding", "5104", "environment grpcBinding"),
        ("file variable flag binding", "5104", "environment grpcBinding"),
        ("deployment", "5105", "environment port"),
        ("binding deployment", "5105", "environment port"),
        ("variable deployment", "5105", "environment port"),
        ("flag deployment", "5105", "environment port"),
        ("file variable flag binding deployment", "5105", "environment port"),
    ],
)
def test_the_highest_layer_wins(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, layers: str, port: str, source: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("framewire.toml").write_text("port = 5101\n")
    arguments: list[object] = []
    for layer in layers.split():
        match layer:
            case "file":
                arguments += ["--config", "framewire.toml"]
            case "variable":
                monkeypatch.setenv("FRAMEWIRE_PORT", "5102")
            case "flag":
                arguments += ["--port", 5103]
            case "binding":
                monkeypatch.setenv("grpcBinding", "tcp://0.0.0.0:5104")
            case "deployment":
                monkeypatch.setenv("port", "5105")
    assert shown(*arguments)["port"] == (port, source)


def test_the_file_may_be_named_by_a_variable(shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "framewire.toml"
    file.write_text("port = 6001\n[option]\nthreshold = 100.5\nname = 'a b'\nflags = [1, 2]\nis_on = true\n")
    monkeypatch.setenv("FRAMEWIRE_CONFIG", str(file))
    settings = shown()
    assert settings["port"] == ("6001", f"file {file}")
    assert settings["option"] == ("threshold=100.5; name=a b; flags=[1, 2]; is_on=true", f"file {file}")


def test_options_of_the_processor_are_separated_by_semicolons_in_their_variable(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMEWIRE_OPTION", "threshold=100; name=x=y;")
    assert shown()["option"] == ("threshold=100; name=x=y", "environment FRAMEWIRE_OPTION")


def test_options_of_a_higher_layer_take_the_place_of_all_those_below(shown: Shown, tmp_path: Path) -> None:
    file = tmp_path / "framewire.toml"
    file.write_text("[option]\nthreshold = 100\n")
    settings = shown("--config", file, "--option", "a=1", "--option", "b=2")
    assert settings["option"] == ("a=1; b=2", "flag --option")


def test_variables_of_existing_deployments_mean_nothing_in_another_case(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PORT", "Port", "batchsize", "BATCHSIZE", "grpcbinding", "GRPCBINDING"):
        monkeypatch.setenv(name, "not even a number")
    assert {source for _, source in shown().values()} == {"default"}


def test_empty_variables_mean_nothing(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("port", "batchSize", "grpcBinding", "FRAMEWIRE_PORT", "FRAMEWIRE_PROCESSOR", "FRAMEWIRE_CONFIG"):
        monkeypatch.setenv(name, "")
    assert {source for _, source in shown().values()} == {"default"}


@pytest.mark.parametrize(
    ("binding", "host", "port"),
    [
        ("tcp://0.0.0.0:5002", "0.0.0.0", "5002"),
        ("tcp://0.0.0.0:5002/", "0.0.0.0", "5002"),
        ("0.0.0.0:5002", "0.0.0.0", "5002"),
        ("tcp://[::1]:5002", "::1", "5002"),
        ("tcp://*:5002", "-", "5002"),
        ("tcp://localhost", "localhost", "5001"),
        ("tcp://:5002", "-", "5002"),
    ],
)
def test_a_binding_gives_host_and_port(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, binding: str, host: str, port: str
) -> None:
    monkeypatch.setenv("grpcBinding", binding)
    settings = shown()
    assert (settings["host"][0], settings["port"][0]) == (host, port)


def test_a_port_beats_the_one_of_a_binding_but_not_its_host(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("grpcBinding", "tcp://127.0.0.1:5002")
    monkeypatch.setenv("port", " 5003 ")
    monkeypatch.setenv("batchSize", "7")
    settings = shown()
    assert settings["host"] == ("127.0.0.1", "environment grpcBinding")
    assert settings["port"] == ("5003", "environment port")
    assert settings["batch-size"] == ("7", "environment batchSize")


def test_a_warning_says_when_a_variable_of_existing_deployments_overrides_a_flag() -> None:
    finished = framewire(
        *("serve", "--port", 1, "-b", 2, "--show-config"),
        env={"port": "5002", "batchSize": "2", "grpcBinding": "tcp://0.0.0.0:5003", "FRAMEWIRE_HOST": "127.0.0.1"},
    )
    assert finished.returncode == 0
    (warning,) = finished.stderr.splitlines()
    assert warning.endswith(
        "warning: environment variable port sets port to 5002 and overrides flag --port 1; unset it to use the flag"
    )
    assert "port                     5002             (environment port)\n" in finished.stdout


def test_a_mistyped_variable_is_named_with_what_was_meant() -> None:
    variables = {"FRAMEWIRE_BATCHSIZE": "4", "FRAMEWIRE_SERVICE_HOST": "10.0.0.1"}
    finished = framewire("serve", "--show-config", env=variables)
    assert finished.returncode == 0
    assert [line.partition("environment")[2] for line in finished.stderr.splitlines()] == [
        " variable FRAMEWIRE_BATCHSIZE means nothing; did you mean FRAMEWIRE_BATCH_SIZE?"
    ]


def test_the_user_of_the_environment_is_shown_and_the_password_is_not() -> None:
    finished = framewire("serve", "--show-config", env={"FRAMEWIRE_USER": "yard", "FRAMEWIRE_PASSWORD": "gate-7"})
    assert finished.stdout.splitlines()[-1].split() == ["user", "yard", "(environment", "FRAMEWIRE_USER)"]
    assert "gate-7" not in finished.stdout + finished.stderr


def test_credentials_that_cannot_be_read_are_told_before_the_settings_are_shown(tmp_path: Path) -> None:
    odd = {"FRAMEWIRE_USER": "me", "FRAMEWIRE_PASSWORD": "s\udcff"}
    assert (
        refused("serve", env=odd)
        == "FRAMEWIRE_PASSWORD cannot be compared with what clients send; allowed: text in UTF-8"
    )
    said = refused("serve", "--show-config", "--credentials", tmp_path / "none")
    assert said == f"cannot read credentials from {tmp_path}/none: No such file or directory; check --credentials"


def test_variables_of_existing_deployments_are_for_serve_alone() -> None:
    finished = framewire("processors", "null", env={"port": "junk", "batchSize": "junk", "grpcBinding": "junk"})
    assert (finished.returncode, finished.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("port", "five", "environment variable port is 'five'; allowed: a whole number from 0 to 65535"),
        ("port", "65536", "environment variable port is '65536'; allowed: a whole number from 0 to 65535"),
        ("port", "-1", "environment variable port is '-1'; allowed: a whole number from 0 to 65535"),
        ("port", "\u0665\u0660\u0660\u0661", "allowed: a whole number from 0 to 65535"),
        ("batchSize", "0", "environment variable batchSize is '0'; allowed: a whole number from 1 to 4096"),
        (
            "grpcBinding",
            "http://0.0.0.0:5001",
            "environment variable grpcBinding is 'http://0.0.0.0:5001'; "
            "allowed: tcp://HOST:PORT, for example tcp://0.0.0.0:5001",
        ),
        ("grpcBinding", "tcp://0.0.0.0:99999", "allowed: tcp://HOST:PORT, for example tcp://0.0.0.0:5001"),
        ("grpcBinding", "tcp://", "allowed: tcp://HOST:PORT, for example tcp://0.0.0.0:5001"),
        (
            "FRAMEWIRE_PORT",
            "five",
            "Invalid value for '-p' / '--port' (env var: 'FRAMEWIRE_PORT'): 'five' is not a valid integer; "
            "see framewire serve --help",
        ),
        ("FRAMEWIRE_PORT", "70000", "port is 70000 (environment FRAMEWIRE_PORT); allowed: 0 to 65535"),
        ("FRAMEWIRE_PASSWORD", "secret", "FRAMEWIRE_PASSWORD is set and FRAMEWIRE_USER is not; set both or none"),
    ],
)
def test_a_wrong_variable(name: str, value: str, text: str) -> None:
    assert refused_here("serve", env={name: value}).endswith(text)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("prot = 5002", "F sets unknown 'prot'; did you mean 'port'?; allowed: batch-reply, batch-size, "),
        ("batch_sise = 2", "F sets unknown 'batch_sise'; did you mean 'batch-size'?; allowed: "),
        ("show-config = true", "F sets unknown 'show-config'; allowed: "),
        ("port = '5002'", "F: port is '5002'; allowed: a whole number"),
        ("port = true", "F: port is True; allowed: a whole number"),
        ("port = 5.5", "F: port is 5.5; allowed: a whole number"),
        ("port = [5002]", "F: port is [5002]; allowed: a whole number"),
        ("port = 70000", "port is 70000 (file F); allowed: 0 to 65535"),
        ("batch_wait = 'long'", "F: batch_wait is 'long'; allowed: a number"),
        ("drain-timeout = nan", "drain timeout (s) is nan (file F); allowed: 0 to 86400"),
        ("strict-configuration = 1", "F: strict-configuration is 1; allowed: true or false"),
        ("host = 127", "F: host is 127; allowed: a text in quotes"),
        ("log-level = 'loud'", "F: log-level is 'loud': 'loud' is not one of 'debug', 'info', 'warning', 'error'"),
        ("option = 'a=1'", "F: option is 'a=1'; allowed: a table [option], or a list of key=value texts"),
        ("option = [1]", "F: option is [1]; allowed: a table [option], or a list of key=value texts"),
        (
            "[option]\nsince = 2026-01-31",
            "F: option.since is 2026-01-31, a date; allowed: texts, numbers, true, false, and lists and tables of them",
        ),
        ("port = ", "F is no TOML: Invalid value (at line 1, column 8)"),
        ("port = 5002\nport = 5003", "F is no TOML: Cannot overwrite a value (at line 2, column 12)"),
    ],
)
def test_a_wrong_file(tmp_path: Path, content: str, text: str) -> None:
    file = tmp_path / "framewire.toml"
    file.write_text(f"{content}\n")
    assert refused_here("serve", "--config", file).startswith(text.replace("F", str(file), 1))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    assert refused("serve", "--config", missing) == (
        f"cannot read {missing}: No such file or directory; check --config"
    )
    assert refused("serve", "--config", tmp_path) == f"cannot read {tmp_path}: Is a directory; check --config"
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    assert refused("serve", env={"FRAMEWIRE_CONFIG": str(binary)}).startswith(f"{binary} is no TOML: 'utf-8' codec")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            "--prot 5002",
            "No such option '--prot'. (Did you mean one of: '--host', '--port'?); see framewire serve --help",
        ),
        ("--port five", "'five' is not a valid integer; see framewire serve --help"),
        ("--port", "Option '--port' requires an argument"),
        ("--port 70000", "port is 70000 (flag --port); allowed: 0 to 65535"),
        ("--port -1", "port is -1 (flag --port); allowed: 0 to 65535"),
        ("-b 0", "batch size is 0 (flag --batch-size); allowed: 1 to 4096"),
        ("--workers 0", "workers is 0 (flag --workers); allowed: 1 to 256"),
        ("--frame-timeout -1", "frame timeout (s) is -1.0 (flag --frame-timeout); allowed: 0 to 86400"),
        ("--max-age nan", "max age (ms) is nan (flag --max-age); allowed: 0 to 3600000"),
        (
            "--executor inline --workers 2",
            "workers is 2 and the executor is inline; allowed: 1 with inline; choose --executor threads or processes",
        ),
        (
            "--executor inline --frame-timeout 0",
            "frame timeout is 0 s and the executor is inline, which cannot stop a call; choose --executor threads or "
            "processes, or leave --frame-timeout out",
        ),
        ("--max-message 0", "max message (MiB) is 0.0 (flag --max-message); allowed: 0.001 to 2047"),
        ("--max-message nan", "max message (MiB) is nan (flag --max-message); allowed: 0.001 to 2047"),
        ("--max-sessions 0", "max sessions is 0 (flag --max-sessions); allowed: 1 to 65535"),
        ("--max-bad-frames -1", "max bad frames is -1 (flag --max-bad-frames); allowed: 0 to 1000000000"),
        ("--drain-timeout -1", "drain timeout (s) is -1.0 (flag --drain-timeout); allowed: 0 to 86400"),
        ("--batch-wait 99999", "batch wait (ms) is 99999.0 (flag --batch-wait); allowed: 0 to 60000"),
        ("--batch-reply both", "'both' is not one of 'frame', 'aggregate'; see framewire serve --help"),
        ("extra", "Got unexpected extra argument (extra); see framewire serve --help"),
    ],
)
def test_a_wrong_flag(arguments: str, text: str) -> None:
    assert refused_here("serve", *arguments.split()).endswith(text)


def test_what_is_shown_is_what_would_be_served() -> None:
    assert refused("serve", "--port", 70000, "--show-config") == "port is 70000 (flag --port); allowed: 0 to 65535"


def test_a_command_that_there_is_not() -> None:
    assert refused("sevre") == "No such command 'sevre'. Did you mean 'serve'?; see framewire --help"


def test_no_command_at_all_gets_the_help_and_counts_as_wrong_usage() -> None:
    finished = framewire()
    assert finished.returncode == 2
    assert finished.stderr.startswith("Usage: framewire [OPTIONS] COMMAND [ARGS]...\n\n")
    assert "\n  serve " in finished.stderr


def test_help_and_version() -> None:
    assert "Listens for cameras" in framewire("serve", "--help").stdout
    assert framewire("--version").stdout.startswith("framewire, version ")
