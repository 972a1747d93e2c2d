"""``framewire run`` and ``framewire runner`` as processes of their own: what they published, what they left behind."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from command_line import Running, changed_by, documents, eventually, memory_of

PREFIX = "Microsoft.VideoAnalyzer."
INFERENCE = f"{PREFIX}Analytics.Inference"
STATE_CHANGED = f"{PREFIX}Operational.PipelineStateChanged"
DATA_DROPPED = f"{PREFIX}Diagnostics.DataDropped"

_MARK = "TESTED_PIPELINE"

_IMPATIENT = """
import inspect
from framewire.capture import CaptureOptions

takes = CaptureOptions.__init__
names = [name for name, one in inspect.signature(takes).parameters.items() if one.default is not one.empty]
takes.__defaults__ = tuple({limits!r}.get(name, known) for name, known in zip(names, takes.__defaults__, strict=True))
"""
"""Found as `sitecustomize` by every Python process that is told so: users have no options for these limits."""

_PAUSES = {"backoff_least_s": 0.1, "backoff_most_s": 0.2, "refused_s": 0.3}


class Publishing(Running):
    """A command that prints messages."""

    def __init__(self, *arguments: object, env: Mapping[str, str] | None = None) -> None:
        self._messages: list[dict[str, Any]] = []
        super().__init__(*arguments, env=env)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """All that was published so far."""
        self._messages += documents("".join(self.out[len(self._messages) :]))
        return self._messages

    @property
    def inferences(self) -> list[dict[str, Any]]:
        """The bodies of the inference messages so far."""
        return [one["body"] for one in self.messages if type_of(one) == INFERENCE]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The messages of other kinds, but for the pipeline's own states, which nothing orders with the source's, and
        for dropped frames, which a busy machine has anyhow."""
        return [one for one in self.messages if type_of(one) not in (INFERENCE, STATE_CHANGED, DATA_DROPPED)]

    @property
    def story(self) -> list[tuple[str, str | None]]:
        """(event type, code) of the same without repetitions: how often something is tried is for the clock to say."""
        return [one for one, _ in groupby((type_of(one), one["body"].get("code")) for one in self.events)]

    def until_told(self, kind: str) -> None:
        """Waits for an event of a type."""
        self._until(lambda: any(type_of(one) == kind for one in self.messages), kind)

    def until_inferred(self, count: int) -> None:
        """Waits for so many inference messages in all."""
        self._until(lambda: len(self.inferences) >= count, f"{count} inferences")

    def until_inferred_again(self, sessions: int = 1, count: int = 10) -> None:
        """Waits for so many inference messages behind the so-many-th session with the camera."""

        def behind() -> list[dict[str, Any]]:
            kinds = [type_of(one) for one in self.messages]
            places = [at for at, kind in enumerate(kinds) if kind == f"{PREFIX}Diagnostics.MediaSessionEstablished"]
            return self.messages[places[sessions - 1] :] if len(places) >= sessions else []

        self._until(lambda: sum(type_of(one) == INFERENCE for one in behind()) >= count, f"{count} after {sessions}")

    def _until(self, is_so: Any, what: str) -> None:
        eventually(lambda: is_so() or not self.is_running, f"{what} in {self.story}: {self.stderr}")
        self.read_all_if_ended()
        assert is_so(), self.stderr


def type_of(message: dict[str, Any]) -> str:
    kind: str = message["applicationProperties"]["eventType"]
    return kind


@contextmanager
def at_work(folder: Path, topology: Path, name: str, **limits: float) -> Iterator[Publishing]:
    """``framewire run`` with short pauses. At the end of the block it is interrupted, and has to end as it should.

    That is: the states in their order, no timestamp before the last one, and no process and no shared memory left.
    """
    mark = uuid.uuid4().hex
    env = {**changed_by(folder, _IMPATIENT.format(limits=_PAUSES | limits)), _MARK: mark}
    with Publishing("run", topology, "--name", name, env=env) as pipeline:
        yield pipeline
        assert pipeline.stop(signal.SIGINT) == 0, pipeline.stderr
    states = [one["body"]["state"] for one in pipeline.messages if type_of(one) == STATE_CHANGED]
    assert states == ["activating", "active", "deactivating", "inactive"]
    times = [body["timestamp"] for body in pipeline.inferences]
    assert all(before < after for before, after in pairwise(times))
    assert memory_of(pipeline.process) == []
    assert _marked(mark) == []


def _marked(mark: str) -> list[str]:
    """Processes that have inherited a mark, whoever is their parent now."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{_MARK}={mark}".encode() in (process / "environ").read_bytes():
                found.append(process.name)
    return found
