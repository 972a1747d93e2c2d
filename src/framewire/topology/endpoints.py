"""Which addresses and credentials a node can use (topologies, section 2)."""

from __future__ import annotations

import re

from framewire.topology.binding import Bound
from framewire.topology.json_value import Json
from framewire.topology.nodes import GrpcExtension, HttpExtension, RtspSource
from framewire.topology.parts import (
    HttpHeaderCredentials,
    Part,
    SymmetricKeyCredentials,
    TlsEndpoint,
)
from framewire.topology.problems import Findings

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PORT = re.compile(r"[0-9]{1,5}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LETTERS = re.compile(r"[A-Za-z]{2,20}:")

_SOURCE_SCHEMES = ("rtsp", "rtsps", "http", "https", "file", "test")
_SOURCE_FORM = "rtsp://, rtsps://, http://, https://, a path, file:, /dev/videoN, test:"
_SCHEMES: dict[type[Part], tuple[tuple[str, ...], str]] = {
    GrpcExtension: (("tcp",), "tcp://HOST:PORT"),
    HttpExtension: (("http", "https"), "http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH"),
}
_ENCRYPTED = ("rtsps", "https")


def check_endpoint(node: Bound, findings: Findings) -> None:
    """Notes what is wrong with the endpoint of a source or an extension."""
    endpoint = node.part("endpoint")
    if endpoint is None or not endpoint.is_known:
        return
    url = endpoint.value("url")
    if isinstance(url, str):
        place = endpoint.place("url")
        scheme = _check_source(url, place, findings) if node.kind is RtspSource else _check_server(node, url, findings)
        if endpoint.kind is TlsEndpoint and scheme in ("rtsp", "http"):
            findings.warning(place, f"a TlsEndpoint whose address is not encrypted: {scheme}", allowed=f"{scheme}s://")
    if endpoint.kind is TlsEndpoint:
        _check_tls(node, endpoint, findings)
    _check_credentials(node, endpoint, findings)


def _check_source(url: str, place: Json, findings: Findings) -> str:
    """Checks the address of a source; answers its scheme, empty for a path."""
    match = _SCHEME.match(url)
    if match is None:
        beginning = _LETTERS.match(url)
        scheme = beginning[0][:-1].lower() if beginning else ""
        if scheme in ("rtsp", "rtsps", "http", "https"):
            findings.error(place, "no address: '//' is missing", allowed=_SOURCE_FORM, near=f"{scheme}://")
        return scheme
    scheme = match[1].lower()
    if scheme not in _SOURCE_SCHEMES:
        findings.error(
            place, "no address of a source", allowed=_SOURCE_FORM, meant=scheme, names=[f"{s}" for s in _SOURCE_SCHEMES]
        )
    elif scheme not in ("file", "test"):
        _check_place(url[match.end() :], place, findings, needs_port=False)
    return scheme


def _check_server(node: Bound, url: str, findings: Findings) -> str:
    """Checks the address of an extension; answers its scheme."""
    endpoint = node.part("endpoint")
    assert endpoint is not None
    place = endpoint.place("url")
    schemes, form = _SCHEMES[node.kind]
    match = _SCHEME.match(url)
    scheme = match[1].lower() if match else ""
    if node.kind is GrpcExtension and url.startswith("unix:") and len(url) > len("unix:"):
        return "unix"
    if match is None or scheme not in schemes:
        meant = {"meant": scheme, "names": schemes} if match else {}
        findings.error(place, f"no address that {node.kind.__name__} can use", allowed=form, **meant)
        return ""
    rest = url[match.end() :]
    if node.kind is GrpcExtension and set(rest.rstrip("/")) & set("@/?#"):
        findings.error(
            place,
            "more than host and port",
            allowed="tcp://HOST:PORT; user and password belong into credentials",
        )
        return scheme
    _check_place(rest, place, findings, needs_port=node.kind is GrpcExtension)
    return scheme


def _check_place(rest: str, place: Json, findings: Findings, *, needs_port: bool) -> None:
    """Checks host and port behind `://`. What stands before the last `@` is a user and a password."""
    address = re.split(r"[/?#]", rest.rpartition("@")[2], maxsplit=1)[0]
    host, separator, port = address.rpartition(":")
    if not separator or address.endswith("]"):
        host, port, separator = address, "", ""
    if not host or host in ("[]", "["):
        findings.error(place, "an address without a host", allowed="for example camera.local or 192.0.2.7")
    elif any(character.isspace() for character in address):
        findings.error(place, "an address with a space in it", allowed="a host without spaces")
    elif ":" in host and not (host.startswith("[") and host.endswith("]")):
        findings.error(place, "an IPv6 address without brackets", allowed="[2001:db8::1]:PORT")
    elif separator and not (_PORT.fullmatch(port) and 1 <= int(port) <= 65_535):
        findings.error(place, "an address with a wrong port", allowed="1 to 65535")
    elif needs_port and not separator:
        findings.error(place, "an address without a port", allowed="tcp://HOST:PORT")


def _check_tls(node: Bound, endpoint: Bound, findings: Findings) -> None:
    options = endpoint.part("validation_options")
    if options is None:
        return
    for name, member in (("ignore_hostname", "ignoreHostname"), ("ignore_signature", "ignoreSignature")):
        if options.value(name) and node.kind is GrpcExtension:
            findings.warning(
                options.place(name), f"{member} is not honoured on gRPC: name and signature are always checked"
            )


def _check_credentials(node: Bound, endpoint: Bound, findings: Findings) -> None:
    credentials = endpoint.part("credentials")
    if credentials is None or not credentials.is_known:
        return
    if credentials.kind is SymmetricKeyCredentials:
        findings.warning(
            credentials.json,
            f"{node.kind.__name__} has no use for SymmetricKeyCredentials; they are left out",
            is_value_shown=False,
        )
    if credentials.kind is not HttpHeaderCredentials:
        return
    if node.kind is not HttpExtension:
        findings.warning(
            credentials.json,
            f"{node.kind.__name__} has no use for HttpHeaderCredentials; they are left out",
            allowed="UsernamePasswordCredentials",
            is_value_shown=False,
        )
    name = credentials.value("header_name")
    if isinstance(name, str) and not _HEADER_NAME.fullmatch(name):
        findings.error(credentials.place("header_name"), "no name of a header", allowed="for example x-api-key")
    value = credentials.value("header_value")
    if isinstance(value, str) and (not value.isprintable() or not value.isascii()):
        findings.error(credentials.place("header_value"), "no value of a header", allowed="one line of ASCII")
