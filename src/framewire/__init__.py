"""Video frames in, inferences out: the Azure Video Analyzer gRPC extension contract.

What a processor needs is here; the server is in :mod:`framewire.server`, the client in :mod:`framewire.client`.
"""

from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.frame import Frame, SessionInfo
from framewire.model.geometry import Rectangle
from framewire.model.inference import Attribute, Classification, Entity, Event, Inference, Motion, Other, Tag, Text
from framewire.model.layout import Layout
from framewire.processors.api import Processor, option

__version__ = "0.1.0"

__all__ = [
    "Attribute",
    "Classification",
    "Encoding",
    "Entity",
    "Event",
    "Frame",
    "Inference",
    "Layout",
    "Motion",
    "Other",
    "PixelFormat",
    "Processor",
    "Rectangle",
    "SessionInfo",
    "Tag",
    "Text",
    "VideoFormat",
    "option",
]
