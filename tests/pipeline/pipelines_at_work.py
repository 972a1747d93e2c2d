"""``framewire run`` as a process of its own: what it published, and what it left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from command_line import Running, documents, eventually

INFERENCE = "Microsoft.VideoAnalyzer.Analytics.Inference"
STATE_CHANGED = "Microsoft.VideoAnalyzer.Operational.PipelineStateChanged"

_MARK = "TESTED_PIPELINE"

_IMPATIENT = """
import inspect
from framewire.capture import CaptureOptions

takes = CaptureOptions.__init__
names = [name for name, one in inspect.signature(takes).parameters.items() if one.default is not one.empty]
takes.__defaults__ = tuple({limits!r}.get(name, known) for name, known in zip(names, takes.__defaults__))
"""
"""Every Python process that finds it as `sitecustomize` has these limits: there are no options for them."""

_LIMITS = {
    "connect_timeout_s": 2.0,
    "stall_s": 2.0,
    "backoff_least_s": 0.1,
    "backoff_most_s": 0.2,
    "refused_s": 0.3,
}


class Pipeline(Running):
    """A running ``framewire run``."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        """All that was published so far."""
        return documents("".join(self.out))

    @property
    def inferences(self) -> list[dict[str, Any]]:
        """The bodies of the inference messages so far."""
        return [one["body"] for one in self.messages if type_of(one) == INFERENCE]

    @property
    def story(self) -> list[tuple[str, str | None]]:
        """(event type, code) of what else was published, without repetitions: how often is for the clock to say."""
        others = ((type_of(one), one["body"].get("code")) for one in self.messages if type_of(one) != INFERENCE)
        return [one for one, _ in groupby(others)]

    def until_inferred(self, count: int, after: str | None = None) -> None:
        """Waits for so many inference messages, after the first event of a type or a code if one is given."""

        def has_come() -> bool:
            messages = self.messages
            if after is not None:
                places = (at for at, one in enumerate(messages) if after in (type_of(one), one["body"].get("code")))
                messages = messages[next(places, len(messages)) :]
            return sum(type_of(one) == INFERENCE for one in messages) >= count

        eventually(lambda: has_come() or not self.is_running, f"{count} inferences after {after}")
        assert has_come(), self.stderr


def type_of(message: dict[str, Any]) -> str:
    kind: str = message["applicationProperties"]["eventType"]
    return kind


@contextmanager
def at_work(folder: Path, topology: Path, *words: object) -> Iterator[Pipeline]:
    """A pipeline with less patience than users have, which has to end well and to leave nothing behind."""
