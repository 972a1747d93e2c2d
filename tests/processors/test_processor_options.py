"""Options: from the text of a command line or the JSON of a topology to the dataclass that a processor declares."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from framewire.errors import ConfigurationError
from framewire.processors.api import NoOptions, option
from framewire.processors.options import field_names, make_options, parse_option


@dataclasses.dataclass(frozen=True)
class Options:
    model: str
    threshold: float = option(0.5, "how sure it must be")
    minimum_area_px: int = 10
    is_fast: bool = False
    labels: list[str] = dataclasses.field(default_factory=list)
    device: Literal["cpu", "gpu"] = "cpu"
    weights: dict[str, float] | None = None

    def __post_init__(self) -> None:
        if self.threshold > 1:
            raise ValueError(f"threshold {self.threshold} is above 1")


@pytest.mark.parametrize(
    ("values", "made"),
    [
        ({"model": "a"}, Options("a", 0.5, 10, False, [], "cpu", None)),
        (
            {"model": "a", "threshold": "0.25", "minimum_area_px": "7", "is_fast": "true", "device": "gpu"},
            Options("a", 0.25, 7, True, [], "gpu"),
        ),
        ({"model": "a", "threshold": 1, "is_fast": False}, Options("a", 1.0)),
        ({"model": "a", "minimumAreaPx": 3, "isFast": True}, Options("a", 0.5, 3, True)),
        ({"model": "a", "minimum_area_px": 3, "minimumAreaPx": 4}, Options("a", 0.5, 4)),
        ({"model": "a", "labels": ["x", "y"]}, Options("a", labels=["x", "y"])),
        ({"model": "a", "weights": {"x": "0.5"}}, Options("a", weights={"x": 0.5})),
    ],
)
def test_values_are_converted_to_the_fields_types(values: dict[str, object], made: Options) -> None:
    found = make_options(Options, values, "mine")
    assert found == made
    assert [type(getattr(found, field.name)) for field in dataclasses.fields(found)] == [
        type(getattr(made, field.name)) for field in dataclasses.fields(made)
    ]


@dataclasses.dataclass(frozen=True)
class Careless:
    model: str

    def __post_init__(self) -> None:
        Path(self.model).stat()


def test_a_check_of_a_processor_that_breaks_is_told_without_what_it_found() -> None:
    with pytest.raises(ConfigurationError) as raised:
        make_options(Careless, {"model": "/secret/nowhere"}, "mine")
    assert str(raised.value) == (
        "options of processor mine: its own check failed with FileNotFoundError; "
        "see whether their values are what it can work with"
    )
    assert isinstance(raised.value.__cause__, FileNotFoundError)


KNOWN = "model, threshold, minimum_area_px, is_fast, labels, device, weights"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"model": "a", "treshold": 1},
            f"processor mine has no option 'treshold'; did you mean 'threshold'?; allowed: {KNOWN}",
        ),
        (
            {"model": "a", "minimumAreaPixels": 1},
            f"processor mine has no option 'minimumAreaPixels'; did you mean 'minimumAreaPx'?; allowed: {KNOWN}",
        ),
        ({"model": "a", "zzz": 1}, f"processor mine has no option 'zzz'; allowed: {KNOWN}"),
        ({}, "processor mine needs option 'model'"),
        ({"threshold": 0.1}, "processor mine needs option 'model'"),
        (
            {"model": "a", "threshold": "high"},
            "option threshold of processor mine is 'high': input should be a valid number, "
            "unable to parse string as a number",
        ),
        (
            {"model": "a", "minimum_area_px": 1.5},
            "option minimum_area_px of processor mine is 1.5: input should be a valid integer, "
            "got a number with a fractional part",
        ),
        ({"model": "a", "device": "tpu"}, "option device of processor mine is 'tpu': input should be 'cpu' or 'gpu'"),
        ({"model": "a", "labels": "x"}, "option labels of processor mine is 'x': input should be a valid list"),
        (
            {"model": "a", "labels": ["x", 7]},
            "option labels.1 of processor mine is 7: input should be a valid string",
        ),
        ({"model": None}, "option model of processor mine is None: input should be a valid string"),
        ({"model": "a", "threshold": 2}, "options of processor mine: threshold 2.0 is above 1"),
    ],
)
def test_a_wrong_option_is_refused_by_name(values: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_options(Options, values, "mine")
    assert str(caught.value) == text


def test_a_processor_without_options_takes_none() -> None:
    assert make_options(NoOptions, {}, "mine") == NoOptions()
    with pytest.raises(ConfigurationError) as caught:
        make_options(NoOptions, {"threshold": 1}, "mine")
    assert str(caught.value) == "processor mine has no option 'threshold'; allowed: none: it has no options"


def test_a_field_of_a_type_that_no_text_can_give_is_the_processors_fault_and_said_so() -> None:
    @dataclasses.dataclass(frozen=True)
    class Strange:
        array: Any = None
        kernel: np.ndarray = None  # type: ignore[assignment,type-arg]

    with pytest.raises(ConfigurationError) as caught:
        make_options(Strange, {}, "mine")
    assert caught.value.problem.startswith("options of processor mine cannot be read: ")
    assert caught.value.remedy.startswith("declare fields of plain types")


def test_each_option_has_its_own_name_and_that_of_topologies() -> None:
    assert field_names(Options) == {
        "model": "model",
        "threshold": "threshold",
        "minimum_area_px": "minimum_area_px",
        "minimumAreaPx": "minimum_area_px",
        "is_fast": "is_fast",
        "isFast": "is_fast",
        "labels": "labels",
        "device": "device",
        "weights": "weights",
    }


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("threshold=100", ("threshold", "100")),
        (" threshold =100", ("threshold", "100")),
        ("url=http://x/?a=b", ("url", "http://x/?a=b")),
        ("label=", ("label", "")),
        ('labels=["x", "y"]', ("labels", ["x", "y"])),
        ('weights={"x": 1}', ("weights", {"x": 1})),
        ("pattern=[a-z]+", ("pattern", "[a-z]+")),
        ("labels=[1, 2", ("labels", "[1, 2")),
        ("count=7", ("count", "7")),
        ("text= padded ", ("text", " padded ")),
    ],
)
def test_an_option_is_a_key_and_a_text_or_a_json_list_or_object(text: str, parsed: tuple[str, object]) -> None:
    assert parse_option(text) == parsed


@pytest.mark.parametrize("text", ["threshold", "=100", " =1", ""])
def test_an_option_without_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_option(text)
    assert str(caught.value) == f"option {text!r} is not key=value; allowed: for example threshold=100"


def test_an_option_carries_its_words() -> None:
    (doc,) = [field.metadata["doc"] for field in dataclasses.fields(Options) if field.metadata]
    assert doc == "how sure it must be"
    assert Options("a").threshold == 0.5
