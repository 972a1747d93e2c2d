"""Which address stands for which kind of capture. One line per kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from framewire.capture.certificate import name_in_certificate, shown_certificate
from framewire.capture.faults import SessionError, fault_of
from framewire.capture.login import with_login
from framewire.capture.options import CaptureOptions
from framewire.capture.pictures import Converter
from framewire.capture.reader import Reader
from framewire.capture.source_reader import SourceReader
from framewire.capture.statistics import Counters
from framewire.capture.video import VideoReader
from framewire.errors import ConfigurationError, FramewireError
from framewire.sources.address import public_address
from framewire.sources.device import Device
from framewire.sources.still import StillImages, images_of
from framewire.sources.synthetic import SyntheticSource

_READ_GRACE_S = 1.0
"""FFmpeg's own read timeout comes after the watchdog's, which knows better what to say."""

OpenReader = Callable[[str, CaptureOptions, Converter, Counters], Reader]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of capture.

    Attributes:
        name: What to call it.
        fits: Tells its addresses.
        is_camera: Whether it is tried again for ever when it fails. A file is not: its errors are its user's.
        open: Opens a session. May block.
    """

    name: str
    fits: Callable[[str], bool]
    is_camera: bool
    open: OpenReader


@dataclass(frozen=True, slots=True)
class Target:
    """What an address stands for.

    Attributes:
        kind: Its kind.
        address: As the kind opens it; it may hold a password.
        name: As it may be shown.
        protocol: `rtsp`, `http`, `file` and so on.
    """

    kind: Kind
    address: str
    name: str
    protocol: str


def target_of(options: CaptureOptions) -> Target:
    """Finds out what an address stands for.

    Raises:
        ConfigurationError: It is of no kind that is known, or there is no such file; a login that cannot be.
    """
    certificates = options.trusted_certificates
    if certificates is not None and not Path(certificates).is_file():
        raise ConfigurationError(
            f"the trusted certificates {certificates} do not exist", allowed="a file in PEM format"
        )
    path = plain_address(options.address)
    if "\0" in path or "\n" in path or "\r" in path:
        raise ConfigurationError("the address of the source holds control characters")
    for kind in _KINDS:
        if path and _fits(kind, path):
            if "://" not in path:
                return Target(kind, path, path, "file")
            _check_place(path)
            address = with_login(path, options.user, options.password)
            return Target(kind, address, public_address(path), path.partition("://")[0])
    known = ", ".join(kind.name for kind in _KINDS)
    if "://" in path:
        raise ConfigurationError(f"{public_address(path)} is of no kind that is known", allowed=known)
    raise ConfigurationError(f"{path or 'a source without a name'} does not exist", allowed=known)


def plain_address(address: str) -> str:
    """An address in the one form that decides what is opened: a file as a path, the scheme of a URL in lower case."""
    path = re.sub(r"^file:(//(localhost)?(?=/))?", "", address.strip())
    # FFmpeg knows its protocols in lower case only.
    return re.sub(r"^[A-Za-z]+(?=://)", lambda scheme: scheme[0].lower(), path)


def _fits(kind: Kind, path: str) -> bool:
    try:
        return kind.fits(path)
    except OSError as error:  # of a folder that we may not look into, or a name that is too long
        raise ConfigurationError(f"{path[:80]} cannot be read ({error.strerror})") from None


def _check_place(url: str) -> None:
    """Sees to it that a URL names a host, and a port that can be."""
    try:
        parts = urlsplit(url)
        is_good = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        raise ConfigurationError(
            f"{public_address(url)} does not name a host, or not a port that can be",
            allowed="SCHEME://HOST[:PORT]/PATH, ports 1 to 65535",
            remedy="a / in a password is written as %2F",
        )


def _open_rtsp(url: str, options: CaptureOptions, converter: Converter, counters: Counters) -> Reader:
    is_encrypted = url.startswith("rtsps")
    transport = "https" if is_encrypted and options.transport == "http" else options.transport
    specific = {
        "rtsp_transport": transport,
        "allowed_media_types": "video",
        # A session would start a second later, only for a nominal rate that nobody needs.
        "fpsprobesize": "0",
        # Whatever the camera answers, nothing else is opened: no file, no other server by another protocol.
        "protocol_whitelist": "rtsp,rtp,udp,tcp,tls,http,https,httpproxy",
    }
    return _open_network(url, options, converter, counters, specific=specific, is_live=True)


def _open_web(url: str, options: CaptureOptions, converter: Converter, counters: Counters) -> Reader:
    # A playlist may name other servers; FFmpeg itself sees to it that it names no file.
    return _open_network(url, options, converter, counters, specific={}, is_live=None)


def _open_network(
    url: str,
    options: CaptureOptions,
    converter: Converter,
    counters: Counters,
    *,
    specific: dict[str, str],
    is_live: bool | None,
) -> Reader:
    is_verified = options.trusted_certificates is not None and url.startswith(("rtsps", "https"))
    timeout = str(int((options.stall_s + _READ_GRACE_S) * 1_000_000))
    try:
        tls = _tls_options(url, options) if is_verified else {}
        return VideoReader(
            url,
            options={"timeout": timeout, **specific, **tls},
            is_live=is_live,
            open_timeout_s=options.connect_timeout_s,
            converter=converter,
            counters=counters,
        )
    except SessionError as error:
        if is_verified and error.fault.code == "inputOutput":
            _check_certificate(url, options)
        raise


def _tls_options(url: str, options: CaptureOptions) -> dict[str, str]:
    assert options.trusted_certificates is not None
    checked = {"tls_verify": "1", "ca_file": options.trusted_certificates}
    if options.is_hostname_ignored:
        name = name_in_certificate(url, options.trusted_certificates, options.connect_timeout_s)
        if name is not None:
            checked["verifyhost"] = name
    return checked


def _check_certificate(url: str, options: CaptureOptions) -> None:
    """Raises what is wrong with the certificate: for FFmpeg it is all one."""
    assert options.trusted_certificates is not None
    shown_certificate(
        url,
        options.trusted_certificates,
        options.connect_timeout_s,
        must_name_host=not options.is_hostname_ignored,
    )


def _open_file(path: str, options: CaptureOptions, converter: Converter, counters: Counters) -> Reader:
    # The prefix keeps FFmpeg from reading a protocol out of a file name with a colon.
    return VideoReader(
        f"file:{path}",
        options={},
        is_live=False,
        open_timeout_s=None,
        converter=converter,
        counters=counters,
    )


def _open_device(path: str, options: CaptureOptions, converter: Converter, counters: Counters) -> Reader:
    try:
        return SourceReader(Device(path), counters)
    except FramewireError as error:
        raise SessionError(fault_of(error)) from None


def _open_test(spec: str, options: CaptureOptions, converter: Converter, counters: Counters) -> Reader:
    return SourceReader(SyntheticSource.parse(spec, loop=options.loop), counters)


def _open_folder(path: str, options: CaptureOptions, converter: Converter, counters: Counters) -> Reader:
    return SourceReader(StillImages(images_of(Path(path)), loop=options.loop), counters)


def _starts(*beginnings: str) -> Callable[[str], bool]:
    return lambda address: address.startswith(beginnings)


_KINDS = (
    Kind("test: (a synthetic scene)", _starts("test:"), False, _open_test),
    Kind("rtsp:// or rtsps:// URL", _starts("rtsp://", "rtsps://"), True, _open_rtsp),
    Kind("http(s):// URL", _starts("http://", "https://"), True, _open_web),
    Kind("/dev/videoN", _starts("/dev/video", "/dev/v4l/"), True, _open_device),
    Kind("folder of images", lambda path: Path(path).is_dir(), False, _open_folder),
    Kind("video file", lambda path: Path(path).exists(), False, _open_file),
)
"""The first that fits opens it."""
