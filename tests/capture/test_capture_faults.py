"""What each error of FFmpeg is to the outside."""

import errno

import av.error
import pytest

from framewire.capture.events import event_of_fault
from framewire.capture.faults import SessionError, fault_of
from framewire.errors import ConfigurationError, PeerError

NETWORK, PROTOCOL = "NetworkError", "ProtocolError"

TABLE = [
    (av.error.HTTPUnauthorizedError(1, ""), "AuthenticationError", "401", True),
    (av.error.HTTPForbiddenError(1, ""), "AuthorizationError", "403", True),
    (av.error.HTTPNotFoundError(1, ""), PROTOCOL, "404", False),
    (av.error.HTTPBadRequestError(1, ""), PROTOCOL, "400", False),
    (av.error.HTTPTooManyRequestsError(1, ""), PROTOCOL, "429", True),
    (av.error.HTTPOtherClientError(1, ""), PROTOCOL, "4XX", False),
    (av.error.HTTPServerError(1, ""), PROTOCOL, "5XX", False),
    (av.error.ExitError(1, ""), NETWORK, "timeout", False),
    (av.error.TimeoutError(errno.ETIMEDOUT, ""), NETWORK, "timeout", False),
    (av.error.ConnectionRefusedError(errno.ECONNREFUSED, ""), NETWORK, "connectionRefused", False),
    (av.error.ConnectionResetError(errno.ECONNRESET, ""), NETWORK, "connectionReset", False),
    (av.error.BrokenPipeError(errno.EPIPE, ""), NETWORK, "connectionReset", False),
    (av.error.EOFError(1, ""), NETWORK, "ended", False),
    (av.error.OSError(errno.EHOSTUNREACH, "No route to host"), NETWORK, "hostUnreachable", False),
    (av.error.OSError(errno.ENETUNREACH, "Network is unreachable"), NETWORK, "networkUnreachable", False),
    (av.error.OSError(errno.EIO, "Input/output error"), NETWORK, "inputOutput", False),
    (av.error.OSError(errno.EPROTONOSUPPORT, "Protocol not supported"), PROTOCOL, "461", False),
    (av.error.OSError(errno.ENOBUFS, "No buffer space"), NETWORK, "inputOutput", False),
    (av.error.InvalidDataError(1, ""), PROTOCOL, "invalidData", False),
    (ValueError("embedded null byte"), PROTOCOL, "invalidData", False),
    (av.error.DecoderNotFoundError(1, ""), "MediaFormatError", "unsupportedVideoFormat", False),
    (av.error.DemuxerNotFoundError(1, ""), "MediaFormatError", "unsupportedVideoFormat", False),
    (av.error.PatchWelcomeError(1, "Not yet implemented"), "RuntimeError", "unknown", False),
    (PeerError("/dev/video0 went away", status="UNAVAILABLE"), "RuntimeError", "device", False),
    (MemoryError(), "RuntimeError", "unknown", False),
]


@pytest.mark.parametrize(("error", "event", "code", "is_refusal"), TABLE, ids=lambda value: type(value).__name__)
def test_an_error_is_told_as(error: Exception, event: str, code: str, is_refusal: bool) -> None:
    fault = fault_of(error)
    assert (fault.event, fault.code, fault.is_refusal) == (f"Diagnostics.{event}", code, is_refusal)
    assert fault.words


def test_no_text_of_ffmpeg_with_an_address_in_it_comes_through() -> None:
    error = av.error.HTTPUnauthorizedError(1, "no", "rtsp://admin:geheim@camera/")
    assert "geheim" in str(error)
    assert "geheim" not in repr(fault_of(error))


def test_a_fault_that_is_known_stays_what_it_is() -> None:
    fault = fault_of(av.error.HTTPNotFoundError(1, ""))
    assert fault_of(SessionError(fault)) is fault


def test_the_remedy_of_a_device_comes_along() -> None:
    fault = fault_of(ConfigurationError("/dev/video0 may not be opened", remedy="join the group video"))
    assert (fault.words, fault.remedy) == ("/dev/video0 may not be opened", "join the group video")


def test_a_fault_becomes_an_event_with_code_target_and_protocol() -> None:
    event = event_of_fault(
        fault_of(av.error.HTTPNotFoundError(1, "")), target="rtsp://***@camera/x", protocol="rtsp", time=7
    )
    assert event.kind == "Diagnostics.ProtocolError"
    assert event.time == 7
    assert event.body == {
        "code": "404",
        "target": "rtsp://***@camera/x",
        "protocol": "rtsp",
        "details": [{"code": "NotFound", "message": "the camera has no such stream (404)"}],
    }
