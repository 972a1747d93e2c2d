"""Basic and digest authentication as a camera does them (RFC 7617, RFC 2617 as RTSP has it)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

REALM = "street"
NONCE = "5ca1ab1e0ddba11"


def challenge(scheme: str) -> str:
    """The value of WWW-Authenticate."""
    if scheme == "basic":
        return f'Basic realm="{REALM}"'
    return f'Digest realm="{REALM}", nonce="{NONCE}"'


def is_let_in(header: str, *, method: str, scheme: str, login: tuple[str, str]) -> bool:
    """Whether the value of Authorization proves user and password."""
    kind, _, rest = header.partition(" ")
    if kind.lower() != scheme:
        return False
    user, password = login
    if scheme == "basic":
        try:
            return base64.b64decode(rest).decode() == f"{user}:{password}"
        except (binascii.Error, UnicodeDecodeError):
            return False
    said = dict(re.findall(r'(\w+)="?([^",]*)"?', rest))
    secret, action = _md5(f"{user}:{REALM}:{password}"), _md5(f"{method}:{said.get('uri', '')}")
    wanted = _md5(f"{secret}:{NONCE}:{action}")
    return said.get("username") == user and said.get("response") == wanted


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
