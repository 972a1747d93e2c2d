"""What libraries say of a connection that failed, and what it is called."""

from __future__ import annotations

import pytest

from framewire.client.unreachable import reason_of

# As Python 3.11 to 3.14 say it, and as we say it ourselves of what answers something else than gRPC.


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1016)",
            "its certificate has expired",
        ),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1016)",
            "its certificate is not signed by one that is trusted",
        ),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: IP address mismatch, certificate is not valid"
            " for '127.0.0.1'. (_ssl.c:1016)",
            "its certificate does not name this host",
        ),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate is not yet valid (_ssl.c:1016)",
            "its certificate is not valid yet",
        ),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1016)", "it does not speak TLS"),
        ("[SSL] record layer failure (_ssl.c:1081)", "it does not speak TLS"),
        ("[Errno -2] Name or service not known", "nobody knows a host of this name"),
        ("[Errno 111] Connection refused", "nobody listens there: connection refused"),
        ("All connection attempts failed", "nobody listens there, or there is no way to it"),
        (
            "Multiple exceptions: [Errno 111] Connect call failed ('::1', 5001, 0, 0), [Errno 111] Connect call failed"
            " ('127.0.0.1', 5001)",
            "nobody listens there, or there is no way to it",
        ),
        ("Connection refused", "nobody listens there: connection refused"),
        ("it closed the connection", "it closed the connection at once"),
        ("Connection reset by peer", "it closed the connection at once"),
        ("it wants TLS", "it wants TLS"),
        ("it speaks HTTP/1 and not gRPC", "it does not speak gRPC"),
        ("it does not speak gRPC", "it does not speak gRPC"),
        ("Stream removed", None),
        ("", None),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(text: str, words: str | None) -> None:
    reason = reason_of(text)
    assert (None if reason is None else reason[0]) == words
