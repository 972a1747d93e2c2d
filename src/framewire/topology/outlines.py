"""Lines and polygons in fractions of the picture, as lists or as JSON in a text."""

from __future__ import annotations

import json
from typing import Any

from framewire.topology.scalars import Leaf, WrongValueError, read_decimal

Point = tuple[float, float]
Line = tuple[Point, Point]
Polygon = tuple[Point, ...]

_MAX_POLYGONS = 100
_MAX_POINTS = 1000
_LINE_FORM = "[[x,y],[x,y]], each from 0 to 1, origin top left"
_MASK_FORM = "a list of polygons [[x,y],[x,y],[x,y],..], each from 0 to 1, origin top left"


def line_leaf() -> Leaf:
    """A line from one point to another: `[[0.3,0.2],[0.9,0.8]]`."""
    return Leaf(_read_line, {"type": ["string", "array"]}, is_any=True)


def mask_leaf() -> Leaf:
    """Polygons: `[[[0,0],[1,0],[1,0.2]]]`."""
    return Leaf(_read_mask, {"type": ["string", "array"]}, is_any=True)


def _read_line(value: Any) -> Line:
    points = _list(_parsed(value, _LINE_FORM), "line", _LINE_FORM)
    if len(points) != 2:
        raise WrongValueError(f"a line with {len(points)} of its 2 points", allowed=_LINE_FORM)
    begin, end = (_point(point, _LINE_FORM) for point in points)
    if begin == end:
        raise WrongValueError("a line that ends where it begins", allowed=_LINE_FORM)
    return begin, end


def _read_mask(value: Any) -> tuple[Polygon, ...]:
    polygons = _list(_parsed(value, _MASK_FORM), "list of polygons", _MASK_FORM)
    if len(polygons) > _MAX_POLYGONS:
        raise WrongValueError(f"{len(polygons)} polygons", allowed=f"up to {_MAX_POLYGONS}")
    return tuple(_polygon(polygon) for polygon in polygons)


def _polygon(value: Any) -> Polygon:
    points = _list(value, "polygon", _MASK_FORM)
    if not 3 <= len(points) <= _MAX_POINTS:
        raise WrongValueError(f"a polygon with {len(points)} of 3 points or more", allowed=f"3 to {_MAX_POINTS} points")
    return tuple(_point(point, _MASK_FORM) for point in points)


def _point(value: Any, form: str) -> Point:
    pair = _list(value, "point", form)
    if len(pair) != 2:
        raise WrongValueError(f"a point with {len(pair)} of its 2 numbers", allowed=form)
    return _fraction(pair[0], form), _fraction(pair[1], form)


def _fraction(value: Any, form: str) -> float:
    if isinstance(value, str):
        value = read_decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongValueError("a point has something that is no number", allowed=form)
    # Not a number fails this too.
    if not 0 <= value <= 1:
        raise WrongValueError("a point outside the picture", allowed=form)
    return float(value)


def _list(value: Any, what: str, form: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise WrongValueError(f"no {what}", allowed=form)
    return value


def _parsed(value: Any, form: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise WrongValueError("no JSON in the text", allowed=form) from None
