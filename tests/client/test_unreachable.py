"""What libraries say of a connection that failed, and what it is called."""

from __future__ import annotations

import pytest

from framewire.client.unreachable import reason_of

# As grpcio 1.85 and Python 3.11 to 3.14 say it.
GRPC = "failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.7:5001: "


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            GRPC + "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL routines:"
            "OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: self signed certificate: OK",
            "its certificate is not signed by one that is trusted",
        ),
        (
            GRPC + "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL routines:"
            "OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: certificate has expired: OK",
            "its certificate has expired",
        ),
        (
            GRPC + "Custom verification check failed with error: UNAUTHENTICATED: Hostname Verification Check failed.",
            "its certificate does not name this host",
        ),
        (
            GRPC + "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:100000f7:SSL routines:"
            "OPENSSL_internal:WRONG_VERSION_NUMBER: Invalid certificate verification context: OK",
            "it does not speak TLS",
        ),
        (GRPC + "Failed to connect to remote host: Connection refused", "nobody listens there: connection refused"),
        (
            "errors resolving detector:5001: [field:hostname lookup error:address lookup failed for detector:5001:"
            " Domain name not found]",
            "nobody knows a host of this name",
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
            "failed to connect to all addresses; last error: UNAVAILABLE: ipv4:10.0.0.7:5001: Socket closed",
            "it closed the connection at once",
        ),
        ("Stream removed", None),
        ("", None),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(text: str, words: str | None) -> None:
    reason = reason_of(text)
    assert (None if reason is None else reason[0]) == words
