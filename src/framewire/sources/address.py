"""Addresses of cameras and servers as they may be shown."""

from __future__ import annotations

TIMEOUT_S = 10.0
"""How long a camera or a server may be silent before it counts as gone."""

FFMPEG_TIMEOUT = str(int(TIMEOUT_S * 1_000_000))
"""The same as FFmpeg's protocols want it, in microseconds."""


def public_address(url: str) -> str:
    """Returns a URL without user, password and query, for errors and logs.

    Whatever stands before the last `@` is taken as credentials: people forget to escape what passwords may hold.
    """
    scheme, _, rest = url.partition("://")
    credentials, at, place = rest.rpartition("@")
    place, query, _ = place.partition("?")
    return f"{scheme}://{'***@' if at and credentials else ''}{place}{'?...' if query else ''}"
