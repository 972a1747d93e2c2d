"""Boxes from pixels, where a picture lies after scaling, and boxes back in the source's coordinates."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.errors import ConfigurationError, InferenceError
from framewire.model.geometry import Rectangle, ScaleMode, Scaling


@pytest.mark.parametrize(
    ("pixels", "box"),
    [
        ((64, 48, 320, 240), Rectangle(0.1, 0.1, 0.5, 0.5)),
        ((0, 0, 640, 480), Rectangle(0, 0, 1, 1)),
        ((-64, -48, 128, 96), Rectangle(0, 0, 0.1, 0.1)),
        ((576, 432, 128, 96), Rectangle(0.9, 0.9, 0.1, 0.1)),
        ((700, 500, 10, 10), Rectangle(1, 1, 0, 0)),
        ((-20, -20, 10, 10), Rectangle(0, 0, 0, 0)),
        ((-100, -100, 1000, 1000), Rectangle(0, 0, 1, 1)),
    ],
)
def test_a_box_of_pixels_is_cut_at_the_edges(pixels: tuple[float, float, float, float], box: Rectangle) -> None:
    made = Rectangle.from_pixels(*pixels, of=(640, 480))
    assert (made.l, made.t, made.w, made.h) == pytest.approx((box.l, box.t, box.w, box.h), abs=1e-12)


@pytest.mark.parametrize(
    ("pixels", "of"),
    [
        ((10, 10, -5, 5), (640, 480)),
        ((10, 10, 5, -5), (640, 480)),
        ((math.nan, 10, 5, 5), (640, 480)),
        ((10, 10, math.nan, 5), (640, 480)),
        ((0, 0, 1, 1), (0, 480)),
        ((0, 0, 1, 1), (640, 0)),
    ],
)
def test_a_box_that_is_none_is_refused(pixels: tuple[float, float, float, float], of: tuple[int, int]) -> None:
    with pytest.raises(InferenceError):
        Rectangle.from_pixels(*pixels, of=of)


@given(
    st.tuples(*[st.floats(-5000, 5000)] * 2),
    st.tuples(*[st.floats(0, 5000)] * 2),
    st.tuples(*[st.integers(1, 4000)] * 2),
)
def test_any_box_of_pixels_is_a_legal_box(
    corner: tuple[float, float], size: tuple[float, float], of: tuple[int, int]
) -> None:
    box = Rectangle.from_pixels(*corner, *size, of=of)
    assert box.l + box.w <= 1 + 1e-9
    assert box.t + box.h <= 1 + 1e-9


@pytest.mark.parametrize(
    ("source", "target", "mode", "planned"),
    [
        # (output width, output height, left, top, width, height)
        ((1920, 1080), (None, None), "pad", (1920, 1080, 0, 0, 1920, 1080)),
        ((1920, 1080), (416, 416), "pad", (416, 416, 0, 91, 416, 234)),
        ((1080, 1920), (416, 416), "pad", (416, 416, 91, 0, 234, 416)),
        ((1920, 1080), (960, 540), "pad", (960, 540, 0, 0, 960, 540)),
        ((100, 100), (301, 200), "pad", (301, 200, 50, 0, 200, 200)),
        ((4000, 1), (10, 10), "pad", (10, 10, 0, 4, 10, 1)),
        ((1920, 1080), (416, 416), "preserveAspectRatio", (416, 234, 0, 0, 416, 234)),
        ((640, 480), (333, 77), "preserveAspectRatio", (103, 77, 0, 0, 103, 77)),
        ((320, 240), (640, 640), "preserveAspectRatio", (640, 480, 0, 0, 640, 480)),
        ((1920, 1080), (416, 417), "stretch", (416, 417, 0, 0, 416, 417)),
        ((1920, 1080), (416, None), "pad", (416, 234, 0, 0, 416, 234)),
        ((1920, 1080), (None, 234), "pad", (416, 234, 0, 0, 416, 234)),
        ((1920, 1080), (416, None), "stretch", (416, 234, 0, 0, 416, 234)),
        ((1920, 1080), (None, 101), "preserveAspectRatio", (180, 101, 0, 0, 180, 101)),
        ((4000, 2), (100, None), "stretch", (100, 1, 0, 0, 100, 1)),
    ],
)
def test_a_picture_is_placed_as_the_mode_says(
    source: tuple[int, int], target: tuple[int | None, int | None], mode: ScaleMode, planned: tuple[int, ...]
) -> None:
    assert Scaling.plan(source, target, mode) == Scaling(*planned)


@pytest.mark.parametrize("target", [(0, 100), (100, -1), (None, 0)])
def test_a_size_below_one_pixel_is_refused(target: tuple[int | None, int | None]) -> None:
    with pytest.raises(ConfigurationError, match="is not a picture size; allowed: 1 pixel or more"):
        Scaling.plan((640, 480), target)


def by_the_formula(
    box: Rectangle, source: tuple[int, int], target: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Topologies, section 3: l' = (l - pl) / (1 - pl - pr), w' = w / (1 - pl - pr), t and h alike, clamped."""
    scaling = Scaling.plan(source, target, "pad")
    pl, pt = scaling.left / target[0], scaling.top / target[1]
    pr = (target[0] - scaling.left - scaling.width) / target[0]
    pb = (target[1] - scaling.top - scaling.height) / target[1]
    left, width = (box.l - pl) / (1 - pl - pr), box.w / (1 - pl - pr)
    top, height = (box.t - pt) / (1 - pt - pb), box.h / (1 - pt - pb)
    right, bottom = min(max(left + width, 0), 1), min(max(top + height, 0), 1)
    left, top = min(max(left, 0), 1), min(max(top, 0), 1)
    return left, top, right - left, bottom - top


fractions = st.floats(0, 1, width=32)
# As a server answers: inside the picture.
boxes = st.builds(lambda l, t, w, h: Rectangle(l, t, w * (1 - l), h * (1 - t)), *[fractions] * 4)  # noqa: E741
sizes = st.tuples(st.integers(1, 4000), st.integers(1, 4000))


@given(sizes, sizes, boxes)
def test_padding_is_removed_by_the_published_formula(
    source: tuple[int, int], target: tuple[int, int], box: Rectangle
) -> None:
    moved = Scaling.plan(source, target, "pad").unscale(box)
    assert (moved.l, moved.t, moved.w, moved.h) == pytest.approx(by_the_formula(box, source, target), abs=1e-6)


@pytest.mark.parametrize(
    ("box", "moved"),
    [
        # 200x100 in 100x100: a quarter of bar above and below.
        (Rectangle(0.25, 0.25, 0.5, 0.5), Rectangle(0.25, 0.0, 0.5, 1.0)),
        (Rectangle(0.0, 0.5, 1.0, 0.125), Rectangle(0.0, 0.5, 1.0, 0.25)),
        (Rectangle(0.0, 0.0, 1.0, 1.0), Rectangle(0.0, 0.0, 1.0, 1.0)),
        (Rectangle(0.0, 0.125, 1.0, 0.25), Rectangle(0.0, 0.0, 1.0, 0.25)),
        (Rectangle(0.0, 0.0, 1.0, 0.25), Rectangle(0.0, 0.0, 1.0, 0.0)),
        (Rectangle(0.0, 0.875, 1.0, 0.125), Rectangle(0.0, 1.0, 1.0, 0.0)),
    ],
)
def test_boxes_in_the_bars_are_clamped(box: Rectangle, moved: Rectangle) -> None:
    assert Scaling.plan((200, 100), (100, 100), "pad").unscale(box) == moved


@given(sizes, sizes, boxes)
def test_without_bars_a_box_stays(source: tuple[int, int], target: tuple[int, int], box: Rectangle) -> None:
    assert Scaling.plan(source, target, "stretch").unscale(box) is box
    assert Scaling.plan(source, target, "preserveAspectRatio").unscale(box) is box


@given(sizes, sizes)
def test_padding_fits_inside_and_is_centred(source: tuple[int, int], target: tuple[int, int]) -> None:
    scaling = Scaling.plan(source, target, "pad")
    right = target[0] - scaling.left - scaling.width
    bottom = target[1] - scaling.top - scaling.height
    assert (scaling.output_width, scaling.output_height) == target
    assert 0 <= right - scaling.left <= 1
    assert 0 <= bottom - scaling.top <= 1
    assert scaling.width == target[0] or scaling.height == target[1]
    assert scaling.has_padding == (right + bottom > 0)
