import numpy as np
import pytest

from framewire.model.geometry import Scaling
from framewire.sources import scale_image


def grid(width: int, height: int) -> np.ndarray:
    """Every pixel another: red counts columns, green rows, blue is 100."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns * 10, rows * 10, np.full_like(rows, 100)], axis=-1).astype(np.uint8)


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    image = grid(6, 4)
    assert scale_image(image, Scaling.plan((6, 4), (6, 4))) is image


def test_shrinking_by_a_whole_number_averages_blocks() -> None:
    scaled = scale_image(grid(6, 4), Scaling.plan((6, 4), (3, 2), "stretch"))
    assert scaled[..., 0].tolist() == [[5, 25, 45], [5, 25, 45]]
    assert scaled[..., 1].tolist() == [[5, 5, 5], [25, 25, 25]]
    assert scaled[..., 2].tolist() == [[100, 100, 100], [100, 100, 100]]


def test_shrinking_misses_no_pixel() -> None:
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, 0] = 200
    scaled = scale_image(image, Scaling.plan((8, 4), (2, 1), "stretch"))
    assert scaled[0, :, 1].tolist() == [50, 0]


def test_growing_blends_neighbours() -> None:
    image = np.zeros((1, 2, 3), np.uint8)
    image[0, 1] = 200
    scaled = scale_image(image, Scaling.plan((2, 1), (4, 1), "stretch"))
    assert scaled[0, :, 0].tolist() == [0, 50, 150, 200]


def test_padding_is_black_and_the_picture_lies_in_the_middle() -> None:
    image = np.full((2, 4, 3), 90, np.uint8)
    padded = scale_image(image, Scaling.plan((4, 2), (4, 5), "pad"))
    assert padded.shape == (5, 4, 3)
    assert padded[:, 0, 0].tolist() == [0, 90, 90, 0, 0]
    assert padded.flags.c_contiguous


def test_padding_stands_left_and_right_of_a_high_picture() -> None:
    image = np.full((4, 2, 3), 90, np.uint8)
    padded = scale_image(image, Scaling.plan((2, 4), (6, 2), "pad"))
    assert padded.shape == (2, 6, 3)
    assert padded[0, :, 2].tolist() == [0, 0, 90, 0, 0, 0]


@pytest.mark.parametrize("mode", ["pad", "preserveAspectRatio", "stretch"])
@pytest.mark.parametrize("source", [(640, 360), (33, 77), (1, 1), (5, 200)])
@pytest.mark.parametrize("target", [(416, 416), (31, 90), (None, 50), (50, None), (1, 1)])
def test_the_result_is_as_large_as_the_plan_says(source, target, mode) -> None:
    plan = Scaling.plan(source, target, mode)
    scaled = scale_image(np.full((source[1], source[0], 3), 255, np.uint8), plan)
    assert scaled.shape == (plan.output_height, plan.output_width, 3)
    assert scaled.dtype == np.uint8
    # White is the picture, black the padding: each is where the plan says and nowhere else.
    expected = np.zeros((plan.output_height, plan.output_width, 3), np.uint8)
    expected[plan.top : plan.top + plan.height, plan.left : plan.left + plan.width] = 255
    np.testing.assert_array_equal(scaled, expected)


def test_the_given_picture_is_only_read() -> None:
    image = grid(9, 7)
    image.flags.writeable = False
    scale_image(image, Scaling.plan((9, 7), (20, 20)))
    np.testing.assert_array_equal(image, grid(9, 7))
