"""What stands still in the synthetic scene: sky, hills, houses and road by day, and the lights of the night."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from framewire.sources.source import RgbImage
from framewire.sources.traffic import Color, Point, disc, fill

HORIZON = 0.56
"""Where the land begins, in heights of the picture from the top."""

_HOUSES = (
    # left edge in parts of the width; width, height and roof in heights; wall
    (0.06, 0.17, 0.15, 0.07, (206, 178, 146)),
    (0.20, 0.12, 0.22, 0.05, (176, 160, 152)),
    (0.62, 0.20, 0.16, 0.08, (214, 196, 168)),
    (0.80, 0.13, 0.25, 0.04, (160, 150, 160)),
)
_GROUND = 0.635
_LAMP_POSTS = (0.03, 0.36, 0.56, 0.95)

_FloatImage = npt.NDArray[np.float32]


def paint_day(width: int, height: int) -> RgbImage:
    """Paints the scene by daylight, without what moves: (height, width, 3) uint8, RGB."""
    picture = _blend_rows(
        width,
        height,
        [
            (0.0, (96, 154, 220)),
            (HORIZON, (214, 228, 236)),
            (HORIZON, (138, 164, 96)),
            (0.70, (112, 146, 72)),
            (1.0, (88, 122, 58)),
        ],
    )
    random = np.random.default_rng(5)
    _paint_clouds(picture, random)
    image = np.clip(picture, 0, 255).astype(np.uint8)
    _paint_hills(image)
    _paint_houses(image)
    _paint_road(image)
    # Grain as of a camera's sensor: a picture without any compresses unlike every real one.
    grain = random.normal(0.0, 2.5, (height, width, 1)).astype(np.float32)
    noisy: RgbImage = np.clip(image + grain, 0, 255).astype(np.uint8)
    return noisy


def paint_sun(image: RgbImage) -> None:
    """Paints the sun where it belongs."""
    height, width = image.shape[:2]
    disc(image, (0.84 * width, 0.15 * height), 0.060 * height, (255, 240, 178))
    disc(image, (0.84 * width, 0.15 * height), 0.048 * height, (255, 249, 216))


def paint_night_lights(width: int, height: int) -> RgbImage:
    """Paints what shines at night on black, to be added to the darkened scene."""
    image: RgbImage = np.zeros((height, width, 3), np.uint8)
    random = np.random.default_rng(11)
    for x, y, strength in random.random((60, 3)):
        star = int(90 + 130 * strength)
        disc(image, (x * width, y * 0.36 * height), (0.0016 + 0.0016 * strength) * height, (star, star, star))
    disc(image, (0.22 * width, 0.14 * height), 0.045 * height, (226, 228, 214))
    disc(image, (0.233 * width, 0.13 * height), 0.038 * height, (0, 0, 0))
    for left, wide, high, _roof, _wall in _HOUSES:
        for number, (x, y) in enumerate(_windows(left * width / height, wide, high)):
            if number % 3 != 1:
                _square(image, (x, y, 0.022, 0.030), (250, 204, 110))
    for post in _LAMP_POSTS:
        x, y = post * width, (_GROUND - 0.16) * height
        add_glow(image, (x, y), 0.13 * height, (150, 118, 62))
        disc(image, (x, y), 0.010 * height, (255, 236, 186))
    return image


def add_glow(image: RgbImage, center: Point, radius_px: float, color: Color) -> None:
    """Adds a soft spot of light to a picture."""
    height, width = image.shape[:2]
    reach = int(radius_px * 1.6) + 1
    left, top = max(0, int(center[0]) - reach), max(0, int(center[1]) - reach)
    right, bottom = min(width, int(center[0]) + reach), min(height, int(center[1]) + reach)
    if left >= right or top >= bottom:
        return
    across = (np.arange(left, right, dtype=np.float32) - center[0]) / radius_px
    down = (np.arange(top, bottom, dtype=np.float32) - center[1]) / radius_px
    strength = np.exp(-2.5 * (down[:, None] ** 2 + across[None, :] ** 2))
    light = (strength[..., None] * np.array(color, np.float32)).astype(np.uint8)
    image[top:bottom, left:right] = cv2.add(image[top:bottom, left:right], light)


def _blend_rows(width: int, height: int, stops: list[tuple[float, Color]]) -> _FloatImage:
    places = (np.arange(height) + 0.5) / height
    rows = [np.interp(places, [at for at, _ in stops], [color[channel] for _, color in stops]) for channel in range(3)]
    return np.repeat(np.stack(rows, axis=-1).astype(np.float32)[:, None, :], width, axis=1)


def _paint_clouds(picture: _FloatImage, random: np.random.Generator) -> None:
    height, width = picture.shape[:2]
    cover = np.zeros((height, width), np.float32)
    for cells, weight in ((4, 0.6), (9, 0.3), (20, 0.15)):
        columns = max(2, round(cells * width / height / 2))
        noise = random.random((cells, columns)).astype(np.float32)
        cover += weight * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    fade = np.clip(1.1 - 1.1 * np.arange(height, dtype=np.float32) / (HORIZON * height), 0, 1)
    cover = np.clip((cover - 0.56) * 3.0, 0, 0.85) * fade[:, None]
    picture += cover[..., None] * (np.float32(250) - picture)


def _paint_hills(image: RgbImage) -> None:
    height, width = image.shape[:2]
    x = np.arange(width) / height
    for base, swing, pace, color in ((0.47, 0.050, 2.6, (150, 176, 184)), (0.52, 0.035, 4.1, (122, 156, 118))):
        ridge = (base + swing * np.sin(x * pace + base * 9) + 0.35 * swing * np.sin(x * pace * 2.7)) * height
        outline = np.stack([np.arange(width), ridge], axis=-1)
        closed = np.concatenate([outline, [[width, HORIZON * height + 1], [0, HORIZON * height + 1]]])
        cv2.fillPoly(image, [np.rint(closed * 16).astype(np.int32)], color, cv2.LINE_AA, 4)


def _paint_houses(image: RgbImage) -> None:
    height, width = image.shape[:2]
    for part, wide, high, roof, wall in _HOUSES:
        left = part * width / height
        _square(image, (left, _GROUND - high, wide, high), wall)
        top = _GROUND - high
        gable = [(left - 0.012, top), (left + wide / 2, top - roof), (left + wide + 0.012, top)]
        fill(image, [(x * height, y * height) for x, y in gable], (152, 84, 66))
        for x, y in _windows(left, wide, high):
            _square(image, (x, y, 0.022, 0.030), (92, 112, 130))
    for post in _LAMP_POSTS:
        x = post * width / height
        _square(image, (x - 0.003, _GROUND - 0.155, 0.006, 0.19), (84, 86, 92))
        disc(image, (x * height, (_GROUND - 0.16) * height), 0.010 * height, (196, 198, 200))


def _windows(left: float, wide: float, high: float) -> list[tuple[float, float]]:
    across = max(1, int(wide / 0.045))
    gap = wide / across
    return [
        (left + gap * column + gap / 2 - 0.011, _GROUND - high + 0.025 + 0.055 * row)
        for row in range(int((high - 0.03) / 0.055))
        for column in range(across)
    ]


def _paint_road(image: RgbImage) -> None:
    height, width = image.shape[:2]
    wide = width / height
    _square(image, (0, 0.645, wide, 0.035), (186, 182, 174))
    _square(image, (0, 0.680, wide, 0.250), (112, 114, 120))
    _square(image, (0, 0.680, wide, 0.007), (150, 150, 150))
    _square(image, (0, 0.930, wide, 0.012), (176, 172, 164))
    for dash in range(int(wide / 0.16) + 1):
        _square(image, (0.04 + 0.16 * dash, 0.802, 0.08, 0.008), (226, 222, 206))


def _square(image: RgbImage, area: tuple[float, float, float, float], color: Color) -> None:
    """Fills a square: left, top, width and height in heights of the picture."""
    left, top, wide, high = area
    unit = image.shape[0]
    corners = [(left, top), (left + wide, top), (left + wide, top + high), (left, top + high)]
    fill(image, [(x * unit, y * unit) for x, y in corners], color)
