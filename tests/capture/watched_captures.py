"""Captures whose events are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import groupby

from framewire.capture import Capture, CaptureEvent, CaptureOptions, CaptureState, SystemClock, open_capture


class Watched:
    """A capture, and what it told."""

    def __init__(self, options: CaptureOptions) -> None:
        self.events: list[CaptureEvent] = []
        # Where the capture stood when it told each of them.
        self.states: list[CaptureState] = []
        self.told = threading.Condition()
        self.capture: Capture = open_capture(options, self._tell, clock=SystemClock())

    @property
    def kinds(self) -> list[str]:
        return [event.kind.removeprefix("Diagnostics.") for event in self.events]

    @property
    def codes(self) -> list[str | None]:
        """What the faults among the events are called; None for a session."""
        return [event.body.get("code") for event in self.events]

    @property
    def story(self) -> list[str]:
        """The same without repetitions: how often an impatient capture tries is for the machine's load to say."""
        return [kind for kind, _ in groupby(self.kinds)]

    def _tell(self, event: CaptureEvent) -> None:
        with self.told:
            self.events.append(event)
            self.states.append(self.capture.state)
            self.told.notify_all()

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> bool:
        """Waits until something holds; it is looked at when an event was told."""
        with self.told:
            return self.told.wait_for(condition, timeout_s)


Watch = Callable[..., Watched]
