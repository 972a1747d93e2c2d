"""A processor with a state for each camera: tells when the light of a camera changes, and how often it did."""

from collections.abc import Sequence
from dataclasses import dataclass

from framewire import Event, Frame, Inference, Layout, Processor, SessionInfo


# region: processor
@dataclass
class CameraState:
    """What is remembered of one camera."""

    is_light: bool | None = None
    changes: int = 0


class LightChange(Processor):
    """Answers an event when a camera's picture turns light or dark."""

    layout = Layout.GREY
    needs_order = True

    def open_session(self, session: SessionInfo) -> CameraState:
        return CameraState()

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        return [self._one(frame, frame.state) for frame in frames]

    def _one(self, frame: Frame, camera: CameraState) -> Sequence[Inference]:
        before, camera.is_light = camera.is_light, bool(frame.pixels.mean() >= 127)
        if before is None or before == camera.is_light:
            return []
        camera.changes += 1
        name = "light" if camera.is_light else "dark"
        return [Event(name, {"changes": str(camera.changes)}, subtype="lightChange")]


# endregion: processor
