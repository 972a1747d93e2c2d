"""Boxes, and how they move when a picture is scaled (topologies, section 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from framewire.errors import ConfigurationError, InferenceError

ScaleMode = Literal["pad", "preserveAspectRatio", "stretch"]

_ROUNDING = 1e-6
"""float32 arithmetic ends a little beside 0 and 1; so much of it is taken as meant."""


def checked_fraction(value: object, name: str) -> float:
    """Returns `value` as a float when it lies in 0..1, with float32 rounding at the ends taken off.

    Raises:
        InferenceError: `value` is not a number from 0 to 1.
    """
    # Nearly every number is one of these, and there are four to a box.
    if type(value) is float and 0.0 <= value <= 1.0:
        return value
    if not isinstance(value, float | int | np.floating | np.integer):
        raise InferenceError(f"{name} is {value!r}", allowed="a number from 0 to 1")
    if not -_ROUNDING <= value <= 1.0 + _ROUNDING:
        raise InferenceError(f"{name} {value} is outside the range", allowed="0 to 1")
    return min(max(float(value), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A box in fractions of the picture, origin at the top left (contract, section 2).

    Args:
        l: Left edge, 0..1.
        t: Top edge, 0..1.
        w: Width, 0..1.
        h: Height, 0..1.

    Raises:
        InferenceError: A member is not a number from 0 to 1.
    """

    l: float  # noqa: E741 - the contract's name
    t: float
    w: float
    h: float

    def __post_init__(self) -> None:
        for name in ("l", "t", "w", "h"):
            value = getattr(self, name)
            if not (type(value) is float and 0.0 <= value <= 1.0):
                object.__setattr__(self, name, checked_fraction(value, f"rectangle member {name}"))

    @classmethod
    def from_pixels(cls, x: float, y: float, width: float, height: float, *, of: tuple[int, int]) -> Rectangle:
        """Makes a box from pixels.

        Args:
            x: Left edge in pixels.
            y: Top edge in pixels.
            width: Width in pixels.
            height: Height in pixels.
            of: (width, height) of the picture in pixels.

        Returns:
            The part of the box that lies inside the picture.

        Raises:
            InferenceError: The box has a negative size or one that is no number, or the picture has no size.
        """
        if not (of[0] > 0 and of[1] > 0):
            raise InferenceError(f"a box cannot lie in a picture of {of[0]}x{of[1]} pixels", allowed="1x1 or more")
        left, top, right, bottom = x, y, x + width, y + height
        lies_inside = 0 <= left <= right <= of[0] and 0 <= top <= bottom <= of[1]
        if not lies_inside:
            left, top = min(max(left, 0), of[0]), min(max(top, 0), of[1])
            right, bottom = min(max(right, 0), of[0]), min(max(bottom, 0), of[1])
        return cls(left / of[0], top / of[1], (right - left) / of[0], (bottom - top) / of[1])


@dataclass(frozen=True, slots=True)
class Scaling:
    """Where a source picture lies in the picture that is sent.

    Attributes:
        output_width: Width of the sent picture in pixels.
        output_height: Height of the sent picture in pixels.
        left: Columns of padding left of the scaled picture.
        top: Rows of padding above the scaled picture.
        width: Width of the scaled picture inside the sent one.
        height: Height of the scaled picture inside the sent one.
    """

    output_width: int
    output_height: int
    left: int
    top: int
    width: int
    height: int

    @classmethod
    def plan(
        cls, source: tuple[int, int], target: tuple[int | None, int | None] = (None, None), mode: ScaleMode = "pad"
    ) -> Scaling:
        """Plans a scaling.

        Args:
            source: (width, height) of the source in pixels.
            target: (width, height) that is asked for; None lets a dimension follow the source's aspect.
            mode: `pad` fits inside and fills up with black, `preserveAspectRatio` fits inside and may be smaller,
                `stretch` takes the target as it is.

        Raises:
            ConfigurationError: A target dimension is smaller than one pixel.
        """
        width, height = source
        for value in target:
            if value is not None and value < 1:
                raise ConfigurationError(f"size {value} is not a picture size", allowed="1 pixel or more")
        target_width, target_height = target
        if target_width is None and target_height is None:
            return cls(width, height, 0, 0, width, height)
        if target_width is None or target_height is None:
            # One dimension is given: the other follows the aspect in every mode, and nothing needs padding.
            factor = target_width / width if target_width is not None else (target_height or 0) / height
            out = (target_width or _at_least_1(width * factor), target_height or _at_least_1(height * factor))
            return cls(*out, 0, 0, *out)
        if mode == "stretch":
            return cls(target_width, target_height, 0, 0, target_width, target_height)
        factor = min(target_width / width, target_height / height)
        fit = (min(_at_least_1(width * factor), target_width), min(_at_least_1(height * factor), target_height))
        if mode == "preserveAspectRatio":
            return cls(*fit, 0, 0, *fit)
        return cls(target_width, target_height, (target_width - fit[0]) // 2, (target_height - fit[1]) // 2, *fit)

    @property
    def has_padding(self) -> bool:
        """Whether the sent picture has black bars."""
        return (self.width, self.height) != (self.output_width, self.output_height)

    def scale(self, box: Rectangle) -> Rectangle:
        """Turns a box of the source into one of the sent picture."""
        if not self.has_padding:
            return box
        left, right = _pad(box.l, box.w, self.left, self.width, self.output_width)
        top, bottom = _pad(box.t, box.h, self.top, self.height, self.output_height)
        return Rectangle(left, top, max(right - left, 0.0), max(bottom - top, 0.0))

    def unscale(self, box: Rectangle) -> Rectangle:
        """Turns a box of the sent picture into one of the source, clamped to 0..1 (topologies, section 3)."""
        if not self.has_padding:
            return box
        left, right = _unpad(box.l, box.w, self.left, self.width, self.output_width)
        top, bottom = _unpad(box.t, box.h, self.top, self.height, self.output_height)
        return Rectangle(left, top, right - left, bottom - top)


def _pad(start: float, length: float, before: int, inside: int, whole: int) -> tuple[float, float]:
    return (before + start * inside) / whole, min((before + (start + length) * inside) / whole, 1.0)


def _at_least_1(value: float) -> int:
    return max(1, math.floor(value + 0.5))


def _unpad(start: float, length: float, before: int, inside: int, whole: int) -> tuple[float, float]:
    first = (start * whole - before) / inside
    last = ((start + length) * whole - before) / inside
    return min(max(first, 0.0), 1.0), min(max(last, 0.0), 1.0)
