"""The value of ``x-ms-authentication`` (contract, section 6)."""

from __future__ import annotations

import base64

AUTHENTICATION_KEY = "x-ms-authentication"


def basic_token(user: str, password: str) -> str:
    """The value of the metadata key for a user and password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
