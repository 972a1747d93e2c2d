"""A processor that builds on what is known of a frame already: it looks only where a motion detector saw something."""

from collections.abc import Sequence

from framewire import Entity, Frame, Inference, Layout, Motion, Processor, Rectangle, Tag


# region: processor
class MovingLight(Processor):
    """Says of each moving region whether it is light or dark."""

    layout = Layout.GREY

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [
            [
                self._judge(frame, motion, motion.box)
                for motion in frame.upstream
                if isinstance(motion, Motion) and motion.box is not None
            ]
            for frame in frames
        ]

    def _judge(self, frame: Frame, motion: Motion, box: Rectangle) -> Inference:
        left, top = int(box.l * frame.width), int(box.t * frame.height)
        right, bottom = round((box.l + box.w) * frame.width), round((box.t + box.h) * frame.height)
        region = frame.pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
        label = "light" if region.mean() >= 127 else "dark"
        # The reference lets a consumer find the motion that this is about.
        related = [motion.inference_id] if motion.inference_id else []
        return Entity(Tag(label), box, subtype="movingLight", related_inferences=related)


# endregion: processor
