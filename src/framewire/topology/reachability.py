"""Cycles, nodes that nothing reaches, nodes that lead nowhere, and what is left to publish."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from framewire.topology.json_value import Json
from framewire.topology.nodes import (
    PASS_NOTHING_ON,
    SINKS,
    SOURCES,
    CognitiveServicesVisionProcessor,
    IotHubMessageSink,
    RtspSource,
)
from framewire.topology.problems import Findings, quoted
from framewire.topology.wiring import Wired


def check_reachability(wired: Mapping[str, Wired], findings: Findings, *, is_complete: bool) -> None:
    """Notes cycles, nodes that no source reaches, and nodes that reach no sink.

    Args:
        wired: The nodes.
        findings: Gets the problems.
        is_complete: Whether these are all nodes that the document means.
    """
    givers = {key: list(one.feeds) for key, one in wired.items()}
    takers: dict[str, list[str]] = {key: [] for key in wired}
    for key, feeds in givers.items():
        for giver in feeds:
            takers[giver].append(key)
    cyclic = _check_cycles(wired, givers, takers, findings)
    # A node behind a mistake may be reached once that is put right.
    unsure = _closure((key for key, one in wired.items() if not one.is_sure), takers)
    reached = _closure((key for key, one in wired.items() if one.kind in SOURCES), takers)
    for key, one in wired.items():
        if key not in reached and key not in unsure and key not in cyclic:
            findings.error(one.inputs_place, f"no source reaches {one.title}", is_value_shown=False)
    sinks = [key for key, one in wired.items() if one.kind in SINKS]
    # Without any sink it is enough to say so once.
    if not sinks or not is_complete or any(not one.is_sure for one in wired.values()):
        return
    leading = _closure(sinks, givers)
    for key, one in wired.items():
        if key not in leading and key not in cyclic:
            findings.warning(one.node.json, f"{one.title} reaches no sink", is_value_shown=False)


def check_publishing(wired: Mapping[str, Wired], place: Json, findings: Findings) -> None:
    """Notes at `place` that nothing will be published, when no message sink gets inferences."""
    if any(not one.is_sure or one.kind is CognitiveServicesVisionProcessor for one in wired.values()):
        return

    def sees(one: Wired) -> bool:
        return one.kind is RtspSource or one.kind not in (*SOURCES, *SINKS, *PASS_NOTHING_ON)

    working: set[str] = set()
    queue = deque(key for key, one in wired.items() if one.kind is RtspSource)
    takers: dict[str, list[str]] = {key: [] for key in wired}
    for key, one in wired.items():
        for giver, feed in one.feeds.items():
            if feed.has_frames:
                takers[giver].append(key)
    while queue:
        key = queue.popleft()
        if key not in working and sees(wired[key]):
            working.add(key)
            queue.extend(takers[key])
    is_published = any(
        one.kind is IotHubMessageSink
        and any(feed.has_inferences and giver in working for giver, feed in one.feeds.items())
        for one in wired.values()
    )
    if not is_published:
        findings.warning(
            place,
            "nothing will be published: no IotHubMessageSink gets inferences from a node that works yet",
            is_value_shown=False,
        )


def _check_cycles(
    wired: Mapping[str, Wired],
    givers: Mapping[str, list[str]],
    takers: Mapping[str, list[str]],
    findings: Findings,
) -> set[str]:
    """Notes each cycle once; answers the nodes on them."""
    cyclic: set[str] = set()
    remaining = _stripped(set(wired), givers, takers)
    while remaining:
        path = _cycle(next(key for key in wired if key in remaining), remaining, givers)
        names = " -> ".join(quoted(wired[key].name) for key in (*path, path[0]))
        first = min((wired[key] for key in path), key=lambda one: (one.node.json.line, one.node.json.column))
        findings.error(first.inputs_place, f"a cycle: {names}", is_value_shown=False)
        cyclic |= set(path)
        remaining = _stripped(remaining - set(path), givers, takers)
    return cyclic


def _stripped(keys: set[str], givers: Mapping[str, list[str]], takers: Mapping[str, list[str]]) -> set[str]:
    """What is left when nodes without a giver or a taker among `keys` are taken away again and again."""
    for ahead, behind in ((givers, takers), (takers, givers)):
        counts = {key: sum(other in keys for other in ahead[key]) for key in keys}
        queue = deque(key for key, count in counts.items() if not count)
        while queue:
            key = queue.popleft()
            keys = keys - {key}
            for other in behind[key]:
                if other in keys:
                    counts[other] -= 1
                    if not counts[other]:
                        queue.append(other)
    return keys


def _cycle(begin: str, remaining: set[str], givers: Mapping[str, list[str]]) -> list[str]:
    """A cycle in the direction of the flow. Every node of `remaining` has a giver there."""
    path = [begin]
    while True:
        giver = next(key for key in givers[path[-1]] if key in remaining)
        if giver in path:
            return path[path.index(giver) :][::-1]
        path.append(giver)


def _closure(begin: Iterable[str], following: Mapping[str, list[str]]) -> set[str]:
    found = set(begin)
    queue = deque(found)
    while queue:
        for key in following[queue.popleft()]:
            if key not in found:
                found.add(key)
                queue.append(key)
    return found
