"""A processor that is all Python: it walks over the picture cell by cell, and holds the interpreter's lock meanwhile.

Made to be run in processes: framewire serve --processor examples/python_heavy.py:BrightRegion --executor processes
"""

from collections.abc import Sequence
from dataclasses import dataclass

from framewire import Entity, Frame, Inference, Layout, Processor, Rectangle, Tag, option


# region: processor
class BrightRegion(Processor):
    """Finds the largest connected bright region of each picture, in plain Python."""

    layout = Layout.GREY

    @dataclass(frozen=True)
    class Options:
        """Options of the processor."""

        step_px: int = option(4, "looks at every so many pixels; 1 is sixteen times the work of 4")

        def __post_init__(self) -> None:
            if self.step_px < 1:
                raise ValueError(f"step_px {self.step_px} is no step; allowed: 1 or more")

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [self._largest(frame) for frame in frames]

    def _largest(self, frame: Frame) -> Sequence[Inference]:
        step = self.options.step_px
        cells = frame.pixels[::step, ::step]
        bright = {(y, x) for y, row in enumerate(cells.tolist()) for x, value in enumerate(row) if value > 150}
        largest: list[tuple[int, int]] = []
        while bright:
            region = [bright.pop()]
            for y, x in region:  # it grows while it is walked
                for neighbour in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                    if neighbour in bright:
                        bright.remove(neighbour)
                        region.append(neighbour)
            largest = max(largest, region, key=len)
        if not largest:
            return []
        top, left = min(y for y, _ in largest), min(x for _, x in largest)
        height, width = max(y for y, _ in largest) - top + 1, max(x for _, x in largest) - left + 1
        rows, columns = cells.shape
        box = Rectangle.from_pixels(left, top, width, height, of=(columns, rows))
        return [Entity(Tag("bright"), box, subtype="brightRegion")]


# endregion: processor
