"""The synthetic scene as a source: `test:`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from framewire.errors import ConfigurationError
from framewire.sources.scene import Scene
from framewire.sources.source import Source, SourceFrame


class SyntheticSource(Source):
    """Frames of a scene with their truth, as fast as they are taken.

    Args:
        scene: What to show.
        loop: Whether to start over at the end.
    """

    def __init__(self, scene: Scene, *, loop: bool = False) -> None:
        self.size = scene.size
        self.frames_per_second = scene.frames_per_second
        self._scene = scene
        self._closed = False
        self._frames = self._read(loop=loop)

    @classmethod
    def parse(cls, spec: str, loop: bool = False) -> SyntheticSource:
        """Makes a source of `test:` and its options, each `name=value`, separated by commas.

        Raises:
            ConfigurationError: An option is unknown or its value cannot be.
        """
        values: dict[str, int | float] = {}
        for item in filter(None, spec.removeprefix("test:").split(",")):
            name, _, text = item.partition("=")
            try:
                values |= _OPTIONS[name](text)
            except KeyError:
                raise ConfigurationError(f"test: has no option {name!r}", allowed=", ".join(_OPTIONS)) from None
            except ValueError:
                raise ConfigurationError(
                    f"{name}={text} is no value for test:", allowed="test:size=640x360,frames=180,fps=15"
                ) from None
        return cls(Scene(**values), loop=loop)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[SourceFrame]:
        return self._frames

    def close(self) -> None:
        """Ends the reading."""
        self._closed = True

    def _read(self, *, loop: bool) -> Iterator[SourceFrame]:
        index = 0
        while not self._closed and (loop or index < self._scene.frames):
            image, truth = self._scene.render(index)
            yield SourceFrame(image, index / self._scene.frames_per_second, index, truth)
            index += 1


def _size(text: str) -> dict[str, int | float]:
    width, height = text.lower().split("x")
    return {"width": int(width), "height": int(height)}


_OPTIONS: dict[str, Callable[[str], dict[str, int | float]]] = {
    "size": _size,
    "frames": lambda text: {"frames": int(text)},
    "fps": lambda text: {"frames_per_second": float(text)},
}
