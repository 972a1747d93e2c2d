"""The small picture on which motion is judged: each cell is the mean of a square of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from framewire.motion.mask import Polygon, paint

Cells = npt.NDArray[np.uint8]
"""(rows, columns) uint8, contiguous: a small picture, or a mask of 0 and 255."""

_FEWEST_CELLS = 14_000
"""160 x 90 for 720p. Fewer would lose people in the distance; more cost time and average less noise away."""


class Grid:
    """Shrinks pictures of one size.

    Args:
        width: Width of the pictures in pixels, 1 or more.
        height: Height of the pictures in pixels, 1 or more.
        mask: Polygons, in fractions of the picture, whose cells do not count.

    Attributes:
        rows: Cells from top to bottom.
        columns: Cells from left to right.
        counted: 255 where a cell counts, 0 under the mask; None when all count.
        counted_cells: How many count.
    """

    def __init__(self, width: int, height: int, mask: Sequence[Polygon] = ()) -> None:
        self._halvings = 0
        self.columns, self.rows = width, height
        while min(self.columns, self.rows) >= 2 and (self.columns // 2) * (self.rows // 2) >= _FEWEST_CELLS:
            self.columns, self.rows = self.columns // 2, self.rows // 2
            self._halvings += 1
        self._smaller = self._intermediate_pictures()
        self.counted: Cells | None = None
        self.counted_cells = self.rows * self.columns
        if mask:
            side = 1 << self._halvings
            covered = paint(mask, width, height)[: self.rows * side, : self.columns * side]
            covered = covered.reshape(self.rows, side, self.columns, side).max(axis=(1, 3))
            self.counted = np.where(covered == 0, np.uint8(255), np.uint8(0))
            self.counted_cells = int(np.count_nonzero(self.counted))

    @property
    def cells(self) -> int:
        """How many cells there are, under the mask or not."""
        return self.rows * self.columns

    def shrink(self, luma: npt.NDArray[np.uint8]) -> Cells:
        """Shrinks one picture.

        Args:
            luma: (height, width) uint8, rows may be strided; read only during the call.

        Returns:
            (rows, columns) uint8, a new array, 0 under the mask. Pixels at the right and lower edge that fill no cell
            are left out.
        """
        if not self._halvings:
            cells = np.array(luma, order="C")
        else:
            cells = np.empty((self.rows, self.columns), np.uint8)
            self._halve(luma, cells)
        if self.counted is not None:
            cv2.bitwise_and(cells, self.counted, dst=cells)
        return cells

    def _intermediate_pictures(self) -> list[npt.NDArray[np.uint8]]:
        """The pictures between the camera's and the grid, kept: large new arrays cost as much as what fills them."""
        sizes = [(self.rows << k, self.columns << k) for k in range(self._halvings - 1, 0, -1)]
        if self._skips_rows:
            sizes = [(rows // 2, columns) for rows, columns in sizes]
        return [np.empty(size, np.uint8) for size in sizes]

    @property
    def _skips_rows(self) -> bool:
        # Every other row of a large picture is enough, 32 pixels to a cell: reading all costs half as much again.
        return self._halvings >= 3

    def _halve(self, luma: npt.NDArray[np.uint8], cells: Cells) -> None:
        # A halving averages 2 x 2 pixels, for which OpenCV has a fast way; any other factor takes many times as long.
        step = 2 if self._skips_rows else 1
        picture = luma[: self.rows << self._halvings : step, : self.columns << self._halvings]
        for smaller in self._smaller:
            cv2.resize(picture, smaller.shape[::-1], dst=smaller, interpolation=cv2.INTER_AREA)
            picture = smaller
        # Where rows were skipped, only the columns are still to be halved; in the middle between two, linear is a mean.
        how = cv2.INTER_LINEAR if self._skips_rows else cv2.INTER_AREA
        cv2.resize(picture, (self.columns, self.rows), dst=cells, interpolation=how)
