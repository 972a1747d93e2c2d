"""By which text another process finds the class of a processor."""

from __future__ import annotations

import inspect
import sys
from importlib.metadata import entry_points
from operator import attrgetter

from framewire.errors import ProcessorError
from framewire.processors.catalogue import ENTRY_POINT_GROUP, ProcessorKind

_FILE_MODULES = "framewire_user_"
"""How modules that the catalogue makes of files begin: they cannot be imported by their name."""


def loadable_text(kind: ProcessorKind) -> str:
    """A text for :meth:`Catalogue.load <framewire.processors.catalogue.Catalogue.load>` that leads to the same class.

    By the module in which the class is written, because a name alone may be a short form that only this process knows.

    Raises:
        ProcessorError: The class cannot be imported: it is defined in the program that runs, or inside a function.
    """
    written = _written_class(kind)
    module, name = written.__module__, written.__qualname__
    if "." not in name and module != "__main__" and _found(module, name) is written:
        file = getattr(sys.modules[module], "__file__", None)
        return f"{file if module.startswith(_FILE_MODULES) else module}:{name}"
    if ":" in kind.name:
        return kind.name  # such as a class that a function made, under a name of its module
    for point in entry_points(group=ENTRY_POINT_GROUP, name=kind.name):
        if _found(point.module, point.attr) is written:
            return kind.name
    place = "the program itself" if module == "__main__" else f"{module}, but not at its top level"
    raise ProcessorError(
        f"processor {kind.name} cannot run in a process of its own: class {name} is defined in {place}, "
        "where another process cannot import it",
        remedy="move the class to the top level of a module or file of its own, or run it in threads",
    )


def _written_class(kind: ProcessorKind) -> type:
    """The class that the user wrote: an existing ``process_images`` class sits behind an adapter."""
    if kind.takes_any_configuration:
        found = inspect.getclosurevars(vars(kind.factory)["__init__"]).nonlocals.get("found")
        if isinstance(found, type):
            return found
    return kind.factory


def _found(module: str, name: str) -> object:
    try:
        found: object = attrgetter(name)(sys.modules[module])
    except (KeyError, AttributeError):
        return None
    return found
