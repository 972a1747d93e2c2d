"""Messages between a server and its worker process as bytes: pickles, with a short form for inferences.

The pickle of a frozen dataclass costs five microseconds and more for each object; this form a third of that.
"""

from __future__ import annotations

import dataclasses
import io
import pickle
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from framewire.model.geometry import Rectangle
from framewire.model.inference import INFERENCE_KINDS, Attribute, Tag

_KINDS: tuple[type, ...] = (*INFERENCE_KINDS, Tag, Attribute, Rectangle)


def pack(message: object) -> bytes:
    """A message as it travels; :func:`pickle.loads` reads it.

    Raises:
        Exception: Whatever the message's parts raise when they cannot be pickled.
    """
    packed = io.BytesIO()
    pickler = pickle.Pickler(packed, 5)
    # Of this pickler alone, and by the exact type: subclasses that a user made travel as pickle has it.
    pickler.dispatch_table = _REDUCTIONS
    pickler.dump(message)
    return packed.getvalue()


def _restored(index: int, *values: object) -> object:
    """The object of the kind at `index` with these values, which were judged when it was made at the other end."""
    kind, setters = _RESTORATIONS[index]
    restored: object = object.__new__(kind)
    for set_value, value in zip(setters, values, strict=True):
        set_value(restored, value)
    return restored


def _reduction(index: int, names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    values = attrgetter(*names)

    def reduce(value: Any) -> tuple[Any, ...]:
        return _restored, (index, *values(value))

    return reduce


_NAMES = [[field.name for field in dataclasses.fields(kind)] for kind in _KINDS]
_REDUCTIONS = {kind: _reduction(index, _NAMES[index]) for index, kind in enumerate(_KINDS)}
# Through the descriptors of their slots, which do not know that the classes are frozen.
_RESTORATIONS: list[tuple[type, list[Callable[[object, object], None]]]] = [
    (kind, [getattr(kind, name).__set__ for name in names]) for kind, names in zip(_KINDS, _NAMES, strict=True)
]
