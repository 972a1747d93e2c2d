"""The extension configuration of a session, as deployed topologies send it and in our own form."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.errors import ProtocolError
from framewire.model.frame import Frame
from framewire.model.inference import Inference
from framewire.model.terms import Terms, WhenBusy
from framewire.processors.api import NoOptions, Processor
from framewire.processors.builtin.color_intensity import ColorIntensity
from framewire.processors.builtin.echo import Echo
from framewire.processors.builtin.motion import MotionDetector
from framewire.processors.catalogue import Catalogue, ProcessorKind
from framewire.processors.configuration import Selection, select
from framewire.processors.legacy import adapted

ALLOWED_JSON = '; allowed: "" or a JSON object such as {"options":{"name":1}}'


class Detector(Processor):
    @dataclass(frozen=True)
    class Options:
        object_label: str = "any"
        inference_confidence: float = 0.5

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [() for _ in frames]


class Old:
    def process_images(self, message: object, raw_bytes: object, size: object) -> object:
        return message


COLOR = ProcessorKind("color-intensity", ColorIntensity)
DETECTOR = ProcessorKind("detector", Detector)
OLD = ProcessorKind("old.py:Old", adapted(Old), takes_any_configuration=True)
CATALOGUE = Catalogue()


def selected(
    text: str, default: ProcessorKind = COLOR, options: Mapping[str, object] | None = None, *, strict: bool = False
) -> Selection:
    return select(text, default, options or {}, CATALOGUE, strict=strict)


def refusal(text: str, default: ProcessorKind = COLOR, *, strict: bool = False) -> str:
    with pytest.raises(ProtocolError) as caught:
        selected(text, default, strict=strict)
    return str(caught.value)


@pytest.mark.parametrize("text", ["", "{}", "  ", "{ }", '{"options":{}}', '{"processor":"color-intensity"}'])
def test_nothing_said_means_the_servers_processor_with_its_defaults(text: str) -> None:
    assert selected(text) == Selection(COLOR, ColorIntensity.Options(127.0), ())
    assert selected(text, options={"threshold": "90"}) == Selection(COLOR, ColorIntensity.Options(90.0), ())


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ('{"options":{"threshold":100}}', ColorIntensity.Options(100.0)),
        ('{"processor":"color-intensity","options":{"threshold":100}}', ColorIntensity.Options(100.0)),
        ('{"processor":"motion","options":{"minimumArea":0.5}}', MotionDetector.Options(minimum_area=0.5)),
        ('{"processor":"motion","options":{"minimum_area":0.5}}', MotionDetector.Options(minimum_area=0.5)),
        ('{"processor":"echo"}', NoOptions()),
    ],
)
def test_our_own_form_names_a_processor_and_options(text: str, chosen: object) -> None:
    assert selected(text).options == chosen
    assert selected(text).ignored == ()


def test_a_named_processor_does_not_inherit_the_options_of_another() -> None:
    selection = selected('{"processor":"motion"}', options={"threshold": "90"})
    assert selection.kind.factory is MotionDetector
    assert selection.options == MotionDetector.Options()


def test_naming_the_servers_own_processor_keeps_the_operators_options() -> None:
    assert selected('{"processor":"color-intensity"}', options={"threshold": "90"}).options.threshold == 90.0


def test_a_member_overrides_what_the_operator_gave_in_another_spelling() -> None:
    options = {"objectLabel": "bus", "inference_confidence": "0.25"}
    assert selected('{"options":{"object_label":"car"}}', DETECTOR, options).options == Detector.Options("car", 0.25)
    assert selected('{"object_label":"car"}', DETECTOR, options).options == Detector.Options("car", 0.25)
    assert selected('{"objectLabel":"car"}', DETECTOR, options).options == Detector.Options("car", 0.25)


@pytest.mark.parametrize(
    ("text", "default", "options", "ignored"),
    [
        ('{"colorIntensity":"dark"}', COLOR, ColorIntensity.Options(), ("colorIntensity",)),
        ('{"threshold":99,"other":[1,{"a":null}]}', COLOR, ColorIntensity.Options(99.0), ("other",)),
        (
            '{"inferenceConfidence":0.7,"objectLabel":"car"}',
            DETECTOR,
            Detector.Options("car", 0.7),
            (),
        ),
        (
            '{"pipeline":{"name":"x","version":"1","parameters":{}},"object_label":"bus"}',
            DETECTOR,
            Detector.Options("bus", 0.5),
            ("pipeline",),
        ),
    ],
)
def test_of_any_other_object_the_declared_members_apply_and_the_rest_is_ignored(
    text: str, default: ProcessorKind, options: object, ignored: tuple[str, ...]
) -> None:
    assert selected(text, default) == Selection(default, options, ignored)


def test_strictly_a_member_that_means_nothing_is_refused() -> None:
    assert refusal('{"colorIntensity":"dark"}', strict=True) == (
        "extension_configuration: member 'colorIntensity' of the extension configuration means nothing to processor "
        "color-intensity; allowed: threshold"
    )
    assert refusal('{"a":1}', ProcessorKind("echo", Echo), strict=True).endswith("; allowed: none: it has no options")
    assert selected('{"threshold":99}', strict=True).options.threshold == 99.0


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("dark", "extension_configuration 'dark' is not JSON (line 1 column 1)" + ALLOWED_JSON),
        ('{"a":\n}', "extension_configuration '{\"a\":\\n}' is not JSON (line 2 column 1)" + ALLOWED_JSON),
        ("[1]", "extension_configuration '[1]' is no JSON object" + ALLOWED_JSON),
        ('"x"', "extension_configuration '\"x\"' is no JSON object" + ALLOWED_JSON),
        ("null", "extension_configuration 'null' is no JSON object" + ALLOWED_JSON),
        ("[" * 100_000, f"extension_configuration '{'[' * 80}'.. is not JSON (too deep)" + ALLOWED_JSON),
        (
            '{"threshold":' + "9" * 5000 + "}",
            f"extension_configuration '{{\"threshold\":{'9' * 67}'.. is not JSON (too large a number)" + ALLOWED_JSON,
        ),
        (" " * 262_145, "extension_configuration has 262145 characters; allowed: up to 262144"),
        ('{"processor":7}', "extension_configuration: processor is 7; allowed: a string"),
        ('{"processor":null}', "extension_configuration: processor is None; allowed: a string"),
        ('{"options":[]}', "extension_configuration: options is []; allowed: a JSON object"),
        (
            '{"options":{},"colour":1}',
            "extension_configuration: member 'colour' is unknown; allowed: processor, options, "
            "priority, whenBusy, maxAgeMs",
        ),
        ('{"priority":10}', "extension_configuration: priority is 10; allowed: a whole number from 0 to 9"),
        ('{"priority":true}', "extension_configuration: priority is True; allowed: a whole number from 0 to 9"),
        (
            '{"whenBusy":"panic"}',
            "extension_configuration: whenBusy is 'panic'; allowed: wait, drop-oldest, drop-newest, latest",
        ),
        (
            '{"maxAgeMs":-1}',
            "extension_configuration: maxAgeMs is -1; allowed: a number from 0 (no limit) to 3600000",
        ),
        (
            '{"options":{},"maxAgeMs":NaN}',
            "extension_configuration: maxAgeMs is nan; allowed: a number from 0 (no limit) to 3600000",
        ),
        (
            '{"options":{"treshold":1}}',
            "extension_configuration: processor color-intensity has no option 'treshold'; did you mean 'threshold'?; "
            "allowed: threshold",
        ),
        (
            '{"options":{"threshold":"high"}}',
            "extension_configuration: option threshold of processor color-intensity is 'high': input should be a "
            "valid number, unable to parse string as a number",
        ),
        (
            '{"threshold":300}',
            "extension_configuration: options of processor color-intensity: threshold 300.0 is outside 0 to 255",
        ),
        (
            '{"threshold":NaN}',
            "extension_configuration: options of processor color-intensity: threshold nan is outside 0 to 255",
        ),
    ],
)
def test_a_wrong_configuration_is_refused_naming_the_value(text: str, refused: str) -> None:
    assert refusal(text) == refused


@pytest.mark.parametrize("name", ["os:system", "framewire.processors.builtin.echo:Echo", "/etc/passwd:x", "", "Echo"])
def test_a_processor_is_never_an_import_path(name: str) -> None:
    text = refusal(f'{{"processor":"{name}"}}')
    assert text.startswith(f"extension_configuration: there is no processor {name!r}")
    assert text.endswith(f"allowed: {', '.join(CATALOGUE.names())}")


@given(st.text())
def test_any_text_is_a_selection_or_a_protocol_error(text: str) -> None:
    with contextlib.suppress(ProtocolError):
        assert selected(text).kind is COLOR


@pytest.mark.parametrize("text", ["", "{}", "dark", "[1]", '{"processor":"echo"}', '{"options":{"a":1}}', "{"])
def test_a_process_images_class_takes_any_string(text: str) -> None:
    for strict in (False, True):
        assert selected(text, OLD, strict=strict) == Selection(OLD, NoOptions(), ())


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", Terms(5, WhenBusy.DROP_OLDEST, 0.25)),
        ('{"priority":9}', Terms(9, WhenBusy.DROP_OLDEST, 0.25)),
        ('{"processor":"echo","priority":0,"whenBusy":"latest"}', Terms(0, WhenBusy.LATEST, 0.25)),
        ('{"options":{"threshold":9},"whenBusy":"wait","maxAgeMs":0}', Terms(5, WhenBusy.WAIT, None)),
        ('{"maxAgeMs":1500.5}', Terms(5, WhenBusy.DROP_OLDEST, 1.5005)),
        # What deployed topologies send means what it meant there.
        ('{"priority":9,"colour":"red"}', Terms(5, WhenBusy.DROP_OLDEST, 0.25)),
    ],
)
def test_a_session_may_say_how_it_is_scheduled(text: str, terms: Terms) -> None:
    default = Terms(when_busy=WhenBusy.DROP_OLDEST, max_age_s=0.25)
    assert select(text, COLOR, {}, CATALOGUE, terms=default).terms == terms
