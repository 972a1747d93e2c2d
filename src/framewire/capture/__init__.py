"""Cameras and files that stay open: what comes in survives everything that a camera may do."""

from framewire.capture.capture import Capture, open_capture
from framewire.capture.clock import Clock, SystemClock
from framewire.capture.events import CaptureEvent
from framewire.capture.frame import CapturedFrame
from framewire.capture.kinds import plain_address
from framewire.capture.options import CaptureOptions, Transport
from framewire.capture.policy import CaptureState
from framewire.capture.statistics import CaptureStatistics

__all__ = [
    "Capture",
    "CaptureEvent",
    "CaptureOptions",
    "CaptureState",
    "CaptureStatistics",
    "CapturedFrame",
    "Clock",
    "SystemClock",
    "Transport",
    "open_capture",
    "plain_address",
]
