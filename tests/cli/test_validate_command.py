"""``framewire validate``: all that is wrong with a topology file."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from command_line import command, environment, framewire, framewire_here, refused_here

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "topologies"

GOOD = """\
{
  "@apiVersion": "1.1",
  "name": "Plain",
  "properties": {
    "parameters": [
      {"name": "rtspUrl", "type": "String"},
      {"name": "rtspPassword", "type": "String", "default": "s3cret"}
    ],
    "sources": [
      {
        "@type": "#Microsoft.VideoAnalyzer.RtspSource",
        "name": "camera",
        "endpoint": {"@type": "#Microsoft.VideoAnalyzer.UnsecuredEndpoint", "url": "${rtspUrl}"}
      }
    ],
    "processors": [
      {
        "@type": "#Microsoft.VideoAnalyzer.MotionDetectionProcessor",
        "name": "motion",
        "inputs": [{"nodeName": "camera"}]
      }
    ],
    "sinks": [
      {
        "@type": "#Microsoft.VideoAnalyzer.IotHubMessageSink",
        "name": "hub",
        "hubOutputName": "out",
        "inputs": [{"nodeName": "motion"}]
      }
    ]
  }
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.json").write_text(GOOD, "utf-8")
    bad = GOOD.replace('"nodeName": "camera"', '"nodeName": "camrea"').replace('"out"', '""')
    (tmp_path / "bad.json").write_text(bad.replace('"MotionDetection', '"Motion'), "utf-8")
    return tmp_path


def test_a_good_file(folder: Path) -> None:
    finished = framewire("validate", "good.json", "--set", "rtspUrl=rtsp://camera/x", cwd=folder)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout == "good.json: no errors, no warnings\n"


def test_a_parameter_without_a_value_is_noted_and_no_error(folder: Path) -> None:
    finished = framewire_here("validate", "good.json", cwd=folder)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout == (
        "good.json:6:7: note: /properties/parameters/0: the parameter rtspUrl has no value, "
        "so what depends on it is not checked\n"
        "good.json: no errors, no warnings, 1 note\n"
    )


def test_all_that_is_wrong_is_listed_by_its_place(folder: Path) -> None:
    finished = framewire_here("validate", "bad.json", "--set", "rtspUrl=cam://x", "--set", "rtspUr=y", cwd=folder)
    assert (finished.returncode, finished.stderr) == (1, "")
    assert finished.stdout.splitlines() == [
        "bad.json:5:19: error: /properties/parameters: the parameter rtspUr is set, and not declared; "
        "allowed: rtspUrl, rtspPassword; did you mean rtspUrl?",
        'bad.json:13:84: error: /properties/sources/0/endpoint/url is "cam://x": no address of a source; '
        "allowed: rtsp://, rtsps://, http://, https://, a path, file:, /dev/videoN, test:",
        'bad.json:20:33: error: /properties/processors/0/inputs/0/nodeName is "camrea": there is no such node; '
        "allowed: camera; did you mean camera?",
        'bad.json:27:26: error: /properties/sinks/0/hubOutputName is "": empty; allowed: a text',
        "bad.json: 4 errors, no warnings",
    ]


def test_a_file_that_is_no_json(folder: Path) -> None:
    (folder / "broken.json").write_text(GOOD.replace('"name": "Plain",', '"name": "Plain"'), "utf-8")
    finished = framewire_here("validate", "broken.json", cwd=folder)
    assert finished.returncode == 1
    assert finished.stdout.splitlines() == [
        "broken.json:4:3: error: no JSON: ',' or '}' is missing before this; there: \"properties\": {",
        "broken.json: 1 error, no warnings",
    ]


def test_problems_as_json(folder: Path) -> None:
    finished = framewire_here("validate", "bad.json", "--json", cwd=folder)
    assert finished.returncode == 1
    document = json.loads(finished.stdout)
    assert (document["file"], document["errors"], document["warnings"]) == ("bad.json", 2, 0)
    assert document["problems"][1:] == [
        {
            "severity": "error",
            "pointer": "/properties/processors/0/inputs/0/nodeName",
            "line": 20,
            "column": 33,
            "value": '"camrea"',
            "message": "there is no such node",
            "allowed": "camera",
            "nearest": "camera",
        },
        {
            "severity": "error",
            "pointer": "/properties/sinks/0/hubOutputName",
            "line": 27,
            "column": 26,
            "value": '""',
            "message": "empty",
            "allowed": "a text",
        },
    ]


def test_standard_input(folder: Path) -> None:
    finished = subprocess.run(
        command("validate", "-", "--set", "rtspUrl=test:"),
        input=GOOD.encode("utf-16"),
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, b"-: no errors, no warnings\n", b"")


def test_a_pipeline_name(folder: Path) -> None:
    finished = framewire_here("validate", "good.json", "--set", "rtspUrl=x.mp4", "--name", "a b", cwd=folder)
    assert finished.returncode == 1
    assert 'the live pipeline\'s name "a b" is no name' in finished.stdout


def test_a_byte_order_mark(folder: Path) -> None:
    (folder / "bom.json").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    finished = framewire_here("validate", "bom.json", "--set", "rtspUrl=x.mp4", cwd=folder)
    assert (finished.returncode, finished.stdout.splitlines()) == (
        0,
        [
            "bom.json:1:1: warning: the file begins with a byte order mark (BOM), which JSON does not have; "
            "it is skipped",
            "bom.json: no errors, 1 warning",
        ],
    )


def test_what_cannot_be_read_is_said_in_one_line(folder: Path) -> None:
    def said(*arguments: object) -> str:
        return refused_here("validate", *arguments, cwd=folder)

    assert said("none.json") == "none.json cannot be read: No such file or directory; check the path"
    assert said(".") == ". cannot be read: Is a directory; check the path"
    (folder / "latin.json").write_bytes('{\n "name": "Münster"}'.encode("latin-1"))
    assert said("latin.json") == "latin.json is no text in UTF-8: byte 0xFC at 2:12; allowed: UTF-8"
    (folder / "odd.json").write_bytes(b"\xff\xfe{")
    assert said("odd.json") == "odd.json is no text in UTF-16; allowed: UTF-8"
    assert said("/dev/zero") == "/dev/zero is too long for a topology; allowed: up to 4194304 bytes"
    assert said("good.json", "--set", "s3cret") == "setting 1 has no '='; allowed: --set NAME=VALUE"
    assert said("nul\0.json") == "nul\0.json cannot be read: embedded null byte; check the path"


def test_a_file_whose_name_is_no_text(folder: Path) -> None:
    name = os.fsdecode(b"\xff.json")
    (folder / name).write_text(GOOD, "utf-8")
    finished = subprocess.run(
        [*command("validate"), name, "--set", "rtspUrl=test:"],
        env=environment(),
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert (finished.returncode, finished.stdout) == (0, b"\\udcff.json: no errors, no warnings\n")


def test_a_secret_is_not_printed(folder: Path) -> None:
    text = GOOD.replace('"hubOutputName": "out"', '"hubOutputName": "' + "${rtspPassword}" * 20 + '"')
    (folder / "secret.json").write_text(text, "utf-8")
    finished = framewire_here("validate", "secret.json", cwd=folder)
    assert "hubOutputName is ***: 120 characters; allowed: up to 50" in finished.stdout
    assert "s3cret" not in finished.stdout


def test_who_reads_the_output_may_go_early(folder: Path) -> None:
    with subprocess.Popen(
        command("validate", "bad.json"), env=environment(), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published topologies are not beside the repository")
def test_published_files_have_no_errors() -> None:
    for path in sorted(PUBLISHED.glob("*.json")):
        finished = framewire_here("validate", path)
        assert (path.name, finished.returncode) == (path.name, 0)
        assert finished.stdout.splitlines()[-1].startswith(f"{path}: no errors, ")
