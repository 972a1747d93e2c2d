"""Pictures scaled as a plan says (topologies, section 3)."""

from __future__ import annotations

import cv2
import numpy as np

from framewire.model.geometry import Scaling
from framewire.sources.source import RgbImage


def scale_image(image: RgbImage, scaling: Scaling) -> RgbImage:
    """Scales a picture and puts it on black where the plan has padding.

    Args:
        image: (height, width, 3) uint8, in any order of the channels. It is only read.
        scaling: Where the picture lies in the result.

    Returns:
        (output_height, output_width, 3) uint8, contiguous: `image` itself when there is nothing to do.
    """
    height, width = image.shape[:2]
    scaled = image
    if (width, height) != (scaling.width, scaling.height):
        # Averaging the pixels that fall together avoids moire when shrinking, but is blocky when growing.
        shrinks = scaling.width <= width and scaling.height <= height
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        scaled = np.asarray(cv2.resize(image, (scaling.width, scaling.height), interpolation=method), np.uint8)
    if not scaling.has_padding:
        return np.ascontiguousarray(scaled)
    canvas = np.zeros((scaling.output_height, scaling.output_width, 3), np.uint8)
    canvas[scaling.top : scaling.top + scaling.height, scaling.left : scaling.left + scaling.width] = scaled
    return canvas
