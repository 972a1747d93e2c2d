"""The commands, the cameras that misbehave and a plain server are shared with their own tests."""

from __future__ import annotations

import sys
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
sys.path.extend(str(_TESTS / name) for name in ("cli", "rtsp", "hub", "conformance"))
