"""Why an extension cannot be reached, in plain words, from what Python and we ourselves say of it."""

from __future__ import annotations

_CHECK_CERTIFICATES = "check the trusted certificates"

_KNOWN = (
    (
        ("name or service not known", "no address associated with hostname"),
        "nobody knows a host of this name",
        "check the address",
    ),
    (
        ("connection refused",),
        "nobody listens there: connection refused",
        "check the address, and that the server is running",
    ),
    (
        ("all connection attempts failed", "connect call failed"),
        "nobody listens there, or there is no way to it",
        "check the address, and that the server is running",
    ),
    (
        ("it closed the connection", "connection reset by peer", "broken pipe"),
        "it closed the connection at once",
        "see whether just one side uses TLS, and what its log says",
    ),
    (
        ("hostname mismatch", "ip address mismatch"),
        "its certificate does not name this host",
        "take the name that the certificate holds, or give the server another certificate",
    ),
    (("certificate has expired",), "its certificate has expired", "give the server a new one"),
    (("not yet valid",), "its certificate is not valid yet", "check the clocks of both machines"),
    (("certificate_verify_failed",), "its certificate is not signed by one that is trusted", _CHECK_CERTIFICATES),
    (
        ("wrong version number", "record layer failure"),
        "it does not speak TLS",
        "check the port, or take an endpoint without TLS",
    ),
    (("it wants tls",), "it wants TLS", "take an endpoint with TLS"),
    (("it speaks http/1", "it does not speak grpc"), "it does not speak gRPC", "check the port"),
)
"""The first that fits. What is said of a wrong name says as well that the check has failed."""


def reason_of(text: str) -> tuple[str, str] | None:
    """What a failed connection means for who runs the pipeline.

    Args:
        text: The text of an exception, or the details of a status.

    Returns:
        What is wrong and what to do; None when the text is of another kind.
    """
    lower = text.lower()
    for signs, words, remedy in _KNOWN:
        if any(sign in lower for sign in signs):
            return words, remedy
    return None
