"""Which node gets something from which, and whether that can be (topologies, sections 1 and 2).

What flows is typed: encoded packets leave the source and the gate, frames leave whatever sees or passes pictures,
inferences leave processors that see pictures, and messages from outside are events as inferences are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from framewire.topology.binding import Bound
from framewire.topology.json_value import Json
from framewire.topology.nodes import (
    SINKS,
    SOURCES,
    FileSink,
    IotHubMessageSink,
    IotHubMessageSource,
    LineCrossingProcessor,
    ObjectTrackingProcessor,
    RtspSource,
    SignalGateProcessor,
    VideoSink,
)
from framewire.topology.parts import MEDIA, NodeInput, Part, selects
from framewire.topology.problems import Findings, listed, quoted

MAX_NODES = 200
MAX_INPUTS = 200

_PACKETS: tuple[type[Part], ...] = (RtspSource, SignalGateProcessor)
_NO_INFERENCES: tuple[type[Part], ...] = (RtspSource, SignalGateProcessor, *SINKS)
_NEED_INFERENCES: tuple[type[Part], ...] = (ObjectTrackingProcessor, LineCrossingProcessor)
_RECORDERS: tuple[type[Part], ...] = (FileSink, VideoSink)


@dataclass(slots=True, eq=False)
class Feed:
    """All that one node gets from another.

    Args:
        giver: The other node.
        place: The first input that names it.
        selectors: Of each input that names it; one without selectors takes everything.
    """

    giver: Wired
    place: Json
    selectors: list[list[tuple[str, str]]] = field(default_factory=list)

    def takes(self, media: str) -> bool:
        """Whether any of the inputs lets this kind of media through."""
        return any(selects(iter(selectors), media) for selectors in self.selectors)

    @property
    def has_packets(self) -> bool:
        """Whether encoded media come this way."""
        is_known = self.giver.node.is_known
        return (self.giver.kind in _PACKETS or not is_known) and (self.takes("video") or self.takes("audio"))

    @property
    def has_frames(self) -> bool:
        """Whether pictures come this way."""
        return self.giver.kind is not IotHubMessageSource and self.takes("video")

    @property
    def has_inferences(self) -> bool:
        """Whether inferences, or messages from outside, come this way."""
        return self.giver.kind not in _NO_INFERENCES and self.takes("application")


@dataclass(slots=True, eq=False)
class Wired:
    """A node and what it gets.

    Args:
        node: As it was read.
        name: As it is written; may break the rules for names.
        feeds: By the giver's name in lower case.
        is_sure: Whether all its inputs are known.
    """

    node: Bound
    name: str
    feeds: dict[str, Feed] = field(default_factory=dict)
    is_sure: bool = True

    @property
    def kind(self) -> type[Part]:
        """The model."""
        return self.node.kind

    @property
    def title(self) -> str:
        """Name and kind as a text for problems."""
        kind = self.kind.__name__ if self.node.is_known else "node of an unknown type"
        return f"{quoted(self.name)} ({kind})"

    @property
    def inputs_place(self) -> Json:
        """Where its inputs stand."""
        return self.node.place("inputs")


def wire(nodes: Iterable[Bound], findings: Findings, *, is_complete: bool) -> dict[str, Wired]:
    """Finds who feeds whom.

    Args:
        nodes: All nodes, in the order of the document.
        findings: Gets names that are there twice, and inputs that cannot be.
        is_complete: Whether `nodes` are all that the document means. Otherwise a name that is not there may be that of
            a node which cannot be read.

    Returns:
        The nodes by their names in lower case.
    """
    wired: dict[str, Wired] = {}
    for node in nodes:
        place = node.members.get("name")
        name = place.text if place is not None else None
        if place is None or name is None:
            continue
        earlier = wired.get(name.lower())
        if earlier is None:
            wired[name.lower()] = Wired(node, name)
        else:
            line = earlier.node.place("name").line
            findings.error(place, f"a node of this name is already there, in line {line}", allowed="each name once")
    for one in wired.values():
        _find_feeds(one, wired, findings, is_complete=is_complete)
    return wired


def _find_feeds(one: Wired, wired: dict[str, Wired], findings: Findings, *, is_complete: bool) -> None:
    inputs = one.node.parts("inputs")
    is_fed = one.node.is_known and one.kind not in SOURCES
    # A node that lost an input to another mistake may be fed by that one.
    one.is_sure = one.node.is_known and (not is_fed or "inputs" in one.node.values)
    if len(inputs) > MAX_INPUTS:
        findings.error(one.inputs_place, f"{len(inputs)} inputs", allowed=f"up to {MAX_INPUTS}", is_value_shown=False)
        inputs = inputs[:MAX_INPUTS]
    for item in inputs:
        place = item.members.get("node_name")
        name = place.text if place is not None else None
        if place is None or name is None:
            one.is_sure = False
            continue
        giver = wired.get(name.lower())
        if giver is None:
            one.is_sure = False
            if not is_complete:
                continue
            names = [other.name for other in wired.values() if other.kind not in SINKS and other is not one]
            findings.error(place, "there is no such node", allowed=listed(names), meant=name, names=names)
            continue
        if giver.name != name:
            findings.warning(place, f"taken for {quoted(giver.name)}")
        if giver.kind in SINKS:
            findings.error(
                place,
                f"{giver.title} is a sink, which gives nothing to {one.title}",
                allowed="a source or a processor",
            )
            one.is_sure = False
            continue
        feed = one.feeds.setdefault(giver.name.lower(), Feed(giver, place))
        selectors = [
            (str(selector.values.get("operator", "is")), str(selector.values["value"]))
            for selector in item.parts("output_selectors")
            if "value" in selector.values
        ]
        if selectors in feed.selectors:
            findings.warning(place, f"{one.title} names this input twice")
        feed.selectors.append(selectors)
        if not any(selects(iter(selectors), media) for media in MEDIA):
            findings.error(
                item.place("output_selectors"),
                "these selectors let nothing through",
                allowed="video, audio or application",
                is_value_shown=False,
            )


def settled_inputs(one: Wired) -> tuple[NodeInput, ...]:
    """The inputs of a node that has no errors: each giver once, by its own name, with what any of them lets through."""
    inputs: list[NodeInput] = []
    for feed in one.feeds.values():
        selectors = feed.selectors[0]
        if len(feed.selectors) > 1:
            taken = [media for media in MEDIA if feed.takes(media)]
            selectors = [] if len(taken) == len(MEDIA) else [("is", media) for media in taken]
        parts = [{"operator": operator, "value": value} for operator, value in selectors]
        inputs.append(NodeInput.model_validate({"node_name": feed.giver.name, "output_selectors": parts}))
    return tuple(inputs)


def check_flow(wired: dict[str, Wired], findings: Findings) -> None:
    """Notes nodes that do not get what they need: pictures, packets, inferences."""
    for one in wired.values():
        if not (one.node.is_known and one.is_sure and one.feeds):
            continue
        feeds = list(one.feeds.values())
        if one.kind is SignalGateProcessor:
            useful = _check_gate(one, feeds, findings)
        elif one.kind in _RECORDERS:
            useful = _check_recorder(one, feeds, findings)
        elif one.kind is IotHubMessageSink:
            useful = _check_message_sink(one, feeds, findings)
        else:
            useful = _check_seer(one, feeds, findings)
        if not useful:
            continue
        for feed in feeds:
            if feed not in useful:
                findings.warning(feed.place, f"{feed.giver.title} gives {one.title} nothing that it takes")


def _check_gate(one: Wired, feeds: list[Feed], findings: Findings) -> list[Feed]:
    media = [feed for feed in feeds if feed.has_packets]
    events = [feed for feed in feeds if feed.has_inferences]
    if not media:
        _lacks(one, feeds, "encoded media to let through", "the RtspSource as an input", findings)
    elif not events:
        _lacks(one, feeds, "events that open it", "a processor or an IotHubMessageSource beside the media", findings)
    _one_only(one, media, "media", findings)
    return [*media, *events] if media and events else []


def _check_recorder(one: Wired, feeds: list[Feed], findings: Findings) -> list[Feed]:
    packets = [feed for feed in feeds if feed.has_packets]
    if not packets:
        _lacks(one, feeds, "encoded media", "a SignalGateProcessor or the RtspSource as an input", findings)
        return []
    _one_only(one, packets, "media", findings)
    # Inferences are recorded beside the video.
    return [feed for feed in feeds if feed in packets or feed.has_inferences]


def _check_message_sink(one: Wired, feeds: list[Feed], findings: Findings) -> list[Feed]:
    inferences = [feed for feed in feeds if feed.has_inferences]
    if not inferences:
        _lacks(one, feeds, "inferences to publish", "a processor that infers as an input", findings)
    return inferences


def _check_seer(one: Wired, feeds: list[Feed], findings: Findings) -> list[Feed]:
    frames = [feed for feed in feeds if feed.has_frames]
    if not frames:
        _lacks(one, feeds, "pictures", "an input with video", findings)
    _one_only(one, frames, "pictures", findings)
    if frames and one.kind in _NEED_INFERENCES and not any(feed.has_inferences for feed in feeds):
        _lacks(one, feeds, "inferences", "an input that infers", findings)
        return []
    return [feed for feed in feeds if feed in frames or feed.has_inferences] if frames else []


def _lacks(one: Wired, feeds: list[Feed], what: str, allowed: str, findings: Findings) -> None:
    givers = " and ".join(feed.giver.title for feed in feeds[:3]) + (" .." if len(feeds) > 3 else "")
    findings.error(one.inputs_place, f"{one.title} gets no {what} from {givers}", allowed=allowed, is_value_shown=False)


def _one_only(one: Wired, feeds: list[Feed], what: str, findings: Findings) -> None:
    # What a node of an unknown type gives is not known: its type is the mistake, and told already.
    known = [feed for feed in feeds if feed.giver.node.is_known]
    for feed in known[1:]:
        first = known[0].giver.title
        findings.error(
            feed.place, f"{one.title} gets its {what} from {first} already", allowed=f"one input with {what}"
        )
