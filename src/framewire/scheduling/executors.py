"""Makes the executor that an operator asked for."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Any

from framewire.processors.api import Processor
from framewire.processors.catalogue import ProcessorKind
from framewire.scheduling.executor import Deliver, Executor, PoolOptions
from framewire.scheduling.inline import InlinePool
from framewire.scheduling.library_threads import share_of_cores
from framewire.scheduling.runner import ProcessorRunner, Runner
from framewire.scheduling.workers import WorkerPool


class ExecutorKind(Enum):
    """Where a processor runs."""

    INLINE = "inline"
    THREADS = "threads"
    PROCESSES = "processes"


def make_executor(
    kind: ExecutorKind,
    processor: ProcessorKind,
    processor_options: Any,  # an instance of the processor's Options
    options: PoolOptions,
    *,
    deliver: Deliver,
    loop: asyncio.AbstractEventLoop,
) -> Executor:
    """An executor, not yet started.

    Args:
        kind: Where the processor runs.
        processor: The processor.
        processor_options: Its options.
        options: How the executor works.
        deliver: Takes the outcomes, on any thread.
        loop: The event loop that will make all calls.
    """
    threads = share_of_cores(options.workers)
    if kind is ExecutorKind.INLINE:
        runner = ProcessorRunner(processor, processor_options, library_threads=threads)
        return InlinePool(processor.name, runner, options, deliver, loop=loop)

    def make_runner() -> Runner:
        if kind is ExecutorKind.THREADS:
            return ProcessorRunner(processor, processor_options, library_threads=threads)
        from framewire.scheduling.process import ProcessRunner

        return ProcessRunner(
            processor,
            processor_options,
            frame_timeout_s=options.frame_timeout_s,
            threads=threads,
        )

    return WorkerPool(
        processor.name,
        make_runner,
        options,
        deliver,
        needs_order=processor.factory.needs_order,
        has_states=processor.factory.open_session is not Processor.open_session
        or processor.factory.close_session is not Processor.close_session,
        gives_up=kind is ExecutorKind.THREADS,
        loop=loop,
    )
