"""What all tests of scheduling need."""

from __future__ import annotations

import pytest
from process_runners import PATIENCE_S

from framewire.scheduling import process


@pytest.fixture(autouse=True)
def patient_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a process takes a while to end, and one that is killed meanwhile is told of."""
    monkeypatch.setattr(process, "_CLOSE_S", PATIENCE_S)
