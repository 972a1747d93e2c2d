"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# No deadline: how long one example takes says more about the machine than about the code.
settings.register_profile("framewire", deadline=None)
settings.load_profile("framewire")
