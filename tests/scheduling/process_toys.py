"""Processors for the tests of worker processes, in a module that such a process can import."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from framewire.model.format import VideoFormat
from framewire.model.frame import Frame, SessionInfo
from framewire.model.geometry import Rectangle
from framewire.model.inference import Attribute, Classification, Entity, Event, Inference, Motion, Other, Tag, Text
from framewire.model.layout import Layout
from framewire.processors.api import Processor

KILLED, EXITED, FAULTED, HUNG, STOPPED, RAISED, TAUGHT = 200, 201, 202, 203, 204, 205, 206
COUNTED = 207
"""Levels of frames that do that to the process that gets them."""


def level_of(frame: Frame) -> int:
    return int(frame.pixels.flat[0])


class Telling(Processor):
    """Answers with all that it knows of a frame, as texts; the layout is the session's configuration."""

    @classmethod
    def layout_for(cls, video_format: VideoFormat) -> Layout:
        return Layout.BGR if video_format.width % 2 else Layout.GREY if video_format.height % 2 else Layout.RGB

    def open_session(self, session: SessionInfo) -> object:
        return f"state of {session.identifier}"

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [
            (
                Text(f"{frame.pixels.shape} {frame.pixels.tobytes()[:64].hex()} {frame.pixels.flags.writeable}"),
                Text(f"{frame.session} {frame.sequence_number} {frame.timestamp} {frame.upstream} {frame.state}"),
            )
            for frame in frames
        ]


ALL_KINDS = (
    Classification(Tag("light", 0.5), (Attribute("hue", "red", 0.25),), subtype="colorIntensity", inference_id="1"),
    Motion(Rectangle(0.1, 0.2, 0.3, 0.4), sequence_id="2", related_inferences=("1",)),
    Motion(),
    Entity(Tag("car"), Rectangle(0.0, 0.0, 1.0, 1.0), (Attribute("make", "x"),), "7", extensions={"a": "b"}),
    Text("words", "en-GB", 1, 2**64 - 1),
    Event("door", {"is": "open"}),
    Other("application/json", b"{}"),
)


class AllKinds(Processor):
    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [list(ALL_KINDS) for _ in frames]


class OwnText(Text):
    """A user's own kind of text."""


class OwnKind(Processor):
    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [[OwnText("own")] for _ in frames]


class Stubborn(str):
    """A text that cannot be pickled."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("this stays here")


class Unpicklable(Processor):
    """Answers what cannot be sent for frames of level 1."""

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [[Text(Stubborn("x") if level_of(frame) == 1 else "y")] for frame in frames]


def _refuse() -> object:
    raise ValueError("only here")


class OneWay(str):
    """A text that can be pickled, and not read again."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _refuse, ()


class Unreadable(Processor):
    """Answers what cannot be read for frames of level 1."""

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [[Text(OneWay("x") if level_of(frame) == 1 else "y")] for frame in frames]


@dataclass(frozen=True)
class MoodyOptions:
    """What a moody processor waits for and writes to.

    Args:
        path: It cannot be opened while there is no such file; empty when it always can.
        told: A FIFO that is opened for writing when a frame hangs.
    """

    path: str = ""
    told: str = ""


class Moody(Processor):
    """Does to its process what the levels of its frames say, answers the others with level and state."""

    Options = MoodyOptions

    def open(self) -> None:
        self._sessions = 0
        if self.options.path and not Path(self.options.path).exists():
            raise FileNotFoundError(f"no model {self.options.path}")

    def open_session(self, session: SessionInfo) -> object:
        if session.configuration == "refused":
            raise LookupError("no such session")
        if session.configuration == "deadly":
            os._exit(4)
        self._sessions += 1
        return f"{session.configuration}#{self._sessions}"

    def close_session(self, state: Any) -> None:
        if state.startswith("deadly-end"):
            os._exit(5)

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        for frame in frames:
            match level_of(frame):
                case 200:
                    os.kill(os.getpid(), signal.SIGKILL)
                case 201:
                    os._exit(3)
                case 202:
                    ctypes.string_at(0)
                case 203:
                    self._tell()
                    threading.Event().wait()
                case 204:
                    os.kill(os.getpid(), signal.SIGSTOP)
                case 205:
                    raise ValueError("no such level")
                case 206:
                    self._tell()
                    re.match("(a*)*b", "a" * 64)  # never gives the GIL back
        return [[Text(f"{level_of(frame)} {frame.state}")] for frame in frames]

    def _tell(self) -> None:
        if self.options.told:
            Path(self.options.told).write_text(str(os.getpid()))


class Configured(Moody):
    """Makes no states; answers with the configuration of the session and its state."""

    open_session = Processor.open_session
    close_session = Processor.close_session

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        super().process(frames)
        return [[Text(f"{frame.session.configuration} {frame.state}")] for frame in frames]


class SlowToClose(Processor):
    """Does not come back from its close, or says that it was closed."""

    Options = MoodyOptions

    def close(self) -> None:
        if not self.options.path:
            threading.Event().wait()
        Path(self.options.path).write_text("closed")

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [() for _ in frames]


class Dying(AllKinds):
    """Ends its process while it opens."""

    def open(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)


class SlowToOpen(AllKinds):
    """Never comes back from its open."""

    def open(self) -> None:
        threading.Event().wait()


class SlowToReopen(AllKinds):
    """Opens once; never comes back from its open when its path is there already."""

    Options = MoodyOptions

    def open(self) -> None:
        if Path(self.options.path).exists():
            threading.Event().wait()
        Path(self.options.path).touch()

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        os._exit(3)


class Gated(Moody):
    """Opens at once when there is nothing at its path; later as the word says that it reads from its FIFO."""

    def open(self) -> None:
        self._sessions = 0
        if not Path(self.options.path).exists():
            Path(self.options.path).touch()
            return
        word = Path(self.options.told).read_text()
        if word == "fail":
            raise LookupError("no model")
        if word == "leave" and os.fork() == 0:
            threading.Event().wait()
        if word in ("end", "leave"):
            os._exit(6)


class Frugal(Processor):
    """Takes only a few more open files."""

    def open(self) -> None:
        files = len(list(Path("/proc/self/fd").iterdir()))
        resource.setrlimit(resource.RLIMIT_NOFILE, (files + 4, files + 4))

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [[Text(str(level_of(frame)))] for frame in frames]


class Leaving(Processor):
    """Leaves a process of its own behind, which holds on to all that is open here and tells its id."""

    Options = MoodyOptions

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        if left := os.fork():
            Path(self.options.told).write_text(str(left))
            os._exit(3)
        threading.Event().wait()
        os._exit(0)


class Housing(Moody):
    """Tells the id of a process that it starts: a fork, or another program."""

    def open(self) -> None:
        self._sessions = 0
        if self.options.path == "program":
            self._started = subprocess.Popen(["sleep", "600"])
            pid = self._started.pid
        else:
            pid = os.fork()
            if not pid:
                threading.Event().wait()
        Path(self.options.told).write_text(str(pid))


class Helped(Processor):
    """Has a process of multiprocessing, and ends it as one does."""

    Options = MoodyOptions

    def open(self) -> None:
        self._helper = multiprocessing.get_context("fork").Process(target=threading.Event().wait, daemon=True)
        self._helper.start()

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [() for _ in frames]

    def close(self) -> None:
        self._helper.terminate()
        self._helper.join()
        Path(self.options.told).write_text("closed")


class Keeping(Processor):
    """Keeps the pixels of every frame."""

    layout = Layout.UNTOUCHED

    def open(self) -> None:
        self._kept: list[Any] = []

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        self._kept += [frame.pixels for frame in frames]
        # All that it ever kept can still be read.
        return [[Text(str(sum(int(pixels[0]) for pixels in self._kept)))] for _ in frames]


class Reading(Processor):
    """Says that it has a frame, waits for a word, and reads it from end to end."""

    Options = MoodyOptions
    layout = Layout.UNTOUCHED

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        Path(self.options.told).write_text("reading")
        Path(self.options.path).read_text()
        return [[Text(str(int(frame.pixels.max())))] for frame in frames]


class Surroundings(Processor):
    """Answers with what surrounds it."""

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        mask = Path("/proc/self/status").read_text()
        blocked = next(line.split()[1] for line in mask.splitlines() if line.startswith("SigBlk"))
        words = [
            str(os.environ.get("OMP_NUM_THREADS")),
            str(os.environ.get("OPENBLAS_NUM_THREADS")),
            str(cv2.getNumThreads()),
            str(Path.cwd()),
            str(sys.path[-1]),
            str("grpc" in sys.modules),
            blocked,
        ]
        return [[Text(word) for word in words] for _ in frames]


class Chatty(Processor):
    """Logs on two levels."""

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        logging.getLogger("chatty").info("an info")
        logging.getLogger("chatty").warning("a warning")
        return [() for _ in frames]


class Mapped(Processor):
    """Answers frames of that level with the open files and the mapped memories of its process."""

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        if level_of(frames[0]) != COUNTED:
            return [() for _ in frames]
        maps = Path("/proc/self/maps").read_text().splitlines()
        files = len(list(Path("/proc/self/fd").iterdir()))
        count = sum("street" in line or "framewire-arena" in line for line in maps)
        return [[Text(f"{files} {count}")] for _ in frames]


def made() -> type[Processor]:
    class Made(Processor):
        """A class without a place of its own."""

        def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
            return [() for _ in frames]

    return Made


NamedMade = made()
