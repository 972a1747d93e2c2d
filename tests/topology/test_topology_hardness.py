"""Whatever a text holds, reading it ends, raises nothing and says what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from topology_texts import RECORDER, STREET

from framewire.topology import load_live_pipeline, load_topology
from framewire.topology.nodes import PROCESSORS, SINKS, SOURCES

_words = st.sampled_from(
    [
        *(kind.__name__ for kind in (*SOURCES, *PROCESSORS, *SINKS)),
        *("@type", "name", "properties", "sources", "processors", "sinks", "parameters", "inputs", "nodeName", "url"),
        *("endpoint", "image", "format", "scale", "default", "type", "String", "${a}", "${", "camera", "PT1S", "5"),
        *("outputSelectors", "value", "video", "credentials", "framewire:mask", "lines", "operation", "tcp://h:1"),
    ]
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _words | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words | st.text(), inner, max_size=6),
    max_leaves=30,
)


def check(text: str, **settings: str) -> None:
    for may_be_unset in (False, True):
        loaded = load_topology(text, settings, may_be_unset=may_be_unset)
        assert (loaded.topology is None) >= any(problem.severity == "error" for problem in loaded.problems)
        assert loaded.topology is not None or loaded.problems
        for problem in loaded.problems:
            assert str(problem).isprintable()
            json.dumps(problem.to_document()).encode()
    load_live_pipeline(text)


@given(st.text())
def test_any_text(text: str) -> None:
    check(text)


@given(_values)
def test_any_json(value: Any) -> None:
    check(json.dumps(value), a="x")


@given(st.lists(_values, max_size=3), st.lists(_values, max_size=3), st.lists(_values, max_size=3))
def test_any_nodes(sources: list[Any], processors: list[Any], sinks: list[Any]) -> None:
    properties = {"sources": sources, "processors": processors, "sinks": sinks}
    check(json.dumps({"name": "x", "properties": properties}))


@given(st.data(), st.sampled_from([STREET, RECORDER]))
def test_any_change_of_a_good_topology(data: st.DataObject, text: str) -> None:
    document = json.loads(text)
    places: list[tuple[Any, Any]] = []
    stack = [document]
    while stack:
        value = stack.pop()
        keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
        places += [(value, key) for key in keys]
        stack += [value[key] for key in keys]
    parent, key = data.draw(st.sampled_from(places))
    if data.draw(st.booleans()):
        del parent[key]
    else:
        parent[key] = data.draw(_values)
    check(json.dumps(document))


@given(st.integers(0, len(STREET)), st.integers(0, 30), st.text(max_size=3))
def test_any_damage_to_a_good_topology(at: int, length: int, text: str) -> None:
    check(STREET[:at] + text + STREET[at + length :])


@given(st.text(), st.text(), st.none() | st.text())
def test_any_setting(name: str, value: str, pipeline_name: str | None) -> None:
    loaded = load_topology(STREET, {name: value, "rtspUrl": value}, pipeline_name=pipeline_name)
    for problem in loaded.problems:
        assert str(problem).isprintable()


def source(name: str = "camera") -> dict[str, Any]:
    return {"@type": "RtspSource", "name": name, "endpoint": {"@type": "UnsecuredEndpoint", "url": "test:"}}


def sink(name: str, *inputs: str) -> dict[str, Any]:
    return {"@type": "VideoSink", "name": name, "inputs": [{"nodeName": item} for item in inputs]}


def motion(name: str, *inputs: str) -> dict[str, Any]:
    return {"@type": "MotionDetectionProcessor", "name": name, "inputs": [{"nodeName": item} for item in inputs]}


def of_nodes(processors: list[Any], sinks: list[Any], parameters: list[Any] | None = None) -> str:
    properties = {"parameters": parameters or [], "sources": [source()], "processors": processors, "sinks": sinks}
    return json.dumps({"name": "x", "properties": properties})


LARGE = {
    "a thousand nodes": of_nodes([motion(f"m{i}", f"m{i - 1}" if i else "camera") for i in range(1000)], []),
    "names that are nearly right": of_nodes([motion(f"motion-{i:04}", f"motion-{i:04}x") for i in range(150)], []),
    "everything feeds everything": of_nodes(
        [motion(f"m{i}", *(f"m{j}" for j in range(190))) for i in range(190)],
        [sink("s", *(f"m{j}" for j in range(190)))],
    ),
    "a chain of two hundred": of_nodes([motion(f"m{i}", f"m{i - 1}" if i else "camera") for i in range(199)], []),
    "unknown members": json.dumps({"name": "x", "properties": {"sources": [{f"n{i}": 1 for i in range(20_000)}]}}),
    "parameters of nearly the same name": of_nodes(
        [{**motion("m", "camera"), "sensitivity": "".join(f"${{p{i}x}}" for i in range(5000))}],
        [],
        [{"name": f"p{i}", "type": "string"} for i in range(900)],
    ),
    "a text that grows": of_nodes(
        [{**motion(f"m{i}", "camera"), "sensitivity": "${p}" * 60} for i in range(190)],
        [],
        [{"name": "p", "type": "string", "default": "x" * 4000}],
    ),
    "open variables": of_nodes([{**motion("m", "camera"), "sensitivity": "${" * 200_000}], []),
    "addresses without end": of_nodes([{**motion("m", "camera"), "sensitivity": "://" * 80_000}], []),
    "open braces": "{" * 500_000,
    "open comments": "//\n" * 200_000,
    "quotes": '"' * 500_000,
    "backslashes": '["' + "\\\\" * 400_000,
    "digits": "[" + "9" * 900_000 + "]",
    "a mask of many points": of_nodes([{**motion("m", "camera"), "framewire:mask": "[" * 200_000}], []),
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_what_is_large_ends_all_the_same(text: str) -> None:
    loaded = load_topology(text)
    assert 1 <= len(loaded.problems) <= 401


def test_of_very_many_problems_the_rest_is_counted() -> None:
    nodes = [{**motion(f"m{i}", "camera"), "wrong": 1, "sensitivity": "x"} for i in range(190)]
    text = of_nodes(nodes, [sink("s", "camera")])
    loaded = load_topology(text)
    assert len(loaded.problems) > 200
    assert loaded.problems[-1].severity == "note"
    assert "more problems are not listed" in loaded.problems[-1].message
