"""Where frames come from: files, folders, images, cameras, a synthetic scene."""

from framewire.sources.catalog import open_source
from framewire.sources.clip import write_clip
from framewire.sources.scaling import scale_image
from framewire.sources.scene import Scene
from framewire.sources.source import Source, SourceFrame, Truth

__all__ = ["Scene", "Source", "SourceFrame", "Truth", "open_source", "scale_image", "write_clip"]
