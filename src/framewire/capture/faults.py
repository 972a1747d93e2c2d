"""What can go wrong with a camera, in the words and the events of the outside.

One table translates what FFmpeg reports. Texts hold no address: FFmpeg's own would, and that may hold a password.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

import av.error

from framewire.errors import FramewireError


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a connection was not made, or ended.

    Attributes:
        event: The event that tells of it (topologies, section 6), without the prefix.
        code: Status of the protocol, such as `404`, or a word where there is none.
        name: A short name of the kind, for programs.
        words: What happened, in plain words.
        remedy: What to do; empty when waiting is all.
        is_refusal: Whether trying again soon does harm: the camera knows us and does not want us.
    """

    event: str
    code: str
    name: str
    words: str
    remedy: str = ""
    is_refusal: bool = False


class SessionError(FramewireError):
    """A session could not be opened, or was lost.

    Args:
        fault: Why.
    """

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.words, remedy=fault.remedy)
        self.fault = fault


NETWORK = "Diagnostics.NetworkError"
PROTOCOL = "Diagnostics.ProtocolError"
AUTHENTICATION = "Diagnostics.AuthenticationError"
AUTHORIZATION = "Diagnostics.AuthorizationError"
MEDIA_FORMAT = "Diagnostics.MediaFormatError"
RUNTIME = "Diagnostics.RuntimeError"

_SEE_NETWORK = "check the address and the network"
_SEE_PATH = "check the path in the URL"

ENDED = Fault(NETWORK, "ended", "SessionEnded", "the camera ended the session")
NO_VIDEO = Fault(
    MEDIA_FORMAT,
    "unsupportedVideoFormat",
    "UnsupportedVideoFormat",
    "there is no video in what the camera sends",
    "choose a stream with H.264, H.265 or MJPEG video",
)
UNKNOWN_CODEC = Fault(
    MEDIA_FORMAT,
    "unsupportedVideoFormat",
    "UnsupportedVideoFormat",
    "the camera's video is in a format that is not known",
    "set the camera to H.264, H.265 or MJPEG",
)
NO_PICTURE = Fault(
    MEDIA_FORMAT,
    "unsupportedVideoFormat",
    "UndecodableVideo",
    "what the camera sends gives no picture",
    "see whether the camera is well, and how often it sends a key frame",
)

_NOT_SECURE = "no secure connection: "

UNTRUSTED = Fault(
    NETWORK,
    "tls",
    "Untrusted",
    _NOT_SECURE + "the camera's certificate is not signed by one that is trusted",
    "check the trusted certificates",
)
MISNAMED = Fault(
    NETWORK,
    "tls",
    "Misnamed",
    _NOT_SECURE + "the camera's certificate does not name this host",
    "take the name that it holds, or have the name ignored",
)
EXPIRED = Fault(
    NETWORK,
    "tls",
    "Expired",
    _NOT_SECURE + "the camera's certificate has expired",
    "give the camera a new one, and see whether the clocks are right",
)
NO_TLS = Fault(
    NETWORK, "tls", "NoTls", _NOT_SECURE + "what answers does not speak TLS, or not as we do", "check the port"
)

_BY_CLASS: tuple[tuple[type[BaseException], Fault], ...] = (
    (
        av.error.HTTPUnauthorizedError,
        Fault(
            AUTHENTICATION,
            "401",
            "Unauthorized",
            "the camera refuses user and password (401)",
            "check user and password",
            is_refusal=True,
        ),
    ),
    (
        av.error.HTTPForbiddenError,
        Fault(
            AUTHORIZATION,
            "403",
            "Forbidden",
            "the camera does not let this user see the stream (403)",
            "give the user the right to view, or take another",
            is_refusal=True,
        ),
    ),
    (
        av.error.HTTPNotFoundError,
        Fault(PROTOCOL, "404", "NotFound", "the camera has no such stream (404)", _SEE_PATH),
    ),
    (
        av.error.HTTPBadRequestError,
        Fault(PROTOCOL, "400", "BadRequest", "the camera does not understand the request (400)", _SEE_PATH),
    ),
    (
        av.error.HTTPTooManyRequestsError,
        Fault(PROTOCOL, "429", "TooManyRequests", "the camera wants fewer requests (429)", is_refusal=True),
    ),
    (
        av.error.HTTPOtherClientError,
        Fault(
            PROTOCOL,
            "4XX",
            "Refused",
            "the camera refuses the request (4xx)",
            "check the path in the URL",
        ),
    ),
    (
        av.error.HTTPServerError,
        Fault(
            PROTOCOL,
            "5XX",
            "ServerError",
            "the camera fails to serve the stream (5xx)",
            "see whether the camera has too many viewers",
        ),
    ),
    (av.error.ExitError, Fault(NETWORK, "timeout", "Timeout", "no answer in time", _SEE_NETWORK)),
    (TimeoutError, Fault(NETWORK, "timeout", "Timeout", "nothing came in time", _SEE_NETWORK)),
    (
        ConnectionRefusedError,
        Fault(
            NETWORK,
            "connectionRefused",
            "ConnectionRefused",
            "nobody listens at this address (connection refused)",
            "check host and port, and whether the camera is on",
        ),
    ),
    (
        ConnectionError,
        Fault(NETWORK, "connectionReset", "ConnectionReset", "the camera broke the connection", _SEE_NETWORK),
    ),
    (EOFError, ENDED),
    (av.error.DecoderNotFoundError, UNKNOWN_CODEC),
    (av.error.DemuxerNotFoundError, UNKNOWN_CODEC),
    (
        ValueError,
        Fault(
            PROTOCOL,
            "invalidData",
            "InvalidData",
            "what came is neither RTSP nor video (invalid data)",
            "see whether the address is that of a video stream",
        ),
    ),
)
"""The first that fits. FFmpeg's own classes come before the ones of Python that they belong to."""

_BY_NUMBER = {
    # What FFmpeg makes of 461.
    errno.EPROTONOSUPPORT: Fault(
        PROTOCOL,
        "461",
        "UnsupportedTransport",
        "the camera does not know this transport (461)",
        "choose another transport: tcp, udp or http",
    ),
    errno.EHOSTUNREACH: Fault(NETWORK, "hostUnreachable", "HostUnreachable", "no way to this host", _SEE_NETWORK),
    errno.ENETUNREACH: Fault(
        NETWORK, "networkUnreachable", "NetworkUnreachable", "no way to this network", _SEE_NETWORK
    ),
    errno.EADDRNOTAVAIL: Fault(NETWORK, "hostUnreachable", "HostUnreachable", "no way to this host", _SEE_NETWORK),
    # What FFmpeg says of a name that nobody knows, too.
    errno.EIO: Fault(
        NETWORK, "inputOutput", "InputOutput", "the host's name is not known, or reading failed", _SEE_NETWORK
    ),
}


def fault_of(error: BaseException) -> Fault:
    """Translates what FFmpeg reports.

    Args:
        error: What opening or reading raised.

    Returns:
        The fault; for what the table does not know a `RuntimeError` event with FFmpeg's words.
    """
    if isinstance(error, SessionError):
        return error.fault
    for kind, fault in _BY_CLASS:
        if isinstance(error, kind):
            return fault
    if isinstance(error, OSError):
        known = _BY_NUMBER.get(error.errno or 0)
        return known or Fault(NETWORK, "inputOutput", "InputOutput", _reason(error), _SEE_NETWORK)
    if isinstance(error, FramewireError):
        return Fault(RUNTIME, "device", type(error).__name__, error.problem, error.remedy or error.allowed)
    return Fault(RUNTIME, "unknown", type(error).__name__, _reason(error))


def silence(seconds: float) -> Fault:
    """Nothing came for so long that the connection is given up."""
    return Fault(NETWORK, "stalled", "Stalled", f"the camera sent nothing for {seconds:g} s")


def no_answer(seconds: float) -> Fault:
    """The camera did not open in time."""
    return Fault(NETWORK, "timeout", "Timeout", f"no answer within {seconds:g} s", _SEE_NETWORK)


def stuck(count: int) -> Fault:
    """As many connections as may hang do so."""
    return Fault(
        RUNTIME,
        "stuck",
        "Stuck",
        f"{count} connections to the camera hang; a new one is made when one of them ends",
        "restart the program when this lasts",
    )


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
