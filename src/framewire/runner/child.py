"""The process of one live pipeline: ``python -m framewire.runner.child``.

A hang inside a codec or a crash of one takes this process with it and no other pipeline; the runner starts it again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import Any

from framewire.errors import FramewireError
from framewire.pipeline.live import LivePipeline, PipelineOptions
from framewire.pipeline.rates import RateMeter
from framewire.runner.jobs import MOST_LINE_BYTES, Job, input_of_line, line_of, line_of_message
from framewire.topology import load_topology

_STATUS_S = 1.0

_MOST_UNREAD_BYTES = 32 << 20
"""Messages that the runner does not take; it is stuck then, and what comes is left out rather than kept."""


class _Output:
    """Lines to the runner."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self.dropped = 0

    def write(self, line: bytes) -> None:
        if len(line) > MOST_LINE_BYTES or self._transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
            self.dropped += 1
        else:
            self._transport.write(line)


async def _run() -> int:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MOST_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    # What a library prints goes to the log, not in between our lines.
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    transport, _ = await loop.connect_write_pipe(asyncio.Protocol, lines)
    output = _Output(transport)
    job = Job.of_line(await reader.readline())
    loaded = load_topology(job.topology, job.settings, pipeline_name=job.name)
    if loaded.topology is None:
        output.write(line_of(error="; ".join(map(str, loaded.problems))))
        return 1
    for problem in loaded.problems:
        output.write(line_of(note=str(problem)))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    pipeline = LivePipeline(
        loaded.topology,
        # A file stands for a camera here, and a camera does not end.
        PipelineOptions(job.module, is_loop=True),
        lambda message: output.write(line_of_message(message)),
        lambda note: output.write(line_of(note=note)),
    )
    rates = RateMeter()
    watching = asyncio.ensure_future(_listen(reader, pipeline, stop))
    telling = asyncio.ensure_future(_tell(pipeline, output, rates, stop))
    try:
        await pipeline.run(stop)
    except FramewireError as error:
        output.write(line_of(error=str(error)))
        return 1
    else:
        if _is_stuck(pipeline):
            output.write(line_of(error="connections to the camera hang in a library; the process is started again"))
            return 1
    finally:
        watching.cancel()
        telling.cancel()
        output.write(line_of(status=_status(pipeline, output, rates)))
        while transport.get_write_buffer_size():  # noqa: ASYNC110 # a transport says it to its protocol alone
            await asyncio.sleep(0.01)
    return 0


async def _listen(reader: asyncio.StreamReader, pipeline: LivePipeline, stop: asyncio.Event) -> None:
    """Takes messages from outside; ends the pipeline when the runner says so, or is no more."""
    while line := await reader.readline():
        pipeline.receive(input_of_line(line))
    stop.set()


async def _tell(pipeline: LivePipeline, output: _Output, rates: RateMeter, stop: asyncio.Event) -> None:
    while True:
        output.write(line_of(status=_status(pipeline, output, rates)))
        if _is_stuck(pipeline):
            stop.set()
        await asyncio.sleep(_STATUS_S)


def _is_stuck(pipeline: LivePipeline) -> bool:
    """Whether only another process can help: threads that hang in foreign code cannot be ended."""
    capture = pipeline.graph.source.capture
    return capture is not None and capture.statistics().is_stuck


def _status(pipeline: LivePipeline, output: _Output, rates: RateMeter) -> dict[str, Any]:
    source = pipeline.graph.source
    capture = None if source.capture is None else source.capture.statistics()
    now_s = time.monotonic()
    counts = {
        "messages": pipeline.messages,
        "frames": source.counts.received,
        "bytes": 0 if capture is None else capture.received_bytes,
        **{f"node {node.name}": node.counts.received for node in pipeline.graph.processors},
        **{f"inferred {node.name}": node.counts.inferred for node in pipeline.graph.processors},
    }
    per_s = rates.note(now_s, counts)
    return {
        "state": pipeline.state.value,
        "topology": pipeline.topology_name,
        "last_error": pipeline.last_error,
        "messages": counts["messages"],
        "messages_per_s": per_s["messages"],
        "messages_dropped": output.dropped,
        "source": {
            "name": source.name,
            "state": "opening" if capture is None else capture.state.value,
            "frames": counts["frames"],
            "frames_per_s": per_s["frames"],
            "reconnects": 0 if capture is None else capture.reconnects,
            "undecodable": 0 if capture is None else capture.undecodable,
            "damaged": 0 if capture is None else capture.damaged,
            "jumps": 0 if capture is None else capture.jumps,
            "received_bytes": counts["bytes"],
            "received_bytes_per_s": per_s["bytes"],
            "last_error": None if capture is None else capture.last_error,
        },
        "inputs": {
            node.name: {"hubInputName": node.hub_input, "received": node.received}
            for node in pipeline.graph.message_sources
        },
        "nodes": {
            node.name: {
                "received": counts[f"node {node.name}"],
                "received_per_s": per_s[f"node {node.name}"],
                "inferred": counts[f"inferred {node.name}"],
                "inferred_per_s": per_s[f"inferred {node.name}"],
                "events": node.counts.events,
                "dropped": dict(node.counts.dropped),
                "latency_s": _latency(node.latency.read(now_s)),
                "last_error": node.last_error,
            }
            for node in pipeline.graph.processors
        },
    }


def _latency(read: tuple[float, float] | None) -> dict[str, float] | None:
    return None if read is None else {"average": read[0], "max": read[1]}


if __name__ == "__main__":
    code = asyncio.run(_run())
    sys.stderr.flush()
    # A camera that hangs in foreign code keeps its thread; Python would wait for no daemon, C++ might abort.
    os._exit(code)
