"""Which processors there are, and how one is found by its name."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from framewire.errors import ConfigurationError
from framewire.processors.api import Processor
from framewire.processors.legacy import adapted, is_legacy, use_our_stubs
from framewire.processors.options import make_options, near_miss, shown

ENTRY_POINT_GROUP = "framewire.processors"


@dataclasses.dataclass(frozen=True)
class ProcessorKind:
    """A processor class under the name by which it is asked for.

    Args:
        name: The name in commands and configurations.
        factory: The class.
        takes_any_configuration: Whether the extension configuration is opaque to it (``process_images`` classes).
    """

    name: str
    factory: type[Processor]
    takes_any_configuration: bool = False

    def options(self, values: Mapping[str, object]) -> Any:
        """Makes the options of one instance; raises ConfigurationError for unknown ones and wrong values."""
        return make_options(self.factory.Options, values, self.name)


class Catalogue:
    """The processors that a server may use by name: the installed ones and the one that ``--processor`` gave."""

    def __init__(self) -> None:
        self._given: dict[str, ProcessorKind] = {}
        self._loaded: dict[str, ProcessorKind] = {}

    @cached_property
    def _installed(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}

    def names(self) -> list[str]:
        """All names that :meth:`find` knows, sorted."""
        return sorted({*self._installed, *self._given})

    def origin(self, name: str) -> str:
        """The distribution that brings an installed processor, for listings."""
        point = self._installed[name]
        return point.dist.name if point.dist is not None else "unknown"

    def find(self, name: str) -> ProcessorKind:
        """The processor of that name; never an import path, so that a client can ask for nothing but what is listed.

        Raises:
            ConfigurationError: There is none, or it cannot be imported.
        """
        if name in self._given:
            return self._given[name]
        if name not in self._loaded:
            if name not in self._installed:
                raise ConfigurationError(
                    f"there is no processor {shown(name)}{near_miss(name, self.names())}",
                    allowed=", ".join(self.names()),
                )
            point = self._installed[name]
            self._loaded[name] = _kind(name, _imported(point.load, f"processor {name!r}"), f"processor {name!r}")
        return self._loaded[name]

    def is_to_import(self, name: str) -> bool:
        """Whether :meth:`find` would have to import it first."""
        return name in self._installed and name not in self._given and name not in self._loaded

    def load(self, text: str) -> ProcessorKind:
        """The processor that an operator asked for: ``NAME``, ``file.py:Class`` or ``package.module:Class``.

        It can be found by the same text, and by its class's name, from then on.

        Raises:
            ConfigurationError: There is no such file, module or class, or it is no processor.
        """
        place, separator, class_name = text.rpartition(":")
        if not separator:
            if text.endswith(".py"):
                raise ConfigurationError(f"processor {text!r} names no class", allowed=f"{text}:ClassName")
            return self.find(text)
        use_our_stubs()
        module = _file_module(Path(place)) if place.endswith(".py") else _module(place)
        found = getattr(module, class_name, None)
        if found is None:
            classes = [name for name, value in vars(module).items() if _is_candidate(value, module)]
            raise ConfigurationError(
                f"{place} has no class {class_name!r}", allowed=", ".join(classes) or "none: it defines no processor"
            )
        kind = _kind(text, found, f"{class_name} in {place}")
        self._given[text] = kind
        self._given.setdefault(class_name, dataclasses.replace(kind, name=class_name))
        return kind


def _kind(name: str, found: object, what: str) -> ProcessorKind:
    if isinstance(found, type) and is_legacy(found):
        return ProcessorKind(name, adapted(found), takes_any_configuration=True)
    if not isinstance(found, type) or not callable(getattr(found, "process", None)):
        raise ConfigurationError(
            f"{what} is no processor",
            allowed="a class with process(self, frames) or process_images(self, mediaStreamMessage, rawBytes, size)",
        )
    if not issubclass(found, Processor):
        raise ConfigurationError(
            f"{what} has a process method and is no framewire.Processor",
            remedy=f"write class {found.__name__}(framewire.Processor)",
        )
    if found.process is Processor.process:
        raise ConfigurationError(f"{what} has no process method of its own", allowed="process(self, frames)")
    if not dataclasses.is_dataclass(found.Options):
        raise ConfigurationError(
            f"Options of {what} is no dataclass", remedy="decorate it with @dataclass(frozen=True)"
        )
    return ProcessorKind(name, found)


def _is_candidate(value: object, module: ModuleType) -> bool:
    return (
        isinstance(value, type)
        and value.__module__ == module.__name__
        and (is_legacy(value) or issubclass(value, Processor))
    )


def _file_module(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigurationError(f"there is no file {path}", remedy="give the path of a Python file, then :ClassName")
    # The class's own neighbours must be importable, as they are when the file is run.
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    # By its whole path: files of the same name in two folders are two modules.
    name = f"framewire_user_{path.stem}_{hashlib.sha1(bytes(path.resolve()), usedforsecurity=False).hexdigest()[:8]}"

    def run() -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickle look their module up by name
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module

    module: ModuleType = _imported(run, str(path))
    return module


def _module(name: str) -> ModuleType:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    module: ModuleType = _imported(lambda: importlib.import_module(name), f"module {name!r}")
    return module


def _imported(load: Callable[[], Any], what: str) -> Any:
    try:
        return load()
    except (Exception, SystemExit) as error:
        # Any error at all: the code is the user's, and a script may call sys.exit when it is imported. The traceback
        # is kept as the cause, for --log-level debug.
        raise ConfigurationError(
            f"{what} cannot be imported: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            remedy="run with --log-level debug to see where",
        ) from error
