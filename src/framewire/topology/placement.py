"""Where Azure Video Analyzer wanted its nodes to stand.

Published files break these rules, and framewire runs what it can: each is a warning. They are those of the service's
list of limitations on how nodes are connected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from framewire.topology.nodes import (
    FileSink,
    GrpcExtension,
    HttpExtension,
    IotHubMessageSink,
    IotHubMessageSource,
    LineCrossingProcessor,
    MotionDetectionProcessor,
    ObjectTrackingProcessor,
    RtspSource,
    SignalGateProcessor,
    VideoSink,
)
from framewire.topology.parts import Part
from framewire.topology.problems import Findings
from framewire.topology.wiring import Feed, Wired

_EXTENSIONS: tuple[type[Part], ...] = (HttpExtension, GrpcExtension)


@dataclass(frozen=True, slots=True)
class _Rule:
    """What may stand directly before a node.

    Args:
        allowed: Kinds that may; empty: any.
        refused: Kinds that may not.
        concerns: Which inputs are looked at.
    """

    allowed: tuple[type[Part], ...] = ()
    refused: tuple[type[Part], ...] = ()
    concerns: Literal["media", "inferences", "all"] = "media"


_RULES: dict[type[Part], tuple[_Rule, ...]] = {
    MotionDetectionProcessor: (_Rule(allowed=(RtspSource,)),),
    SignalGateProcessor: (_Rule(allowed=(RtspSource,)),),
    ObjectTrackingProcessor: (_Rule(allowed=_EXTENSIONS),),
    LineCrossingProcessor: (_Rule(allowed=(ObjectTrackingProcessor,)),),
    HttpExtension: (_Rule(refused=(SignalGateProcessor,)),),
    GrpcExtension: (_Rule(refused=(SignalGateProcessor,)),),
    VideoSink: (_Rule(allowed=(RtspSource, SignalGateProcessor), concerns="all"),),
    FileSink: (_Rule(allowed=(SignalGateProcessor,), concerns="all"),),
    IotHubMessageSink: (_Rule(refused=(IotHubMessageSource,), concerns="inferences"),),
}


def check_placement(wired: Mapping[str, Wired], findings: Findings) -> None:
    """Notes nodes that stand where Azure Video Analyzer did not want them."""
    for one in wired.values():
        if not one.node.is_known:
            continue
        for rule in _RULES.get(one.kind, ()):
            for feed in one.feeds.values():
                if feed.giver.node.is_known and _concerns(rule, one, feed):
                    _judge(rule, one, feed, findings)


def _concerns(rule: _Rule, one: Wired, feed: Feed) -> bool:
    if rule.concerns == "media":
        return feed.has_packets if one.kind is SignalGateProcessor else feed.has_frames
    return rule.concerns == "all" or feed.has_inferences


def _judge(rule: _Rule, one: Wired, feed: Feed, findings: Findings) -> None:
    if feed.giver.kind in rule.refused or (rule.allowed and feed.giver.kind not in rule.allowed):
        allowed = " or ".join(kind.__name__ for kind in rule.allowed)
        findings.warning(
            feed.place,
            f"Azure Video Analyzer did not take {one.kind.__name__} directly behind {feed.giver.kind.__name__}",
            allowed=f"{allowed} before it" if allowed else "",
        )
