"""What must hold inside one node, beyond each value by itself (topologies, sections 2, 3 and 5)."""

from __future__ import annotations

from collections.abc import Callable

from framewire.model.format import PixelFormat
from framewire.topology.binding import Bound
from framewire.topology.durations import format_duration
from framewire.topology.endpoints import check_endpoint
from framewire.topology.nodes import (
    PASS_NOTHING_ON,
    SINKS,
    CognitiveServicesVisionProcessor,
    FileSink,
    GrpcExtension,
    HttpExtension,
    IotHubMessageSource,
    LineCrossingProcessor,
    RtspSource,
    SignalGateProcessor,
)
from framewire.topology.parts import ImageFormatRaw, Part
from framewire.topology.problems import Findings

_MIB = 1 << 20
_USUAL_RATES = (0.2, 30.0)


def check_node(node: Bound, findings: Findings) -> None:
    """Notes what is wrong in a node whose members have been read."""
    for check in _RULES.get(node.kind, ()):
        check(node, findings)
    if node.kind in PASS_NOTHING_ON:
        does = "records nothing" if node.kind in SINKS else "passes nothing on"
        findings.warning(node.json, f"{node.kind.__name__} {does} yet", is_value_shown=False)


def _transport(node: Bound, findings: Findings) -> None:
    if node.value("transport") == "udp":
        findings.warning(node.place("transport"), "Azure Video Analyzer did not take udp; framewire does")


def _input(node: Bound, findings: Findings) -> None:
    if node.value("hub_input_name") is None:
        findings.warning(
            node.json,
            "no hubInputName: no message reaches it",
            allowed="a name, which messages are sent to",
            is_value_shown=False,
        )


def _sampling(node: Bound, findings: Findings) -> None:
    options = node.part("sampling_options")
    rate = options.value("maximum_samples_per_second") if options else None
    low, high = _USUAL_RATES
    if options and rate is not None and not low <= rate <= high:
        findings.warning(
            options.place("maximum_samples_per_second"),
            f"outside {low:g} to {high:g}, which Azure Video Analyzer documented; framewire takes it",
        )


def _scale(node: Bound, findings: Findings) -> None:
    image = node.part("image")
    scale = image.part("scale") if image else None
    if scale and not {"width", "height"} & scale.members.keys():
        findings.warning(
            scale.json,
            "neither width nor height: images keep the camera's size",
            allowed="width, height or both",
            is_value_shown=False,
        )


def _transfer(node: Bound, findings: Findings) -> None:
    transfer = node.part("data_transfer")
    if transfer is None:
        return
    mode, size_mib = transfer.value("mode"), transfer.value("shared_memory_size_mib")
    place = transfer.place("shared_memory_size_mib")
    if mode == "embedded" and size_mib:
        findings.warning(place, "means nothing with mode embedded", allowed="mode sharedMemory")
    if mode != "sharedMemory" or "shared_memory_size_mib" not in transfer.members or size_mib is None:
        return
    if size_mib == 0:
        findings.error(place, "no room for a frame", allowed="1 to 100")
    elif (frame_bytes := _raw_bytes(node)) > size_mib * _MIB:
        findings.error(
            place,
            f"one raw frame has {frame_bytes} bytes",
            allowed=f"{-(-frame_bytes // _MIB)} to 100, or another format",
        )


def _raw_bytes(node: Bound) -> int:
    """Size of a frame when it is certain: raw, of a fixed size; 0 otherwise."""
    image = node.part("image")
    scale = image.part("scale") if image else None
    form = image.part("format") if image else None
    if scale is None or form is None or form.kind is not ImageFormatRaw or scale.value("mode") == "preserveAspectRatio":
        return 0
    width, height, name = scale.value("width"), scale.value("height"), form.value("pixel_format")
    if not (width and height and name):
        return 0
    pixel_format = PixelFormat[name.upper()]
    chroma = 2 * ((width + 1) // 2) * ((height + 1) // 2) if pixel_format is PixelFormat.YUV420P else 0
    return int(width * height * pixel_format.bytes_per_pixel + chroma)


def _not_supported(node: Bound, findings: Findings) -> None:
    findings.error(
        node.json,
        "CognitiveServicesVisionProcessor is not supported: it needs a container that is closed and paid for",
        allowed="GrpcExtension or HttpExtension with a server of your own",
        is_value_shown=False,
    )


def _gate_times(node: Bound, findings: Findings) -> None:
    shortest, longest = node.value("minimum_activation_time"), node.value("maximum_activation_time")
    if shortest is not None and longest is not None and shortest > longest:
        findings.error(
            node.place("minimum_activation_time"),
            "longer than maximumActivationTime",
            allowed=f"up to {format_duration(longest)}",
        )


def _file_name(node: Bound, findings: Findings) -> None:
    pattern, place = node.value("file_name_pattern"), node.json.member("fileNamePattern")
    if pattern is None or place is None:
        return
    filled = node.place("file_name_pattern")
    if "${system." not in str(place.content).lower() and "${system." not in pattern.lower():
        findings.error(
            filled, "no system variable: all files would have one name", allowed="${System.Runtime.DateTime} in it"
        )
    if "/" in pattern:
        findings.error(filled, "a file name with '/'", allowed="a name; the folder belongs into baseDirectoryPath")


def _lines(node: Bound, findings: Findings) -> None:
    known: set[str] = set()
    for line in node.parts("lines"):
        name = line.value("name")
        if name in known:
            findings.warning(line.place("name"), "two lines of this name: their events cannot be told apart")
        known.add(name)


_Rule = Callable[[Bound, Findings], None]
_RULES: dict[type[Part], tuple[_Rule, ...]] = {
    RtspSource: (_transport, check_endpoint),
    IotHubMessageSource: (_input,),
    GrpcExtension: (check_endpoint, _scale, _sampling, _transfer),
    HttpExtension: (check_endpoint, _scale, _sampling),
    CognitiveServicesVisionProcessor: (_not_supported,),
    LineCrossingProcessor: (_lines,),
    SignalGateProcessor: (_gate_times,),
    FileSink: (_file_name,),
}
