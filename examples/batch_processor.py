"""A processor that works on whole batches, as a neural network does: all its frames go through in one call."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from framewire import Attribute, Classification, Frame, Inference, Processor, Tag


# region: processor
class MainColour(Processor):
    """Says which of red, green and blue a picture has most of."""

    def open(self) -> None:
        # A model would be loaded here: once, before the first camera is let in.
        self._names = ("red", "green", "blue")

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        # Cameras of one batch may have pictures of different sizes; a model wants one size.
        pictures = [cv2.resize(frame.pixels, (64, 64), interpolation=cv2.INTER_AREA) for frame in frames]
        batch = np.stack(pictures).astype(np.float32)
        return [[self._classify(shares, len(frames))] for shares in self._predict(batch)]

    def _predict(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        sums = batch.sum(axis=(1, 2), dtype=np.float64)
        shares: npt.NDArray[np.float64] = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1)
        return shares

    def _classify(self, shares: npt.NDArray[np.float64], batch_size: int) -> Inference:
        best = int(shares.argmax())
        tag = Tag(self._names[best], confidence=shares[best])
        return Classification(tag, [Attribute("batchSize", str(batch_size))], subtype="mainColour")


# endregion: processor
