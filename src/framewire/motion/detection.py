"""What the detector answers, and what its sensitivities mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from framewire.errors import ConfigurationError
from framewire.model.geometry import Rectangle

Sensitivity = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class Detection:
    """What moves in one frame.

    Attributes:
        boxes: What moves, in fractions of the frame, the largest moving area first; never empty.
        area: The part of the frame that moves, 0..1. Boxes are larger: a thing does not fill its box.
    """

    boxes: tuple[Rectangle, ...]
    area: float


@dataclass(frozen=True, slots=True)
class Profile:
    """What a sensitivity sees.

    Attributes:
        smallest: Smallest moving area, as a part of the frame.
        contrast: Smallest difference to the background, in grey levels (0..255) of a cell's mean.
    """

    smallest: float
    contrast: int


PROFILES: dict[Sensitivity, Profile] = {
    "low": Profile(smallest=0.005, contrast=24),
    "medium": Profile(smallest=0.001, contrast=15),
    "high": Profile(smallest=0.0003, contrast=9),
}


def profile_of(sensitivity: str) -> Profile:
    """Finds what a sensitivity means.

    Raises:
        ConfigurationError: There is no such sensitivity.
    """
    for name, profile in PROFILES.items():
        if name == sensitivity:
            return profile
    raise ConfigurationError(f"sensitivity {sensitivity!r} is unknown", allowed=", ".join(PROFILES))
