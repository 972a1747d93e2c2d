"""Boxes on their way into the sent picture and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.model.geometry import Rectangle, Scaling


def test_a_box_lies_where_its_part_of_the_picture_lies() -> None:
    # 640x360 in 64x64 lies in rows 14 to 49.
    scaling = Scaling.plan((640, 360), (64, 64))
    assert scaling.scale(Rectangle(0, 0, 1, 1)) == Rectangle(0, 14 / 64, 1, 36 / 64)
    assert scaling.scale(Rectangle(0.5, 0.5, 0.25, 0.5)) == Rectangle(0.5, 32 / 64, 0.25, 18 / 64)


PART = st.floats(0, 1)


@given(st.tuples(st.integers(1, 4000), st.integers(1, 4000)), st.tuples(PART, PART, PART, PART))
def test_there_and_back_is_where_it_was(size: tuple[int, int], parts: tuple[float, float, float, float]) -> None:
    scaling = Scaling.plan(size, (416, 416))
    left, top, width, height = parts
    box = Rectangle(left, top, min(width, 1 - left), min(height, 1 - top))
    back = scaling.unscale(scaling.scale(box))
    assert (back.l, back.t, back.w, back.h) == pytest.approx((box.l, box.t, box.w, box.h), abs=1e-9)
