"""The direct methods: what they accept, answer and refuse, and what is left after a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from runner_documents import Shelf, named, pipeline, topology

from framewire.errors import FramewireError
from framewire.runner.answers import Answer
from framewire.runner.methods import METHODS, Methods
from framewire.runner.store import Store

NOON = datetime(2026, 11, 23, 12, 0, 0, 5000, tzinfo=UTC)


class Runner:
    """Methods over a store in a folder."""

    def __init__(self, folder: Path, shelf: Shelf, allow_files: Path | None = None) -> None:
        self.shelf = shelf
        self.store = Store(folder)
        self.methods = Methods(self.store, shelf, allow_files=allow_files, now=lambda: NOON)

    async def __call__(self, method: str, request: object = None) -> Answer:
        return await self.methods.call(method, {"@apiVersion": "1.1"} if request is None else request)


@pytest.fixture
async def call(tmp_path: Path) -> AsyncIterator[Runner]:
    runner = Runner(tmp_path / "data", Shelf())
    yield runner
    runner.store.close()


def error_of(answer: Answer) -> tuple[int, str, list[str]]:
    assert answer.body is not None
    error = answer.body["error"]
    return answer.status, error["code"], [detail["code"] for detail in error.get("details", [])]


async def test_a_topology_is_new_once_and_the_same_after_that(call: Runner) -> None:
    first = await call("pipelineTopologySet", topology())
    again = await call("pipelineTopologySet", topology())
    assert (first.status, again.status) == (201, 200)
    assert first.body == again.body
    assert first.body is not None
    assert first.body["systemData"] == {
        "createdAt": "2026-11-23T12:00:00.005Z",
        "lastModifiedAt": "2026-11-23T12:00:00.005Z",
    }


async def test_what_is_answered_has_its_defaults_and_no_secrets(call: Runner) -> None:
    await call("pipelineTopologySet", topology())
    answer = await call("pipelineTopologyGet", named("Motion"))
    assert answer.status == 200
    assert answer.body is not None
    properties = answer.body["properties"]
    assert properties["sources"][0]["transport"] == "tcp"
    assert properties["processors"][0]["sensitivity"] == "high"
    assert properties["processors"][0]["eventAggregationWindow"] == "PT1S"
    assert properties["parameters"][1] == {"name": "rtspPassword", "type": "secretString"}
    assert "s3cret" not in json.dumps(answer.body)


async def test_values_of_secret_parameters_and_written_passwords_are_not_answered(call: Runner) -> None:
    document = topology()
    document["properties"]["sources"][0]["endpoint"]["credentials"]["password"] = "hunter2"
    written = await call("pipelineTopologySet", document)
    assert written.status == 201
    assert "hunter2" not in json.dumps(written.body)
    await call("livePipelineSet", pipeline(rtspPassword="geheim"))
    found = await call("livePipelineGet", named("gate-1"))
    assert found.body is not None
    assert "geheim" not in json.dumps(found.body)
    assert found.body["properties"]["parameters"] == [
        {"name": "rtspUrl", "value": "rtsp://camera/1"},
        {"name": "rtspPassword"},
    ]


async def test_what_was_answered_can_be_set_again_and_loses_no_secret(call: Runner) -> None:
    document = topology()
    document["properties"]["sources"][0]["endpoint"]["credentials"]["password"] = "hunter2"
    first = await call("pipelineTopologySet", document)
    await call("livePipelineSet", pipeline(url="rtsp://me:geheim@camera/1", rtspPassword="geheim"))
    await call("livePipelineActivate", named("gate-1"))
    kept = call.store.topology("Motion"), call.store.pipeline("gate-1")
    for method, name in (("pipelineTopology", "Motion"), ("livePipeline", "gate-1")):
        answered = await call(method + "Get", named(name))
        assert "geheim" not in json.dumps(answered.body)
        again = await call(method + "Set", answered.body)
        assert (again.status, again.body) == (200, answered.body)
    assert first.body == (await call("pipelineTopologyGet", named("Motion"))).body
    assert (call.store.topology("Motion"), call.store.pipeline("gate-1")) == kept


async def test_an_answer_that_was_changed_needs_its_secrets_again(call: Runner) -> None:
    document = topology()
    document["properties"]["sources"][0]["endpoint"]["credentials"]["password"] = "hunter2"
    answered = (await call("pipelineTopologySet", document)).body
    assert answered is not None
    answered["properties"]["processors"][0]["sensitivity"] = "low"
    lost = await call("pipelineTopologySet", answered)
    assert error_of(lost) == (400, "BadRequest", ["PipelineValidationError"])
    answered["properties"]["sources"][0]["endpoint"]["credentials"]["password"] = "hunter3"
    lost = await call("pipelineTopologySet", answered)
    assert lost.body is not None
    (detail,) = lost.body["error"]["details"]
    assert detail["target"] == "/properties/parameters/1/default"
    assert "the default of rtspPassword is not answered" in detail["message"]
    answered["properties"]["parameters"][1]["default"] = "new"
    assert (await call("pipelineTopologySet", answered)).status == 200
    await call("livePipelineSet", pipeline(url="rtsp://me:geheim@camera/1"))
    shown = await call("livePipelineGet", named("gate-1"))
    assert shown.body is not None
    shown.body["properties"]["description"] = "changed"
    masked = await call("livePipelineSet", shown.body)
    assert masked.body is not None
    assert masked.status == 400
    assert masked.body["error"]["details"][0]["target"] == "/properties/parameters/0/value"


async def test_a_topology_with_errors_is_refused_with_all_of_them(call: Runner) -> None:
    wrong = topology(sensitivity="extreme")
    wrong["properties"]["sinks"][0]["inputs"] = [{"nodeName": "motoin"}]
    answer = await call("pipelineTopologySet", wrong)
    assert error_of(answer) == (400, "BadRequest", ["PipelineValidationError"] * 2)
    assert answer.body is not None
    targets = [detail["target"] for detail in answer.body["error"]["details"]]
    assert targets == ["/properties/processors/0/sensitivity", "/properties/sinks/0/inputs/0/nodeName"]
    assert error_of(await call("pipelineTopologyGet", named("Motion"))) == (404, "NotFound", [])


async def test_a_live_pipeline_is_set_activated_deactivated_and_deleted(call: Runner) -> None:
    await call("pipelineTopologySet", topology())
    assert (await call("livePipelineSet", pipeline())).status == 201
    assert (await call("livePipelineSet", pipeline(url="rtsp://camera/2"))).status == 200
    assert (await call("livePipelineActivate", named("gate-1"))).status == 200
    assert (await call("livePipelineActivate", named("gate-1"))).status == 200
    assert call.shelf.active == {"gate-1": {"rtspUrl": "rtsp://camera/2"}}
    listed = await call("livePipelineList")
    assert listed.body is not None
    assert [one["properties"]["state"] for one in listed.body["value"]] == ["active"]
    # The same again is no change.
    assert (await call("livePipelineSet", pipeline(url="rtsp://camera/2"))).status == 200
    for method, request in (("livePipelineSet", pipeline()), ("livePipelineDelete", named("gate-1"))):
        assert error_of(await call(method, request)) == (409, "Conflict", ["OperationNotAllowedInState"])
    assert (await call("livePipelineDeactivate", named("gate-1"))).status == 200
    assert (await call("livePipelineDeactivate", named("gate-1"))).status == 200
    assert (await call("livePipelineDelete", named("gate-1"))).status == 200
    assert (await call("livePipelineDelete", named("gate-1"))).status == 204
    assert (await call("livePipelineList")).body == {"value": []}


async def test_a_topology_in_use_is_not_changed_under_an_active_pipeline_and_not_deleted(call: Runner) -> None:
    await call("pipelineTopologySet", topology())
    await call("livePipelineSet", pipeline())
    assert (await call("pipelineTopologySet", topology(sensitivity="low"))).status == 200
    await call("livePipelineActivate", named("gate-1"))
    in_use = (409, "Conflict", ["PipelineTopologyInUse"])
    assert error_of(await call("pipelineTopologySet", topology(sensitivity="medium"))) == in_use
    assert (await call("pipelineTopologySet", topology(sensitivity="low"))).status == 200
    assert error_of(await call("pipelineTopologyDelete", named("Motion"))) == in_use
    await call("livePipelineDeactivate", named("gate-1"))
    await call("livePipelineDelete", named("gate-1"))
    assert (await call("pipelineTopologyDelete", named("Motion"))).status == 200
    assert (await call("pipelineTopologyDelete", named("Motion"))).status == 204


@pytest.mark.parametrize(
    ("method", "request_", "expected"),
    [
        ("pipelineTopologySett", {}, (404, "NotFound", [])),
        ("livePipelineGet", [], (400, "BadRequest", [])),
        ("livePipelineGet", "gate-1", (400, "BadRequest", [])),
        ("livePipelineGet", {"@apiVersion": "1.1"}, (400, "BadRequest", ["PipelineValidationError"])),
        ("livePipelineGet", {"@apiVersion": "7", "name": "x"}, (400, "BadRequest", ["ApiVersionNotSupported"])),
        ("livePipelineGet", {"@apiVersion": "1.1", "name": 7}, (400, "BadRequest", ["PipelineValidationError"])),
        ("livePipelineActivate", named("nobody"), (404, "NotFound", [])),
        ("livePipelineDeactivate", named("nobody"), (404, "NotFound", [])),
        ("livePipelineSet", pipeline(), (400, "BadRequest", ["PipelineValidationError"])),
        ("livePipelineSet", named("gate-1"), (400, "BadRequest", ["PipelineValidationError"])),
    ],
)
async def test_requests_that_cannot_be_are_refused(
    method: str, request_: Any, expected: tuple[int, str, list[str]], call: Runner
) -> None:
    assert error_of(await call(method, request_)) == expected


async def test_members_and_methods_are_matched_whatever_their_case(call: Runner) -> None:
    await call("PIPELINETOPOLOGYSET", topology())
    assert (await call("pipelinetopologyget", {"@APIVERSION": "1.1", "NAME": "Motion"})).status == 200


async def test_values_that_do_not_fit_the_topology_are_refused(call: Runner) -> None:
    await call("pipelineTopologySet", topology())
    unknown = await call("livePipelineSet", pipeline(speed="7"))
    assert error_of(unknown) == (400, "BadRequest", ["PipelineValidationError"])
    assert unknown.body is not None
    assert "speed" in unknown.body["error"]["details"][0]["message"]


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("rtsp://camera/1", True),
        ("RTSPS://camera/1", True),
        ("test:", True),
        ("{folder}/clip.mp4", True),
        ("file:{folder}/clip.mp4", True),
        ("{folder}/../secret.mp4", False),
        ("file://localhost{folder}/clip.mp4", True),
        (" {folder}/clip.mp4", True),
        ("/etc/passwd", False),
        (" /dev/video0", False),
        ("file://etc/passwd", False),
        ("file://localhost/dev/video0", False),
        ("file:///etc/passwd", False),
        ("/dev/video0", False),
        ("http://169.254.169.254/latest", False),
        ("clip.mp4", True),
        ("../clip.mp4", False),
    ],
)
async def test_files_and_devices_are_reached_only_below_the_allowed_folder(
    url: str, is_allowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    # What is read as a path below this folder by one and as another path by the other, would be let through here.
    monkeypatch.chdir(folder)
    call = Runner(tmp_path / "data", Shelf(), folder)
    await call("pipelineTopologySet", topology())
    answer = await call("livePipelineSet", pipeline(url=url.format(folder=folder)))
    assert answer.status == (201 if is_allowed else 400), answer.body
    call.store.close()


async def test_without_an_allowed_folder_no_file_is_reached(call: Runner, tmp_path: Path) -> None:
    await call("pipelineTopologySet", topology())
    assert (await call("livePipelineSet", pipeline(url=str(tmp_path / "clip.mp4")))).status == 400


async def test_a_pipeline_may_be_called_like_anything(call: Runner) -> None:
    await call("pipelineTopologySet", topology())
    async with asyncio.timeout(20):
        assert (await call("livePipelineSet", pipeline("topologies"))).status == 201
        assert (await call("pipelineTopologySet", topology())).status == 200


@pytest.mark.parametrize("method", [method for method in METHODS if not method.endswith("List")])
@pytest.mark.parametrize("name", ["\ud800", "a b", "x" * 200_000, "-"])
async def test_a_name_that_can_be_none_is_refused(method: str, name: str, call: Runner) -> None:
    answer = await call(method, named(name))
    assert error_of(answer) == (400, "BadRequest", ["PipelineValidationError"])
    assert len(json.dumps(answer.body)) < 1000


async def test_a_store_that_cannot_be_written_is_told(call: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise FramewireError("what is stored cannot be read or changed: database or disk is full")

    monkeypatch.setattr(call.store, "put_topology", fail)
    answer = await call("pipelineTopologySet", topology())
    assert error_of(answer) == (500, "InternalServerError", [])
    assert "disk is full" in json.dumps(answer.body)


async def test_one_that_waits_for_its_turn_after_a_restart_is_not_changed(tmp_path: Path) -> None:
    first = Runner(tmp_path, Shelf())
    await first("pipelineTopologySet", topology())
    await first("livePipelineSet", pipeline())
    await first("livePipelineActivate", named("gate-1"))
    first.store.close()
    second = Runner(tmp_path, Shelf())
    assert (await second("livePipelineDelete", named("gate-1"))).status == 409
    assert (await second("livePipelineSet", pipeline(url="rtsp://camera/2"))).status == 409
    assert (await second("pipelineTopologySet", topology(sensitivity="low"))).status == 409
    await second.methods.resume(pytest.fail)
    assert second.shelf.calls == ["activate gate-1"]
    second.store.close()


async def test_one_that_may_not_be_active_any_more_is_told_until_it_is_deactivated(tmp_path: Path) -> None:
    clip = tmp_path / "clips" / "a.mp4"
    clip.parent.mkdir()
    clip.touch()
    first = Runner(tmp_path / "data", Shelf(), clip.parent)
    await first("pipelineTopologySet", topology())
    assert (await first("livePipelineSet", pipeline(url=str(clip)))).status == 201
    await first("livePipelineActivate", named("gate-1"))
    first.store.close()
    second, told = Runner(tmp_path / "data", Shelf()), []
    await second.methods.resume(told.append)
    reason = "the source's address may not be of this kind here; allowed: rtsp://, rtsps:// or test:"
    assert told == [f"gate-1: {reason}"]
    assert second.methods.held_up("gate-1") == reason
    assert (await second("livePipelineDeactivate", named("gate-1"))).status == 200
    assert second.methods.held_up("gate-1") is None
    assert (await second("livePipelineDelete", named("gate-1"))).status == 200
    second.store.close()


async def test_a_link_that_leads_in_a_circle_is_no_allowed_file(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    call = Runner(tmp_path / "data", Shelf(), tmp_path)
    await call("pipelineTopologySet", topology())
    assert (await call("livePipelineSet", pipeline(url=str(tmp_path / "a")))).status == 400
    call.store.close()


async def test_whatever_one_pipeline_fails_with_the_others_are_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    call = Runner(tmp_path, Shelf())
    await call("pipelineTopologySet", topology())
    for name in ("gate", "Gate", "other"):
        await call("livePipelineSet", pipeline(name))
        call.store.set_active(name, is_active=True)
    activate = call.shelf.activate

    async def fail_once(name: str, *rest: Any, **named: Any) -> None:
        if name == "gate":
            raise KeyError("gone")
        await activate(name, *rest, **named)

    monkeypatch.setattr(call.shelf, "activate", fail_once)
    await call.methods.resume(pytest.fail)
    assert sorted(call.shelf.active) == ["Gate", "other"]
    assert (call.methods.held_up("gate"), call.methods.held_up("Gate")) == ("KeyError: 'gone'", None)
    assert "live pipeline gate; this is a fault of framewire" in caplog.text
    call.store.close()


async def test_a_store_that_cannot_be_read_ends_the_resuming_with_its_error(
    call: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise FramewireError("what is stored cannot be read or changed: database disk image is malformed")

    monkeypatch.setattr(call.store, "pipelines", fail)
    with pytest.raises(FramewireError, match="malformed"):
        await call.methods.resume(pytest.fail)


async def test_what_was_active_is_active_again_after_a_restart(tmp_path: Path) -> None:
    first = Runner(tmp_path / "data", Shelf())
    await first("pipelineTopologySet", topology())
    for name in ("gate-1", "gate-2", "gate-3"):
        await first("livePipelineSet", pipeline(name))
    await first("livePipelineActivate", named("gate-1"))
    await first("livePipelineActivate", named("gate-2"))
    await first("livePipelineDeactivate", named("gate-2"))
    first.store.close()
    second = Runner(tmp_path / "data", Shelf())
    await second.methods.resume(pytest.fail)
    assert second.shelf.calls == ["activate gate-1"]
    second.store.close()


def test_every_method_is_there() -> None:
    assert len(METHODS) == len(set(METHODS)) == 10
