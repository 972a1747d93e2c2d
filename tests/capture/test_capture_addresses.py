"""What an address stands for, and which options can be."""

from pathlib import Path

import pytest

from framewire.capture import CaptureOptions
from framewire.capture.kinds import target_of
from framewire.errors import ConfigurationError


@pytest.mark.parametrize(
    ("address", "kind", "shown", "protocol"),
    [
        ("rtsp://admin:geheim@camera/live?token=1", "rtsp:// or rtsps:// URL", "rtsp://***@camera/live?...", "rtsp"),
        ("RTSPS://camera/live", "rtsp:// or rtsps:// URL", "rtsps://camera/live", "rtsps"),
        (" rtsp://camera/live\n", "rtsp:// or rtsps:// URL", "rtsp://camera/live", "rtsp"),
        ("https://user:geheim@host/a.mp4", "http(s):// URL", "https://***@host/a.mp4", "https"),
        ("/dev/video7", "/dev/videoN", "/dev/video7", "file"),
        ("test:fps=5", "test: (a synthetic scene)", "test:fps=5", "file"),
    ],
)
def test_an_address_is_of_a_kind(address: str, kind: str, shown: str, protocol: str) -> None:
    target = target_of(CaptureOptions(address))
    assert (target.kind.name, target.name, target.protocol) == (kind, shown, protocol)


@pytest.mark.parametrize("prefix", ["", "file:", "file://", "file://localhost"])
def test_a_file_may_be_given_as_a_url(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "a clip.mp4"
    path.write_bytes(b"")
    assert target_of(CaptureOptions(f"{prefix}{path}")).address == str(path)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", "a source without a name does not exist"),
        ("/no/such/clip.mp4", "/no/such/clip.mp4 does not exist"),
        ("ftp://admin:geheim@host/a.mp4", r"ftp://\*\*\*@host/a.mp4 is of no kind that is known"),
        ("concat:/etc/passwd", "concat:/etc/passwd does not exist"),
        ("rtsp:///live", "rtsp:///live does not name a host, or not a port that can be; allowed: SCHEME://HOST"),
        ("rtsp://admin:geheim@/live", r"rtsp://\*\*\*@/live does not name a host"),
        ("rtsp://admin:geheim/1@camera/live", r"rtsp://\*\*\*@camera/live .*; a / in a password is written as %2F"),
        ("rtsp://camera:0/live", "rtsp://camera:0/live does not name a host, or not a port"),
        ("rtsp://camera:65536/live", "rtsp://camera:65536/live does not name a host, or not a port"),
        ("rtsp://camera:rtsp/live", "rtsp://camera:rtsp/live does not name a host, or not a port"),
        ("http://[::1/live", r"http://\[::1/live does not name a host"),
        ("rtsp://camera/a\r\nX: y", "the address of the source holds control characters"),
        ("rtsp://camera/\0", "the address of the source holds control characters"),
    ],
)
def test_an_address_that_cannot_be_is_refused(address: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as refused:
        target_of(CaptureOptions(address))
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"transport": "carrier pigeon"}, "transport 'carrier pigeon' is unknown; allowed: tcp, udp, http"),
        ({"stall_s": 0.0}, r"stall_s 0.0 is out of range; allowed: 0.01 to 86400 seconds"),
        ({"stall_s": float("nan")}, "stall_s nan is out of range"),
        ({"connect_timeout_s": float("inf")}, "connect_timeout_s inf is out of range"),
        ({"picture_s": -1.0}, "picture_s -1.0 is out of range"),
        ({"backoff_least_s": 90.0}, "backoff_least_s 90.0 is more than backoff_most_s 60.0"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        CaptureOptions("rtsp://camera/", **options)  # type: ignore[arg-type]


def test_certificates_that_are_not_there_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"the trusted certificates /no/such\.pem do not exist"):
        target_of(CaptureOptions("rtsps://camera/", trusted_certificates="/no/such.pem"))
