"""The published files with one slip of the pen in them: each is found where it is, and what was meant is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from topology_texts import PUBLISHED

from framewire.topology import Problem, load_topology

pytestmark = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published topologies are not beside the repository")


@cache
def texts() -> dict[str, str]:
    return {path.name: path.read_text("utf-8-sig") for path in sorted(PUBLISHED.rglob("*.json"))}


def places(value: Any, pointer: str = "") -> Iterator[tuple[str, Any, str]]:
    """Pointer, container and member of every member of every object."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield f"{pointer}/{name}", value, name
            yield from places(one, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from places(one, f"{pointer}/{index}")


def slips(what: str) -> list[tuple[str, str]]:
    """File and pointer of each place where a slip of this kind can be."""
    found = []
    for name, text in texts().items():
        document = json.loads(text)
        if "sources" not in document.get("properties", {}):
            continue
        for pointer, container, member in places(document):
            is_there = {
                "member": pointer.startswith("/properties/") and not member.startswith("@") and len(member) > 5,
                "type": member == "@type",
                "input": member == "nodeName",
                "parameter": isinstance(container[member], str) and container[member].startswith("${"),
            }[what]
            if is_there and "/parameters/" not in pointer:
                found.append((name, pointer))
    return found


def slipped(name: str, pointer: str, what: str) -> tuple[list[Problem], str]:
    """The problems of a file with a letter missing at one place, and what stands there without the slip."""
    document = json.loads(texts()[name])
    container, member = next((holder, key) for at, holder, key in places(document) if at == pointer)
    if what == "member":
        right = member
        container[member[:-2] + member[-1]] = container.pop(member)
    else:
        right = container[member]
        end = right[-1] if what == "parameter" else ""
        container[member] = right.removesuffix(end)[:-1] + end
    return list(load_topology(json.dumps(document), {}, may_be_unset=True).problems), right


def at(problems: list[Problem], pointer: str) -> list[Problem]:
    return [problem for problem in problems if problem.pointer == pointer]


def errors(problems: list[Problem]) -> list[Problem]:
    """One slip is one error: what follows from it is not told."""
    return [problem for problem in problems if problem.severity == "error"]


def test_there_are_files_to_slip_in() -> None:
    assert len(texts()) == 8
    assert all(len(slips(what)) >= 20 for what in ("member", "type", "input", "parameter"))


@pytest.mark.parametrize(("name", "pointer"), slips("type"))
def test_a_kind_of_node_that_is_none(name: str, pointer: str) -> None:
    problems, right = slipped(name, pointer, "type")
    (problem,) = errors(problems)
    assert (problem.pointer, problem.nearest) == (pointer, right.rpartition(".")[2])


@pytest.mark.parametrize(("name", "pointer"), slips("input"))
def test_an_input_that_is_no_node(name: str, pointer: str) -> None:
    problems, right = slipped(name, pointer, "input")
    (problem,) = errors(problems)
    assert (problem.pointer, problem.nearest) == (pointer, right)


@pytest.mark.parametrize(("name", "pointer"), slips("parameter"))
def test_a_parameter_that_is_not_declared(name: str, pointer: str) -> None:
    problems, right = slipped(name, pointer, "parameter")
    (problem,) = errors(problems)
    assert (problem.pointer, problem.nearest) == (pointer, right.strip("${}"))


@pytest.mark.parametrize(("name", "pointer"), slips("member"))
def test_a_member_that_is_unknown(name: str, pointer: str) -> None:
    problems, right = slipped(name, pointer, "member")
    wrong = pointer[:-2] + pointer[-1]
    (problem,) = [one for one in at(problems, wrong) if one.nearest]
    assert problem.nearest.lower() == right.lower()


def test_the_files_themselves_have_no_errors() -> None:
    for name in {name for name, _ in slips("type")}:
        problems = load_topology(texts()[name], {}, may_be_unset=True).problems
        assert not errors(list(problems)), name
