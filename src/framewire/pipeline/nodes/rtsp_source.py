"""The camera of a topology."""

from __future__ import annotations

import os
import ssl
import weakref
from collections.abc import Sequence

from framewire.capture import CaptureEvent, CaptureOptions, open_capture
from framewire.errors import ConfigurationError
from framewire.pipeline.node import Surroundings
from framewire.pipeline.nodes.source import SourceNode
from framewire.topology.nodes import RtspSource
from framewire.topology.parts import TlsEndpoint, UsernamePasswordCredentials


class _CertificateFile:
    """Certificates as a file, as FFmpeg wants them, that no end of the process leaves behind."""

    def __init__(self, certificates: Sequence[str]) -> None:
        descriptor = os.memfd_create("framewire-certificates")
        weakref.finalize(self, os.close, descriptor)
        with open(descriptor, "w", encoding="utf-8", closefd=False) as file:
            file.write("\n".join(certificates))
        self.path = f"/proc/self/fd/{descriptor}"


def _trusted(endpoint: TlsEndpoint) -> str | _CertificateFile | None:
    """The path of a file with the certificates that are trusted, or that file; None when any is.

    Raises:
        ConfigurationError: The document lists none, and neither does the system.
    """
    if endpoint.validation_options.ignore_signature or not endpoint.url.startswith(("rtsps:", "https:")):
        return None
    if endpoint.trusted_certificates is not None:
        return _CertificateFile(endpoint.trusted_certificates.certificates)
    path = ssl.get_default_verify_paths().cafile
    if path is None:
        raise ConfigurationError(
            "the source is to prove itself, and this system has no file of trusted certificates",
            remedy="list them in trustedCertificates, or name a file in SSL_CERT_FILE",
        )
    return path


def make_source(definition: RtspSource, surroundings: Surroundings, *, is_loop: bool) -> SourceNode:
    """The node for a source, which reads a camera, a file, a device or the synthetic scene."""
    endpoint = definition.endpoint
    user = password = None
    if isinstance(endpoint.credentials, UsernamePasswordCredentials):
        user = endpoint.credentials.username
        password = endpoint.credentials.password.get_secret_value()
    trusted = _trusted(endpoint) if isinstance(endpoint, TlsEndpoint) else None
    options = CaptureOptions(
        endpoint.url,
        user,
        password,
        definition.transport,
        loop=is_loop,
        in_real_time=not surroundings.is_lossless,
        trusted_certificates=trusted.path if isinstance(trusted, _CertificateFile) else trusted,
        is_hostname_ignored=isinstance(endpoint, TlsEndpoint) and endpoint.validation_options.ignore_hostname,
    )

    def tell(event: CaptureEvent) -> None:
        surroundings.tell(event.kind, "sources", definition.name, event.body)
        for detail in event.body.get("details", ()):
            surroundings.complain(f"{definition.name}: {event.body['target']}: {detail['message']}")

    node = SourceNode(definition.name, surroundings, lambda: open_capture(options, tell=tell))
    # The file is there as long as something may open it.
    node.keeps = trusted
    return node
