"""A load generator for servers of the contract: prepared frames, many streams, latencies and what they cost."""

from framewire.load.clock import precise_event_loop, prepare_process
from framewire.load.options import LoadOptions, memory_bytes
from framewire.load.report import LoadReport, ServerCost
from framewire.load.run import run_load
from framewire.load.tally import Tally

__all__ = [
    "LoadOptions",
    "LoadReport",
    "ServerCost",
    "Tally",
    "memory_bytes",
    "precise_event_loop",
    "prepare_process",
    "run_load",
]
