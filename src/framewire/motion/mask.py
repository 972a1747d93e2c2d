"""Polygons under which motion does not count."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from framewire.errors import ConfigurationError

Polygon = tuple[tuple[float, float], ...]
"""Corners (x, y) in fractions of the picture, origin at the top left."""

_ALLOWED = "three or more corners [x, y], each a number from 0 to 1"


def checked_mask(polygons: Sequence[object]) -> tuple[Polygon, ...]:
    """Checks polygons that came from outside.

    Args:
        polygons: Each a sequence of corners (x, y).

    Raises:
        ConfigurationError: A polygon has too few corners or no area, or a corner lies outside the picture.
    """
    return tuple(_checked_polygon(polygon, number) for number, polygon in enumerate(polygons, start=1))


def paint(mask: Sequence[Polygon], width: int, height: int) -> npt.NDArray[np.uint8]:
    """Paints polygons into a picture: (height, width) uint8, 255 inside and on their edges, else 0."""
    picture = np.zeros((height, width), np.uint8)
    for polygon in mask:
        corners = np.rint(np.asarray(polygon) * (width, height) - 0.5).astype(np.int32)
        cv2.fillPoly(picture, [corners], 255)
    return picture


def _checked_polygon(polygon: object, number: int) -> Polygon:
    if isinstance(polygon, str) or not isinstance(polygon, Sequence):
        raise ConfigurationError(f"mask polygon {number} is {_short(polygon)}", allowed=_ALLOWED)
    corners = tuple(_checked_corner(corner, number) for corner in polygon)
    if len(corners) < 3:
        raise ConfigurationError(f"mask polygon {number} has {len(corners)} corners", allowed=_ALLOWED)
    if len(set(corners)) < 3:
        raise ConfigurationError(f"mask polygon {number} has no area: its corners coincide", allowed=_ALLOWED)
    return corners


def _checked_corner(corner: object, number: int) -> tuple[float, float]:
    if isinstance(corner, str) or not isinstance(corner, Sequence) or len(corner) != 2:
        raise ConfigurationError(f"mask polygon {number} has the corner {_short(corner)}", allowed=_ALLOWED)
    for value in corner:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or not 0 <= value <= 1:
            raise ConfigurationError(f"mask polygon {number} has the coordinate {_short(value)}", allowed=_ALLOWED)
    x, y = corner
    return float(x), float(y)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
