from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from framewire.errors import ConfigurationError
from framewire.model.geometry import Rectangle
from framewire.sources import Scene, open_source, scene, write_clip


def slow_grey_mean(image: np.ndarray) -> float:
    red, green, blue = (image[..., channel].astype(np.float64).mean() for channel in range(3))
    return float(0.299 * red + 0.587 * green + 0.114 * blue)


def test_the_default_scene_goes_from_day_to_night_and_to_dawn() -> None:
    street = Scene(160, 90)
    verdicts = [street.render(index)[1].color_intensity for index in range(street.frames)]
    assert len(verdicts) == 180
    changes = [(index, after) for index, (before, after) in enumerate(pairwise(verdicts), 1) if before != after]
    assert verdicts[0] == "light"
    assert changes == [(76, "dark"), (166, "light")]


@pytest.mark.parametrize("size", [(640, 360), (416, 416), (1280, 720), (64, 48), (33, 35), (32, 200), (400, 32)])
@pytest.mark.parametrize("frames", [1, 2, 7, 60])
def test_every_frame_keeps_away_from_the_threshold(size: tuple[int, int], frames: int) -> None:
    street = Scene(*size, frames=frames)
    # A large scene is sampled: its light depends on the part of the day alone.
    for index in range(0, frames, 1 if size[0] < 600 else 5):
        image, truth = street.render(index)
        mean = slow_grey_mean(image)
        assert truth.grey_mean == pytest.approx(mean, abs=1e-9)
        assert truth.color_intensity == ("dark" if mean < 127 else "light")
        assert abs(mean - 127) >= 8


def test_the_same_arguments_give_the_same_pixels() -> None:
    first, second = Scene(96, 64), Scene(96, 64)
    for index in (100, 3, 100):
        np.testing.assert_array_equal(first.render(index)[0], second.render(index)[0])


def test_a_frame_belongs_to_its_receiver() -> None:
    street = Scene(96, 64)
    image, _ = street.render(0)
    expected = image.copy()
    image[:] = 0
    np.testing.assert_array_equal(street.render(0)[0], expected)


@pytest.mark.parametrize("number", range(len(scene.TRAFFIC)))
def test_the_boxes_hold_just_what_moves(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    street = Scene(640, 360, frames=1000, frames_per_second=15)
    mover = scene.TRAFFIC[number]
    seen = 0
    for index in range(0, 270, 9):
        monkeypatch.setattr(scene, "TRAFFIC", ())
        without, nothing = street.render(index)
        monkeypatch.setattr(scene, "TRAFFIC", (mover,))
        image, truth = street.render(index)
        assert nothing.boxes == ()
        # The light follows the picture a little, so small differences are not the thing itself.
        differs = (np.abs(image.astype(int) - without) > 14).any(axis=2)
        if not truth.boxes:
            # At most the soft edge of something that is about to enter.
            assert differs.any(axis=0).sum() <= 2
            continue
        (box,) = truth.boxes
        rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
        np.testing.assert_allclose((columns[0], columns[-1] + 1), (box.l * 640, (box.l + box.w) * 640), atol=2)
        if box.l > 0 and box.l + box.w < 0.999:
            # A thing that enters shows its bonnet first, so its height is to be seen when it is in.
            np.testing.assert_allclose((rows[0], rows[-1] + 1), (box.t * 360, (box.t + box.h) * 360), atol=2)
            seen += 1
    assert seen >= 10


def test_things_enter_and_leave() -> None:
    street = Scene(320, 180, frames=270, frames_per_second=15)
    boxes = [street.render(index)[1].boxes for index in range(0, 270, 3)]
    counts = {len(of_frame) for of_frame in boxes}
    assert min(counts) < max(counts) == 5


def test_cars_in_one_lane_never_meet() -> None:
    for size in ((640, 360), (416, 416), (90, 160)):
        street = Scene(*size, frames=10_000)
        red, blue = scene.TRAFFIC[3:]
        for index in range(0, 3000, 2):
            first, second = (mover.box(index / 15, street.size) for mover in (red, blue))
            assert first is None or second is None or first.l + first.w < second.l or second.l + second.w < first.l


def test_a_box_is_cut_at_the_border() -> None:
    street = Scene(320, 180, frames=270, frames_per_second=15)
    boxes = [street.render(index)[1].boxes for index in range(0, 270, 3)]
    assert any(box.l == 0.0 for of_frame in boxes for box in of_frame)
    assert any(box.l + box.w == pytest.approx(1.0) for of_frame in boxes for box in of_frame)
    assert all(isinstance(box, Rectangle) and box.w > 0 and box.h > 0 for of_frame in boxes for box in of_frame)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"width": 31}, "width 31 is out of range; allowed: 32 to 8192"),
        ({"height": 8193}, "height 8193 is out of range; allowed: 32 to 8192"),
        ({"frames": 0}, "frames 0 is out of range; allowed: 1 to 10000000"),
        ({"frames_per_second": 0.0}, "frames per second 0.0 is out of range; allowed: 0.1 to 1000"),
        ({"frames_per_second": float("nan")}, "frames per second nan is out of range; allowed: 0.1 to 1000"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments: dict[str, float], text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Scene(**arguments)
    assert str(refused.value) == text


def test_a_clip_holds_the_scene_and_its_truth_survives_the_compression(tmp_path: Path) -> None:
    street = Scene(640, 360, frames=48, frames_per_second=12.5)
    path = tmp_path / "clip.mp4"
    truths = write_clip(path, street)
    assert truths == tuple(street.render(index)[1] for index in range(48))
    assert {truth.color_intensity for truth in truths} == {"light", "dark"}
    with open_source(str(path)) as source:
        assert source.size == (640, 360)
        assert source.frames_per_second == 12.5
        frames = list(source)
    assert len(frames) == 48
    for frame, truth in zip(frames, truths, strict=True):
        assert slow_grey_mean(frame.image) == pytest.approx(truth.grey_mean, abs=3)
        # What the demo sends: the decoded frame, compressed once more.
        _, encoded = cv2.imencode(".jpg", np.ascontiguousarray(frame.image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 30])
        sent = cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1]
        assert ("dark" if slow_grey_mean(sent) < 127 else "light") == truth.color_intensity
    assert frames[-1].time_s == pytest.approx(47 / 12.5, abs=1e-3)


def test_a_clip_of_an_odd_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"a clip cannot be 65x48; allowed: even numbers of pixels"):
        write_clip(tmp_path / "odd.mp4", Scene(65, 48))
    assert list(tmp_path.iterdir()) == []


def test_the_synthetic_source_knows_its_truth() -> None:
    street = Scene(64, 48, frames=5, frames_per_second=2)
    with open_source("test:size=64x48,frames=5,fps=2") as source:
        assert source.size == (64, 48)
        assert source.frames_per_second == 2
        assert not source.is_live
        frames = list(source)
    assert [frame.time_s for frame in frames] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    for frame in frames:
        image, truth = street.render(frame.index)
        np.testing.assert_array_equal(frame.image, image)
        assert frame.truth == truth


def test_a_looped_scene_goes_on_and_the_day_starts_over() -> None:
    with open_source("test:size=64x48,frames=5,fps=2", loop=True) as source:
        frames = iter(source)
        verdicts = [frame.truth.color_intensity for frame, _ in zip(frames, range(11), strict=False)]
        assert verdicts[:5] == verdicts[5:10] == ["light", "light", "light", "dark", "dark"]
        source.close()
        assert list(frames) == []
