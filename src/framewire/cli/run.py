"""``framewire run``: runs a topology file as the retired edge module did."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from framewire.cli.output import room_for_results, say, status_line
from framewire.cli.runner import certificates_for
from framewire.cli.signals import end_on_interrupt, stopping_on_signals
from framewire.cli.validate import read_document
from framewire.errors import ConfigurationError

if TYPE_CHECKING:
    from framewire.hub import HubMessage
    from framewire.hub.inputs import MqttInputs
    from framewire.pipeline.live import LivePipeline
    from framewire.topology import Topology

_FLUSH_S = 10.0
"""How long what is published last may take to leave."""


@click.command()
@click.argument("topology", metavar="TOPOLOGY.json")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter; may be repeated.")
@click.option("--name", metavar="TEXT", help="The live pipeline's name.  [default: the topology's]")
@click.option("--module", default="avaedge", show_default=True, help="The module's name in the subjects of messages.")
@click.option("--body-only", is_flag=True, help="Print the bodies of inference events alone.")
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE|mqtt://BROKER/PREFIX",
    help="Where messages go beside stdout; may be repeated.",
)
@click.option("--outbox", "outbox_folder", type=click.Path(file_okay=False), help="Keeps what a broker does not take.")
@click.option("--outbox-mib", type=float, default=256.0, show_default=True, help="How much of it.")
@click.option(
    "--trusted-certificates",
    type=click.Path(dir_okay=False),
    help="A PEM file with the authorities that may vouch for mqtts:// brokers.  [default: the system's]",
)
@click.option("--loop", "is_loop", is_flag=True, help="A file starts again at its end.")
@click.option(
    "--as-fast-as-possible",
    "is_lossless",
    is_flag=True,
    help="A file is read as fast as the extensions answer, and nothing is dropped.",
)
@click.option("--profile", "is_profiled", is_flag=True, help="Say at the end where the CPU time went, node by node.")
@click.option(
    "--metrics-port",
    "metrics",
    metavar="[ADDRESS:]PORT",
    help="Answer Prometheus there; without an address on this machine alone, 0 for a free port.",
)
def run(**arguments: Any) -> int:  # click's; each is typed by its option
    """Runs TOPOLOGY.json: cameras in, messages out.

    Prints what the hub received, one JSON line a message; state, reconnects, drops and rates go to stderr. A source
    may be an RTSP URL, a video file, /dev/videoN or test: (a synthetic scene). A file that ends, ends the run with 0;
    Ctrl-C deactivates the pipeline.
    """
    end_on_interrupt()
    return asyncio.run(_run(**arguments))


async def _run(
    *,
    topology: str,
    settings: tuple[str, ...],
    name: str | None,
    module: str,
    body_only: bool,
    outputs: tuple[str, ...],
    outbox_folder: str | None,
    outbox_mib: float,
    trusted_certificates: str | None,
    is_loop: bool,
    is_lossless: bool,
    is_profiled: bool,
    metrics: str | None,
) -> int:
    from framewire.hub import open_publisher
    from framewire.pipeline.live import LivePipeline, PipelineOptions

    if not 0 < outbox_mib < float("inf"):
        raise ConfigurationError(f"--outbox-mib is {outbox_mib:g}", allowed="a number above 0")
    certificates = certificates_for(trusted_certificates, outputs)
    listen = None
    if metrics is not None:
        from framewire.pipeline.figures import figures_of
        from framewire.pipeline.metrics import serve_metrics

        listen = read_listen(metrics)
    loaded = load(topology, settings, name)
    publishers = [
        open_publisher("-", is_body_only=body_only, note=say, around_write=room_for_results),
        *(
            open_publisher(
                output,
                outbox_folder=Path(outbox_folder) if outbox_folder else None,
                outbox_mib=outbox_mib,
                trusted_certificates=certificates,
                note=say,
            )
            for output in outputs
        ),
    ]
    stop = asyncio.Event()
    unread: list[BrokenPipeError] = []

    def publish(message: HubMessage) -> None:
        for publisher in publishers:
            try:
                publisher.publish(message)
            except BrokenPipeError as error:
                # Whoever read what we print has gone: there is nothing to run for.
                unread.append(error)
                stop.set()

    async def room() -> None:
        for publisher in publishers:
            await publisher.room()

    options = PipelineOptions(module, is_loop, is_lossless, is_profiled)
    pipeline = LivePipeline(loaded, options, publish, say, room)
    # Around all of it, so that a second signal ends the closing, too.
    with stopping_on_signals(stop):
        async with contextlib.AsyncExitStack() as opened:
            for publisher in publishers:
                await publisher.open()
                opened.push_async_callback(publisher.close, _FLUSH_S)
            if pipeline.hub_inputs:
                for inputs in brokers_inputs(outputs, pipeline, certificates):
                    await opened.enter_async_context(inputs)
            if listen is not None:
                bound = opened.enter_context(serve_metrics(lambda: [figures_of(pipeline)], *listen))
                say(f"metrics on http://{f'[{listen[0]}]' if ':' in listen[0] else listen[0]}:{bound}/metrics")
            with _status(pipeline):
                await pipeline.run(stop)
    if pipeline.profile is not None:
        for line in profile_lines(pipeline.profile.table()):
            say(line)
    return 1 if unread else 0


def brokers_inputs(outputs: tuple[str, ...], pipeline: LivePipeline, certificates: Path | None) -> list[MqttInputs]:
    """Where messages for the pipeline come from: the brokers that get its own."""
    from framewire.hub import is_broker, parse_broker, topic_level

    brokers = [parse_broker(output) for output in outputs if is_broker(output)]
    if not brokers:
        say("the hub message sources get nothing: messages come from brokers that are named with --output")
        return []
    from framewire.hub.inputs import MqttInputs

    for broker in brokers:
        for name in sorted(pipeline.hub_inputs):
            say(f"messages are taken at {broker}/inputs/{topic_level(name)}")
    return [MqttInputs(broker, pipeline.receive, note=say, trusted_certificates=certificates) for broker in brokers]


def read_listen(text: str) -> tuple[str, int]:
    """Reads `[ADDRESS:]PORT`; without an address it is this machine's own.

    Raises:
        ConfigurationError: It is none.
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port[:6]) <= 65_535):
        raise ConfigurationError(f"--metrics-port is {text[:80]!r}", allowed="PORT or ADDRESS:PORT, a port 0 to 65535")
    return host.strip("[]") or "127.0.0.1", int(port)


def load(path: str, settings: tuple[str, ...], name: str | None) -> Topology:
    """Reads a topology and says what is odd about it.

    Raises:
        ConfigurationError: It cannot run; its problems have been said.
    """
    from framewire.topology import load_topology, read_settings

    text = read_document(path)
    loaded = load_topology(text, read_settings(settings), pipeline_name=name)
    for problem in loaded.problems:
        say(f"{path}:{problem}")
    if loaded.topology is None:
        count = sum(problem.severity == "error" for problem in loaded.problems)
        raise ConfigurationError(f"{path} has {count} error{'s' if count != 1 else ''} and cannot run")
    return loaded.topology


def profile_lines(table: list[tuple[str, int, float]]) -> list[str]:
    """The profile as lines."""
    whole = sum(seconds for _, _, seconds in table)
    frames = max((calls for _, calls, _ in table), default=0)
    wide = max(len(name) for name in ("node", *(name for name, _, _ in table)))
    lines = [f"{'node':{wide}}  {'frames':>8}  {'CPU s':>8}  {'ms a frame':>10}  share"]
    for name, calls, seconds in [*table, ("together", frames, whole)]:
        each = f"{1000 * seconds / calls:.3f}" if calls else ""
        share = 100 * seconds / whole if whole else 0.0
        lines.append(f"{name:{wide}}  {calls or '':>8}  {seconds:8.2f}  {each:>10}  {share:4.0f}%")
    return lines


@contextlib.contextmanager
def _status(pipeline: LivePipeline) -> Iterator[None]:
    """A status line on stderr, twice a second, when that is a terminal; a summary at the end."""
    from framewire.pipeline.live import PipelineState
    from framewire.pipeline.rates import RateMeter

    begun_s = time.perf_counter()
    meter = RateMeter()

    def line(*, is_last: bool = False) -> str:
        source = pipeline.graph.source
        now_s, frames = time.perf_counter(), source.counts.received
        lately = meter.note(now_s, {"frames": frames})["frames"]
        rate = frames / (now_s - begun_s) if is_last else lately
        parts = [pipeline.state.value, f"{source.name}: {frames} frames, {rate:.1f}/s"]
        if source.capture is not None:
            now = source.capture.statistics()
            if pipeline.state is PipelineState.ACTIVE:
                parts[0] = now.state.value
            parts[1] += f", {now.reconnects} reconnects" if now.reconnects else ""
            parts[1] += f", {now.undecodable} undecodable" if now.undecodable else ""
            parts[1] += f", {now.damaged} damaged" if now.damaged else ""
            parts[1] += f", {now.jumps} time jumps" if now.jumps else ""
        parts += [f"{one.name}: {one.received} messages in" for one in pipeline.graph.message_sources]
        for node in pipeline.graph.processors:
            causes = ", ".join(f"{count} {cause}" for cause, count in dict(node.counts.dropped).items())
            events = f", {node.counts.events} events" if node.counts.events else ""
            parts.append(f"{node.name}: {node.counts.inferred}{events}" + (f" (dropped: {causes})" if causes else ""))
        return "; ".join([*parts, f"{pipeline.messages} messages"])

    try:
        with status_line(line):
            yield
    finally:
        say(line(is_last=True))
