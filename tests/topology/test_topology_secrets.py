"""No password is in any problem, representation or error."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr
from topology_texts import STREET, swapped

from framewire.topology import load_live_pipeline, load_topology

SECRET = "s3cret"


def all_texts(text: str, settings: dict[str, str] | None = None) -> str:
    loaded = load_topology(text, settings or {}, may_be_unset=True)
    documents = [problem.to_document() for problem in loaded.problems]
    return "\n".join([str(loaded), repr(loaded), *map(str, loaded.problems), json.dumps(documents)])


def test_a_topology_does_not_show_its_secrets() -> None:
    loaded = load_topology(STREET)
    assert loaded.topology is not None
    shown = repr(loaded.topology) + str(loaded.topology) + repr(loaded.topology.nodes)
    assert SECRET not in shown
    assert SECRET not in repr(loaded.topology.parameters)
    default = loaded.topology.parameters[1].default
    assert isinstance(default, SecretStr)
    assert default.get_secret_value() == SECRET


@pytest.mark.parametrize(
    "swaps",
    [
        pytest.param([('"sensitivity": "medium"', '"sensitivity": "${rtspPassword}"')], id="a wrong word"),
        pytest.param([('"url": "${rtspUrl}"', '"url": "rtsp://${rtspPassword}:x/"')], id="a wrong address"),
        pytest.param([('"url": "${rtspUrl}"', '"url": "rtsp://user:s3cret@camera:x/"')], id="an address with it"),
        pytest.param([('"password": "${rtspPassword}"', '"password": {"s3cret": 1}')], id="an object as a password"),
        pytest.param([('"password": "${rtspPassword}"', '"password": "s3cret\\u0000"')], id="no text as a password"),
        pytest.param([('"password": "${rtspPassword}"', '"passwort": "s3cret"')], id="a misspelled member"),
        pytest.param([('"default": "s3cret"', '"default": "s3cret\\ud800"')], id="no text as a default"),
        pytest.param([('"default": "s3cret"', '"default": s3cret')], id="no JSON"),
        pytest.param([('"eventAggregationWindow": "PT1S"', '"eventAggregationWindow": "${rtspPassword}"')], id="time"),
        pytest.param([('"nodeName": "camera"', '"nodeName": "${rtspPassword}"')], id="a node"),
        pytest.param([('"hubOutputName": "inferences"', '"hubOutputName": "${rtspPassword}${x"')], id="open variable"),
        pytest.param([('"extensionConfiguration": "{}"', '"extensionConfiguration": "${rtspPassword}"')], id="good"),
    ],
)
def test_no_problem_shows_a_secret(swaps: list[tuple[str, str]]) -> None:
    # A node that is named after a secret is named in problems: that is what names are for.
    if "nodeName" in swaps[0][0]:
        swaps = [*swaps, ('"name": "rtspPassword", "type": "SecretString", "default": "s3cret"',) * 2]
    assert SECRET not in all_texts(swapped(STREET, *swaps))


def test_what_is_named_as_a_password_is_not_shown_either() -> None:
    # Published files declare passwords as plain texts.
    text = STREET.replace('"type": "SecretString"', '"type": "String"')
    swaps = [('"sensitivity": "medium"', '"sensitivity": "${rtspPassword}"')]
    assert SECRET not in all_texts(swapped(text, *swaps))
    assert SECRET not in all_texts(swapped(text, ('"s3cret"', '"s3cret\\u0000"')))
    assert SECRET not in all_texts(text, {"rtspPassword": f"{SECRET}\x00"})


def test_a_secret_that_is_set_is_not_shown() -> None:
    assert SECRET not in all_texts(STREET, {"rtspPassword": f"{SECRET}\udcff", "quality": "1"})
    assert SECRET not in all_texts(STREET, {"undeclared": SECRET})


def test_a_live_pipeline_does_not_show_its_values() -> None:
    text = (
        '{"name": "north", "properties": {"topologyName": "Street", "parameters": '
        '[{"name": "p", "value": "s3cret"}, {"name": "p", "value": "s3cret"}, {"name": "q", "value": {"s3cret": 1}}]}}'
    )
    loaded = load_live_pipeline(text)
    assert loaded.problems
    assert SECRET not in repr(loaded) + "".join(map(str, loaded.problems))
    good = load_live_pipeline(
        '{"name": "north", "properties": {"topologyName": "Street", "parameters": [{"name": "p", "value": "s3cret"}]}}'
    )
    assert good.live_pipeline is not None
    assert good.live_pipeline.parameters == {"p": SECRET}
    assert SECRET not in repr(good) + str(good.live_pipeline)


@example(272, 8, "\\")  # a secret that is torn so that it reads as a name
@given(st.integers(0, len(STREET)), st.integers(0, 8), st.text(st.sampled_from('"{}[],:\\ x\n\x00'), max_size=4))
def test_no_damage_to_a_document_shows_a_secret(at: int, length: int, text: str) -> None:
    damaged = STREET[:at] + text + STREET[at + length :]
    # The part of a secret that is left must not be shown either, where enough is left to tell.
    if SECRET in damaged:
        assert SECRET not in all_texts(damaged)
