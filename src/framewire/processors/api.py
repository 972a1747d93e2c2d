"""What a user implements: a class with one method."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from framewire.model.format import VideoFormat
from framewire.model.frame import Frame, SessionInfo
from framewire.model.inference import Inference
from framewire.model.layout import Layout

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class NoOptions:
    """The options of a processor that has none."""


def option(default: _T, doc: str) -> _T:
    """A field of an options dataclass with its default and the words that ``framewire processors`` prints."""
    # dataclasses.field answers with a Field, and every type checker treats it as the default it stands for.
    field: Any = dataclasses.field(default=default, metadata={"doc": doc})
    return field  # type: ignore[no-any-return] # see above


class Processor:
    """Turns frames into inferences.

    A subclass needs :meth:`process` alone. One instance serves one worker: :meth:`open` and :meth:`close` are called
    once each, and all methods by one thread at a time. What belongs to a camera goes into the session's state, which
    :meth:`open_session` makes, because frames of all sessions with equal options come through the same instance.

    Attributes:
        Options: A dataclass; its fields are the options that ``--option`` and the extension configuration may set.
            Raise ValueError in its ``__post_init__`` for a value that makes no sense.
        layout: The layout in which frames come.
        needs_order: Whether the frames of one session must be processed one after the other, as they were taken.
        options: The options in force, an instance of `Options`.
        library_threads: How many threads its libraries may use, so that all workers together keep the cores busy and
            no more. OpenCV, BLAS and OpenMP are told by framewire; whoever makes threads of its own, as a session of
            ONNX Runtime does, is told in :meth:`open`. Set before :meth:`open`.
    """

    Options: ClassVar[type] = NoOptions
    layout: ClassVar[Layout] = Layout.RGB
    needs_order: ClassVar[bool] = False
    library_threads: int = 1

    def __init__(self, options: Any = None) -> None:  # an instance of Options: only its author knows the type
        self.options = self.Options() if options is None else options

    @classmethod
    def layout_for(cls, video_format: VideoFormat) -> Layout:
        """The layout for the frames of a session; `layout`, unless a processor has a cheaper one for some formats."""
        return cls.layout

    def open(self) -> None:
        """Loads what frames need: a model, a device. Called once, before anything else."""

    def close(self) -> None:
        """Lets go of what :meth:`open` took. Called once, after everything else."""

    def open_session(self, session: SessionInfo) -> object:
        """Makes the state of one session; every frame of the session comes with it as ``frame.state``."""
        return None

    def close_session(self, state: Any) -> None:  # the processor's own object, see open_session
        """The session has ended and its last frame is processed."""

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        """Analyses a batch.

        Args:
            frames: One or more frames, of one or several sessions, valid until this method returns.

        Returns:
            For each frame, in order, the list of its inferences; an empty list when there is nothing to say.

        Raises:
            Exception: Whatever it is, the frames of the batch are tried once more one by one, and those that fail
                again are acknowledged without inferences. The traceback goes to the log.
        """
        raise NotImplementedError(f"{type(self).__name__} has no process method")
