"""Plays a source to an extension server: scaling, encoding, pacing, counting."""

from framewire.playback.player import Answer, PlayOptions, play, unless_stopped
from framewire.playback.reader import open_source_aside
from framewire.playback.report import Report

__all__ = ["Answer", "PlayOptions", "Report", "open_source_aside", "play", "unless_stopped"]
