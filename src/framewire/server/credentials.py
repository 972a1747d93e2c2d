"""``x-ms-authentication`` (contract, section 6)."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping

from framewire.model.credentials import AUTHENTICATION_KEY


def is_authentic(metadata: Iterable[tuple[str, str | bytes]], credentials: Mapping[str, str]) -> bool:
    """Whether a call may go on: always when no credentials are configured, as every topology sends dummies.

    Compares in constant time, and against all credentials, whether the user exists or not.
    """
    if not credentials:
        return True
    given = next((value for key, value in metadata if key == AUTHENTICATION_KEY), "")
    token = _decoded(given if isinstance(given, str) else given.decode("latin-1"))
    matches = [hmac.compare_digest(token, f"{user}:{password}".encode()) for user, password in credentials.items()]
    return any(matches)


def _decoded(value: str) -> bytes:
    scheme, _, token = value.strip().partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(token.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""
