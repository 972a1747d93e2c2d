from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from framewire.errors import ConfigurationError
from framewire.sources import open_source


def picture(width: int, height: int, red: int = 0) -> np.ndarray:
    """RGB that differs from pixel to pixel, red as given."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([np.full_like(rows, red), rows * 3 % 256, columns * 5 % 256], axis=-1).astype(np.uint8)


def save(path: Path, image: np.ndarray) -> None:
    assert cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1]))


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tiff", "webp"])
def test_one_image_is_one_frame_in_rgb(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"still.{suffix}"
    image = picture(13, 7, red=200)
    assert cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_WEBP_QUALITY, 101])
    with open_source(str(path)) as source:
        assert source.size == (13, 7)
        assert source.frames_per_second is None
        assert not source.is_live
        (frame,) = source
    np.testing.assert_array_equal(frame.image, image)
    assert frame.image.flags.c_contiguous
    assert frame.image.flags.writeable
    assert (frame.index, frame.time_s, frame.truth) == (0, 0.0, None)


def test_a_grey_image_and_one_with_transparency_come_out_as_rgb(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 6), 77, np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((4, 6, 4), (10, 20, 30, 40), np.uint8))
    with open_source(str(tmp_path)) as source:
        grey, transparent = (frame.image for frame in source)
    assert grey[1, 1].tolist() == [77, 77, 77]
    assert transparent[1, 1].tolist() == [30, 20, 10]


def test_a_sixteen_bit_image_comes_out_with_eight(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), np.full((4, 6, 3), (0x1000, 0x2000, 0x4D00), np.uint16))
    with open_source(str(path)) as source:
        (frame,) = source
    assert frame.image.dtype == np.uint8
    assert frame.image[1, 1].tolist() == [0x4D, 0x20, 0x10]


def test_the_real_still_is_read(media: Path) -> None:
    with open_source(str(media / "lobby.png")) as source:
        assert source.size == (1280, 720)
        (frame,) = source
    assert frame.image.shape == (720, 1280, 3)


def test_the_content_tells_an_image_whatever_its_name(tmp_path: Path) -> None:
    save(tmp_path / "snapshot.png", picture(13, 7))
    nameless = tmp_path / "snapshot"
    (tmp_path / "snapshot.png").rename(nameless)
    with open_source(str(nameless)) as source:
        assert source.size == (13, 7)


def test_a_looped_image_comes_again_and_again(tmp_path: Path) -> None:
    save(tmp_path / "still.png", picture(13, 7))
    with open_source(str(tmp_path / "still.png"), loop=True) as source:
        frames = list(islice(source, 4))
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.time_s for frame in frames] == pytest.approx([0.0, 0.04, 0.08, 0.12])
    frames[0].image[:] = 9
    np.testing.assert_array_equal(frames[1].image, picture(13, 7))


def test_a_folder_is_read_in_the_order_that_people_count(tmp_path: Path) -> None:
    for name, red in (("shot10.png", 30), ("shot2.png", 20), ("Shot1.png", 10), ("shot2b.png", 25)):
        save(tmp_path / name, picture(8, 8, red=red))
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "more").mkdir()
    with open_source(str(tmp_path)) as source:
        assert [int(frame.image[0, 0, 0]) for frame in source] == [10, 20, 25, 30]


def test_closing_ends_a_looped_folder(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(8, 8))
    source = open_source(str(tmp_path), loop=True)
    frames = iter(source)
    next(frames)
    source.close()
    assert list(frames) == []


def test_images_of_different_sizes_are_refused_by_name_and_size(tmp_path: Path) -> None:
    save(tmp_path / "1.png", picture(8, 6))
    save(tmp_path / "2.png", picture(9, 6))
    with (
        open_source(str(tmp_path)) as source,
        pytest.raises(ConfigurationError, match=r"2\.png is 9x6 and .*1\.png is 8x6"),
    ):
        list(source)


def test_a_torn_image_in_a_folder_is_left_out_and_counted(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        save(tmp_path / f"{number}.png", picture(40, 40, red=number))
    torn = tmp_path / "2.png"
    torn.write_bytes(torn.read_bytes()[:60])
    with open_source(str(tmp_path)) as source:
        assert [int(frame.image[0, 0, 0]) for frame in source] == [1, 3]
        assert source.skipped == 1


def test_a_folder_that_is_emptied_while_it_loops_ends_with_an_error(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(8, 8))
    with open_source(str(tmp_path), loop=True) as source:
        frames = iter(source)
        next(frames)
        (tmp_path / "a.png").write_bytes(b"")
        with pytest.raises(ConfigurationError, match=r"a\.png cannot be read any more"):
            next(frames)
