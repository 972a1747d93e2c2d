"""What a camera's topology may say to the extension, over a real socket (ADR 0003)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar

import pytest
from attacked_server import attacked, neighbour, running
from toy_processors import label, toy
from wire_camera import camera

from framewire.model.inference import Classification, Tag
from framewire.processors.api import option
from framewire.processors.catalogue import Catalogue
from framewire.server import Server

INTENSITY_100 = b"\x64" * 24
"""A grey frame: light at a threshold of 100, dark at the default of 127."""


@dataclass(frozen=True)
class Labels:
    object_label: str = option("thing", "what is looked for")
    inference_confidence: float = option(0.5, "how sure one must be")

    def __post_init__(self) -> None:
        if not 0 <= self.inference_confidence <= 1:
            raise ValueError("allowed: 0 to 1")
        if self.object_label == "camera":
            raise ValueError("\N{CAMERA}" * 10_000)


class _Labelled:
    """A processor that answers its options."""

    kind: ClassVar = toy(lambda frames: [() for _ in frames], name="labelled", Options=Labels)


LABELLED = _Labelled.kind
LABELLED.factory.process = lambda self, frames: [  # type: ignore[method-assign]
    [Classification(Tag(self.options.object_label, self.options.inference_confidence))] for _ in frames
]


async def answered(server: Server, configuration: str) -> list[Classification]:
    """What a session of this configuration says of a grey frame."""
    async with camera(server.address) as client:
        await client.handshake(configuration=configuration)
        sample = await client.answer(await client.frame(INTENSITY_100))
        assert (await client.finish()).code == "OK"
        return [inference for inference in sample.inferences if isinstance(inference, Classification)]


async def refused(server: Server, configuration: str) -> str:
    """The text with which a configuration is refused before the descriptor is answered."""
    async with camera(server.address) as attacker:
        await attacker.introduce(configuration=configuration)
        ending = await attacker.ending()
        assert ending.code == "INVALID_ARGUMENT"
        assert attacker.received == []
        return ending.details


@pytest.mark.parametrize("configuration", ["", "{}", "  ", '{"options":{}}', '{"processor":"color-intensity"}'])
async def test_no_configuration_means_defaults(configuration: str) -> None:
    async with running() as server:
        assert [found.tag.value for found in await answered(server, configuration)] == ["dark"]


async def test_the_operators_options_are_the_defaults_of_a_session() -> None:
    async with running(processor_options={"threshold": "99"}) as server:
        assert [found.tag.value for found in await answered(server, "")] == ["light"]
        assert [found.tag.value for found in await answered(server, '{"options":{"threshold":101}}')] == ["dark"]


NAMES = "allowed: color-intensity, echo, motion, null"


@pytest.mark.parametrize(
    ("configuration", "text"),
    [
        (
            '{"processor":"color-intensities"}',
            f"there is no processor 'color-intensities'; did you mean 'color-intensity'?; {NAMES}",
        ),
        ('{"processor":"os:system"}', f"there is no processor 'os:system'; {NAMES}"),
        (
            '{"processor":"framewire.processors.builtin.null:Null"}',
            f"there is no processor 'framewire.processors.builtin.null:Null'; {NAMES}",
        ),
        ('{"processor":"/tmp/evil.py:Evil"}', f"there is no processor '/tmp/evil.py:Evil'; {NAMES}"),
        ('{"processor":7}', "processor is 7; allowed: a string"),
        ('{"options":[1]}', "options is [1]; allowed: a JSON object"),
        (
            '{"options":{"treshold":1}}',
            "processor color-intensity has no option 'treshold'; did you mean 'threshold'?; allowed: threshold",
        ),
        (
            '{"processor":"null","options":{"x":1}}',
            "processor null has no option 'x'; allowed: none: it has no options",
        ),
        (
            '{"processor":"null","extra":1}',
            "member 'extra' is unknown; allowed: processor, options, priority, whenBusy, maxAgeMs",
        ),
        ('{"options":{"threshold":300}}', "options of processor color-intensity: threshold 300.0 is outside 0 to 255"),
        (
            '{"options":{"threshold":"high"}}',
            "option threshold of processor color-intensity is 'high': input should be a valid number, "
            "unable to parse string as a number",
        ),
        ('{"options":{"threshold":NaN}}', "options of processor color-intensity: threshold nan is outside 0 to 255"),
        ('{"threshold":-1}', "options of processor color-intensity: threshold -1.0 is outside 0 to 255"),
    ],
)
async def test_our_own_form_is_checked_before_the_descriptor_is_answered(configuration: str, text: str) -> None:
    async with attacked() as server:
        assert await refused(server, configuration) == f"extension_configuration: {text}"


async def test_a_processor_that_cannot_be_imported_is_told_to_the_operator_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = EntryPoint("torchy", "framewire.no_such_module:Torchy", "framewire.processors")
    monkeypatch.setattr(Catalogue, "_installed", {**Catalogue()._installed, "torchy": broken})
    async with attacked() as server, camera(server.address) as client:
        await client.introduce(configuration='{"processor":"torchy"}')
        ending = await client.ending()
    assert ending.code == "INTERNAL"
    assert ending.details == "the processor cannot take this session; the server's log says why"
    assert "No module named 'framewire.no_such_module'" in caplog.text


FORM = 'allowed: "" or a JSON object such as {"options":{"name":1}}'


@pytest.mark.parametrize(
    ("configuration", "text"),
    [
        ("dark", "'dark' is not JSON (line 1 column 1)"),
        ('{"a":1', "'{\"a\":1' is not JSON (line 1 column 7)"),
        ("[" * 100_000, f"'{'[' * 80}'.. is not JSON (too deep)"),
        ("1" * 5_000, f"'{'1' * 80}'.. is not JSON (too large a number)"),
        ("[1,2]", "'[1,2]' is no JSON object"),
        ('"{}"', "'\"{}\"' is no JSON object"),
        ("null", "'null' is no JSON object"),
        ("5", "'5' is no JSON object"),
    ],
    ids=["a word", "cut off", "too deep", "too large a number", "list", "string", "null", "number"],
)
async def test_what_is_no_json_object_is_refused_before_the_descriptor_is_answered(
    configuration: str, text: str
) -> None:
    async with attacked() as server:
        assert await refused(server, configuration) == f"extension_configuration {text}; {FORM}"


async def test_a_configuration_of_megabytes_is_refused_before_anybody_has_to_wait_for_it() -> None:
    async with attacked() as server:
        assert await refused(server, '{"processor":"' + "x" * 300_000 + '"}') == (
            "extension_configuration has 300016 characters; allowed: up to 262144"
        )
        assert await refused(server, '{"processor":"' + "x" * (20 << 20) + '"}') == (
            "a message has 20971584 bytes beside its frame; allowed: up to 1048576"
        )


async def test_a_refusal_of_a_very_long_name_still_says_what_is_allowed() -> None:
    async with attacked() as server:
        long = "\N{CAMERA}" * 50_000
        assert await refused(server, f'{{"processor":"{long}"}}') == (
            f"extension_configuration: there is no processor '{long[:80]}'..; {NAMES}"
        )
        assert await refused(server, f'{{"options":{{"{long}":1}}}}') == (
            f"extension_configuration: processor color-intensity has no option '{long[:80]}'..; allowed: threshold"
        )
        assert await refused(server, f'{{"options":{{"threshold":"{long}"}}}}') == (
            f"extension_configuration: option threshold of processor color-intensity is '{long[:80]}'..: "
            "input should be a valid number, unable to parse string as a number"
        )


async def test_a_refusal_in_very_many_words_of_a_processor_is_cut_to_what_clients_can_receive() -> None:
    async with attacked(LABELLED) as server:
        text = await refused(server, '{"objectLabel":"camera"}')
        assert text.startswith("extension_configuration: options of processor labelled: \N{CAMERA}\N{CAMERA}")
        assert 1_900 < len(text.encode()) <= 2_000


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ('{"inferenceConfidence":0.75,"objectLabel":"car"}', ("car", 0.75)),
        ('{"objectLabel":"car","pipeline":{"name":"p","version":"1","parameters":{}}}', ("car", 0.5)),
        ('{"object_label":"bus"}', ("bus", 0.5)),
        ('{"colorIntensity":"dark"}', ("thing", 0.5)),
    ],
)
async def test_members_of_deployed_topologies_that_the_processor_declares_are_applied(
    configuration: str, expected: tuple[str, float]
) -> None:
    async with running(LABELLED) as server:
        assert await answered(server, configuration) == [Classification(Tag(*expected))]


async def test_a_wrong_value_of_a_declared_member_is_refused() -> None:
    async with attacked(LABELLED) as server:
        assert await refused(server, '{"objectLabel":"car","inferenceConfidence":1.5}') == (
            "extension_configuration: options of processor labelled: allowed: 0 to 1"
        )


async def test_undeclared_members_are_logged_once_and_ignored(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as server, camera(server.address) as client:
        await client.handshake(configuration='{"colorIntensity":"dark","line\\nbreak":1}')
        for _ in range(3):
            await client.answer(await client.frame())
    told = [record.getMessage() for record in caplog.records if "mean nothing" in record.getMessage()]
    assert told == [
        "members of the extension configuration that mean nothing to processor color-intensity are ignored: "
        "'colorIntensity', 'line\\nbreak'"
    ]


async def test_strict_configuration_refuses_undeclared_members() -> None:
    async with attacked(strict_configuration=True) as server:
        assert await refused(server, '{"colorIntensity":"dark"}') == (
            "extension_configuration: member 'colorIntensity' of the extension configuration means nothing to "
            "processor color-intensity; allowed: threshold"
        )
        assert [found.tag.value for found in await answered(server, '{"threshold":99}')] == ["light"]


LEGACY = """
import inferencing_pb2

class Sample:
    def process_images(self, mediaStreamMessage, rawBytes, size):
        found = mediaStreamMessage.media_sample.inferences.add()
        found.classification.tag.value = f"{size[0]}x{size[1]} {len(rawBytes)}"
        found.classification.tag.confidence = 1
        return mediaStreamMessage
"""


@pytest.mark.parametrize("configuration", ["", "any text", "[1]", '{"processor":"nonesuch"}', "{"])
async def test_the_process_images_adapter_takes_any_string(configuration: str, tmp_path: Path) -> None:
    catalogue = Catalogue()
    (tmp_path / "sample.py").write_text(LEGACY, encoding="utf-8")
    kind = catalogue.load(f"{tmp_path / 'sample.py'}:Sample")
    async with running(kind, catalogue=catalogue) as server:
        assert await answered(server, configuration) == [label("4x2 24")]


async def test_a_session_may_name_what_the_operator_gave_and_no_other_class_of_its_file(tmp_path: Path) -> None:
    catalogue = Catalogue()
    path = tmp_path / "mine.py"
    path.write_text(
        "import framewire\n"
        "class Mine(framewire.Processor):\n"
        "    def process(self, frames):\n"
        "        return [[framewire.Classification(framewire.Tag('mine'))] for _ in frames]\n"
        "class Hidden(Mine):\n"
        "    pass\n",
        encoding="utf-8",
    )
    catalogue.load(f"{path}:Mine")
    async with running(catalogue=catalogue) as server, neighbour(server):
        assert await answered(server, '{"processor":"Mine"}') == [label("mine")]
        assert "there is no processor 'Hidden'" in await refused(server, '{"processor":"Hidden"}')
        assert "there is no processor" in await refused(server, f'{{"processor":"{path}:Hidden"}}')


async def test_the_configuration_of_one_camera_does_not_touch_another() -> None:
    async with running() as server, asyncio.TaskGroup() as tasks:
        dark = tasks.create_task(answered(server, '{"threshold":101}'))
        light = tasks.create_task(answered(server, '{"threshold":99}'))
        default = tasks.create_task(answered(server, ""))
    assert [task.result()[0].tag.value for task in (dark, light, default)] == ["dark", "light", "dark"]
