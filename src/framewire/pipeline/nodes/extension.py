"""What extension nodes have in common: sampling, images, order, and what is dropped when the extension is slow."""

from __future__ import annotations

import json
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from framewire.errors import ConfigurationError, FrameError
from framewire.hub.backoff import BackoffOptions
from framewire.model.inference import Inference, unscale_inferences
from framewire.model.publish import to_document
from framewire.pipeline.image import ImageMaker, SentImage, form_of
from framewire.pipeline.node import Node, Surroundings
from framewire.pipeline.sample import WINDOW, MediaSample
from framewire.pipeline.sampling import Sampler
from framewire.topology.parts import Image, SamplingOptions

BUSY = "extension-busy"
"""Cause: so many frames waited for their answers that no more were sent."""

AWAY = "extension-away"
"""Cause: there was no connection, or it broke before the answer came."""

UNANSWERED = "unanswered"
"""Cause: the pipeline ended before the answer came."""

HELD = "too-many-held"
"""Cause: so many frames waited behind an answer that no more were held."""

BROKEN = "node-broke"
"""Cause: a fault of framewire."""

UNREADABLE = "cannot-be-encoded"
"""Cause: no image could be made of the frame."""

AGAIN = BackoffOptions(longest_s=10.0)
"""Pauses before an extension that went away is tried again."""

MOST_HELD = 64
"""Frames that wait behind an answer so that the next node gets them in order. Each may be a decoded picture."""


@dataclass(slots=True, eq=False)
class Entry:
    """One frame in the line.

    Args:
        sample: The frame and what was known of it.
        image: What is sent; None when the extension does not get it.
        sent: Inferences that are sent along, their boxes in the image.
        found: What was answered beyond that, boxes in the picture.
        has_inferred: Whether anything was answered, also what was known.
        is_settled: Whether it can leave.
    """

    sample: MediaSample
    image: SentImage | None = None
    sent: Sequence[Inference] = ()
    found: Sequence[Inference] = ()
    has_inferred: bool = False
    is_settled: bool = False


class ExtensionNode(Node):
    """Sends frames to somebody else's model and adds what it answers.

    Every frame leaves in the order of its arrival, sent or not; behind an answer that is awaited they wait, up to a
    bound. At most `in_flight` frames are with the extension; those that come meanwhile are not sent.

    Args:
        name: Its name in the topology.
        surroundings: What the pipeline gives it.
        image: What the images look like.
        sampling: Which frames are sent.
        in_flight: Most frames that wait for their answer.
    """

    def __init__(
        self, name: str, surroundings: Surroundings, image: Image, sampling: SamplingOptions, in_flight: int
    ) -> None:
        super().__init__(name, surroundings)
        self._sampling = sampling
        self._sampler = Sampler(sampling.maximum_samples_per_second)
        self._images = ImageMaker(form_of(image))
        # A source that waits has no more than its window under way: there is a place for each of them.
        # A semaphore for which nobody waits: one thread takes, another puts back, at a tenth of the cost of a real one.
        self._places = deque([None] * (max(in_flight, WINDOW) if surroundings.is_lossless else in_flight))
        self._line: deque[Entry] = deque()
        self._loop_thread = 0
        self._is_told_of_image = False
        self._is_told_of_answer = False
        self.sent = 0
        """Frames that were answered, however."""

    async def open(self) -> None:
        self._loop_thread = threading.get_ident()

    def receive(self, sample: MediaSample) -> None:
        entry = Entry(sample)
        if self._wants(sample):
            entry.image = self._image(sample)
        if entry.image is None:
            if not self.passes_frames:
                return
            if len(self._line) >= MOST_HELD:
                self.drop(HELD)
                return
            entry.is_settled = True
        sample.hold()
        self._line.append(entry)
        if entry.image is not None and self.has_left_at_once(entry):
            return
        if threading.get_ident() == self._loop_thread:
            self._go_on(entry)
        else:
            self._surroundings.loop.call_soon_threadsafe(self._go_on, entry)

    def _wants(self, sample: MediaSample) -> bool:
        if self._sampling.skip_samples_without_annotation and not sample.inferences:
            return False
        return self._sampler.takes(sample.timestamp)

    def _image(self, sample: MediaSample) -> SentImage | None:
        try:
            self._places.pop()
        except IndexError:
            self.drop(BUSY)
            return None
        profile = self._surroundings.profile
        try:
            with nullcontext() if profile is None else profile.of(f"{self.name}: images"):
                return self._images.make(sample.picture)
        except (ConfigurationError, FrameError) as error:
            self._places.append(None)
            self.drop(UNREADABLE)
            if not self._is_told_of_image:
                self._is_told_of_image = True
                self.complain(error)
            return None

    def _go_on(self, entry: Entry) -> None:
        """On the loop: a frame is in its place."""
        if entry.image is None:
            self._let_go()
        else:
            self.submit(entry)

    def has_left_at_once(self, entry: Entry) -> bool:
        """On the thread that brought it: sends a frame without the loop, if that can be; else :meth:`submit` does."""
        return False

    @abstractmethod
    def submit(self, entry: Entry) -> None:
        """On the loop: sends a frame. :meth:`settle` or :meth:`fail` follows, sooner or later."""

    def settle(self, entry: Entry, inferences: Sequence[Inference], problems: Sequence[str]) -> None:
        """On the loop: the answer to a frame has come. The problems are those of inferences that are left out."""
        self.sent += 1
        if problems:
            self.complain_of_answer(problems[0])
        if entry.image is not None and inferences:
            # What was sent along and comes back is known already. In its published form, as the wire rounds numbers.
            sent = {_published(one) for one in entry.sent}
            fresh = [one for one in inferences if _published(one) not in sent] if sent else inferences
            entry.found = unscale_inferences(fresh, entry.image.scaling)
        entry.has_inferred = bool(inferences)
        self._end(entry)

    def complain_of_answer(self, problem: str) -> None:
        """On the loop: tells the operator of an odd answer; of the first alone, as they tend to come in numbers."""
        if not self._is_told_of_answer:
            self._is_told_of_answer = True
            self.complain(f"in an answer: {problem}")

    def fail(self, entry: Entry, cause: str) -> None:
        """On the loop: no answer will come."""
        if cause == UNANSWERED:  # the end of a pipeline is no news
            self.counts.dropped[cause] += 1
        else:
            self.drop(cause)
        self._end(entry)

    def _end(self, entry: Entry) -> None:
        entry.is_settled = True
        self._places.append(None)
        self._let_go()

    def _let_go(self) -> None:
        while self._line and self._line[0].is_settled:
            entry = self._line.popleft()
            sample = entry.sample.with_found(entry.found)
            if entry.has_inferred:
                self.counts.inferred += 1
                self.publish(sample.timestamp, sample.inferences)
            self.emit(sample)
            sample.release()


def _published(inference: Inference) -> str:
    return json.dumps(to_document(0, [inference]), sort_keys=True)
