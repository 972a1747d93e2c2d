"""The layouts in which a processor can ask for its frames."""

from __future__ import annotations

from enum import StrEnum


class Layout(StrEnum):
    """Layout of the pixels that a processor receives.

    RGB, BGR: ``(height, width, 3) uint8``. GREY: ``(height, width) uint8``, full range 0..255.
    UNTOUCHED: ``(length,) uint8``, the bytes as they came, still encoded, with their stride.
    """

    RGB = "rgb"
    BGR = "bgr"
    GREY = "grey"
    UNTOUCHED = "untouched"
