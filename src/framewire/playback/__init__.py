"""Plays a source to an extension server: scaling, encoding, pacing, counting."""

from framewire.playback.player import Answer, PlayOptions, play
from framewire.playback.report import Report

__all__ = ["Answer", "PlayOptions", "Report", "play"]
