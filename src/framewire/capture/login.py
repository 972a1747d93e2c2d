"""User and password in the URL that FFmpeg gets."""

from __future__ import annotations

from urllib.parse import quote, unquote

from framewire.errors import ConfigurationError

_MOST_BYTES = 127
"""What FFmpeg's RTSP has room for; the rest it would cut off without a word."""


def with_login(address: str, user: str | None, password: str | None) -> str:
    """Returns a URL that holds user and password in the form that FFmpeg understands, whatever characters they have.

    Args:
        address: URL with a host, with or without user and password of its own.
        user: Name, as it is; None for the URL's own.
        password: As it is.

    Raises:
        ConfigurationError: They are too long, or there is a password without a user.
    """
    scheme, _, rest = address.partition("://")
    authority, slash, path = rest.partition("/")
    given, at, host = authority.rpartition("@")
    if user is None:
        if password is not None:
            raise ConfigurationError("a password is given and no user", remedy="give both, or put both into the URL")
        if not at:
            return address
        own_user, colon, own_password = given.partition(":")
        # People forget to escape; what is escaped already stays what it is.
        user, password = unquote(own_user), unquote(own_password) if colon else None
    login = quote(user, safe="") + ("" if password is None else ":" + quote(password, safe=""))
    if len(login) > _MOST_BYTES:
        raise ConfigurationError(
            f"user and password together take {len(login)} characters in a URL",
            allowed=f"{_MOST_BYTES}; other characters than letters and digits take three each",
            remedy="give the camera a shorter password",
        )
    return f"{scheme}://{login}@{host}{slash}{path}" if login else f"{scheme}://{host}{slash}{path}"
