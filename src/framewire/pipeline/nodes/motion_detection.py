"""The motion detector as a node."""

from __future__ import annotations

from collections.abc import Sequence

from framewire.model.inference import Motion
from framewire.motion import Detection, MotionDetector, MotionWindow, WindowedMotion
from framewire.pipeline.node import Node, Surroundings
from framewire.pipeline.sample import MediaSample
from framewire.pipeline.sampling import TICKS_PER_S
from framewire.topology.nodes import MotionDetectionProcessor


class MotionDetectionNode(Node):
    """Passes every frame on, with motion inferences when it moves.

    Args:
        definition: What the topology says.
        surroundings: What the pipeline gives it.
    """

    def __init__(self, definition: MotionDetectionProcessor, surroundings: Surroundings) -> None:
        super().__init__(definition.name, surroundings)
        self._detector = MotionDetector(definition.sensitivity, definition.mask)
        self._has_regions = definition.output_motion_region
        self._window = MotionWindow(definition.event_aggregation_window)

    def receive(self, sample: MediaSample) -> None:
        time_s = sample.timestamp / TICKS_PER_S
        detection = self._detector.update(sample.picture.luma(), time_s)
        if self.is_publishing:
            self._publish(self._window.add(sample.timestamp, time_s, detection))
        if detection is not None:
            self.counts.inferred += 1
            sample = sample.with_found(self._inferences(detection))
        self.emit(sample)

    async def finish(self) -> None:
        self._publish(self._window.finish())

    def _publish(self, due: Sequence[WindowedMotion]) -> None:
        for motion in due:
            self.publish(motion.timestamp, self._inferences(motion.detection))

    def _inferences(self, detection: Detection) -> tuple[Motion, ...]:
        if not self._has_regions:
            return (Motion(),)
        return tuple(Motion(box=box) for box in detection.boxes)
