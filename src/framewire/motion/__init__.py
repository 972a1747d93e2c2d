"""What moves in the pictures of a camera."""

from framewire.motion.detection import PROFILES, Detection, Profile, Sensitivity
from framewire.motion.detector import MotionDetector
from framewire.motion.window import MotionWindow, WindowedMotion

__all__ = ["PROFILES", "Detection", "MotionDetector", "MotionWindow", "Profile", "Sensitivity", "WindowedMotion"]
