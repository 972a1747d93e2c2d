"""What a detector found, against what is so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from motion_clips import Clip, decoded
from motion_stage import Box, Grey, TrueBox

from framewire.motion import PROFILES, MotionDetector, MotionWindow, Profile, Sensitivity

LEARNING_S = 2.0
"""The start of a clip, in which a detector may learn; it is not judged."""

_FOUND = 0.3
"""A thing is found when a box has this intersection over union with it."""


@dataclass
class Score:
    """Counts over the judged frames of one clip."""

    true_frames: int = 0
    missed_frames: int = 0
    false_frames: int = 0
    still_frames: int = 0
    things: int = 0
    found_things: int = 0
    overlap: float = 0.0
    boxes: int = 0
    wrong_boxes: int = 0
    messages: int = 0
    seconds: float = 0.0

    def figures(self) -> dict[str, float | None]:
        told = self.true_frames + self.false_frames
        moving = self.true_frames + self.missed_frames
        return {
            "precision": self.true_frames / told if told else None,
            "recall": self.true_frames / moving if moving else None,
            "things_found": self.found_things / self.things if self.things else None,
            "iou": self.overlap / self.found_things if self.found_things else None,
            "right_boxes": 1 - self.wrong_boxes / self.boxes if self.boxes else None,
            "messages": self.messages,
            "messages_per_hour": 3600 * self.messages / self.seconds if self.seconds else None,
        }


def judge(clip: Clip, sensitivity: Sensitivity, begin_s: float = LEARNING_S) -> Score:
    """Lets a detector see a clip."""
    detector, window = MotionDetector(sensitivity), MotionWindow(1.0)
    score = Score()
    width, height = clip.size
    for index, luma in enumerate(clip.frames()):
        time_s = index / clip.rate
        found = detector.update(luma, time_s)
        if time_s < begin_s or not clip.cares[index]:
            continue
        score.seconds += 1 / clip.rate
        score.messages += len(window.add(index, time_s, found))
        boxes = () if found is None else found.boxes
        add_frame(
            score,
            [(b.l * width, b.t * height, b.w * width, b.h * height) for b in boxes],
            clip.boxes[index],
            PROFILES[sensitivity],
            clip.size,
        )
    score.messages += len(window.finish())
    return score


def add_frame(
    score: Score, found: Sequence[Box], true: Sequence[TrueBox], profile: Profile, size: tuple[int, int]
) -> None:
    """Compares the boxes of one frame.

    True boxes that touch are taken as one, as the detector takes them. One that is smaller than the sensitivity sees,
    or fainter, may be found or not.
    """
    gap = 0.02 * size[0]
    joined = merged((box[:4] for box in true), gap)
    smallest_px = profile.smallest * size[0] * size[1]
    clear = [box[:4] for box in true if box[4] >= profile.contrast and box[2] * box[3] >= smallest_px]
    sure = [box for box in joined if any(covered(one, box) > 0.99 for one in clear)]
    if sure:
        score.true_frames += bool(found)
        score.missed_frames += not found
    elif not true:
        score.still_frames += 1
        score.false_frames += bool(found)
    for box in sure:
        best = max((overlap(box, other) for other in found), default=0.0)
        score.things += 1
        if best >= _FOUND:
            score.found_things += 1
            score.overlap += best
    score.boxes += len(found)
    score.wrong_boxes += sum(not any(covered(box, other) >= 0.5 for other in joined) for box in found)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    both = _both(one, other)
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def covered(box: Box, other: Box) -> float:
    """The part of a box that lies in another."""
    return _both(box, other) / (box[2] * box[3])


def _both(one: Box, other: Box) -> float:
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def merged(boxes: Iterable[Box], gap: float) -> list[Box]:
    """Joins boxes that lie nearer than a gap."""
    result: list[Box] = []
    for box in boxes:
        joined = tuple(box)
        while near := next((other for other in result if _near(joined, other, gap)), None):
            result.remove(near)
            left, top = min(joined[0], near[0]), min(joined[1], near[1])
            right = max(joined[0] + joined[2], near[0] + near[2])
            joined = (left, top, right - left, max(joined[1] + joined[3], near[1] + near[3]) - top)
        result.append(joined)
    return result


def _near(one: Box, other: Box, gap: float) -> bool:
    return (
        one[0] - gap < other[0] + other[2]
        and other[0] - gap < one[0] + one[2]
        and one[1] - gap < other[1] + other[3]
        and other[1] - gap < one[1] + one[3]
    )


_BOTH_WAYS = (5, 15)
"""Frames to either side with which a frame is compared."""


def reference_boxes(path: str, smallest: float) -> tuple[list[list[TrueBox]], list[Grey]]:
    """Boxes of real footage by another and slower way, that looks into the future.

    A pixel moves when it differs by more than 20 levels, after a blur, both from the frame some time before and from
    the one as long after: what came and what left look the same from one side only. It shares no code and no background
    with the detector, but it is no human eye either: it sees edges that move and not the even inside of a thing.

    Returns:
        The boxes of each frame, and the frames.
    """
    frames = [luma.copy() for luma in decoded(path)]
    soft = [cv2.GaussianBlur(frame, (5, 5), 0) for frame in frames]
    boxes: list[list[TrueBox]] = []
    for index, frame in enumerate(soft):
        changed = np.zeros_like(frame)
        for distance in _BOTH_WAYS:
            before, after = soft[max(0, index - distance)], soft[min(len(soft) - 1, index + distance)]
            changed = cv2.max(changed, cv2.min(cv2.absdiff(frame, before), cv2.absdiff(frame, after)))
        _, mask = cv2.threshold(changed, 20, 255, cv2.THRESH_BINARY)
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
        _, _, regions, _ = cv2.connectedComponentsWithStats(mask)
        large = [r for r in regions[1:].tolist() if r[4] >= smallest * mask.size]
        boxes.append([(float(x), float(y), float(w), float(h), 255.0) for x, y, w, h, _ in large])
    return boxes, frames
