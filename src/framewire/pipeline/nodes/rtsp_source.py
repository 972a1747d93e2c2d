"""The camera of a topology."""

from __future__ import annotations

import atexit
import os
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path

from framewire.capture import CaptureEvent, CaptureOptions, open_capture
from framewire.errors import ConfigurationError
from framewire.pipeline.node import Surroundings
from framewire.pipeline.nodes.source import SourceNode
from framewire.topology.nodes import RtspSource
from framewire.topology.parts import TlsEndpoint, UsernamePasswordCredentials


def _trusted(endpoint: TlsEndpoint) -> str | None:
    """The path of a file with the certificates that are trusted, as FFmpeg wants one; None when any is.

    Raises:
        ConfigurationError: The document lists none, and neither does the system.
    """
    if endpoint.validation_options.ignore_signature or not endpoint.url.startswith(("rtsps:", "https:")):
        return None
    if endpoint.trusted_certificates is not None:
        return _kept(endpoint.trusted_certificates.certificates)
    path = ssl.get_default_verify_paths().cafile
    if path is None:
        raise ConfigurationError(
            "the source is to prove itself, and this system has no file of trusted certificates",
            remedy="list them in trustedCertificates, or name a file in SSL_CERT_FILE",
        )
    return path


def _kept(certificates: Sequence[str]) -> str:
    """The path of a file with the certificates, as FFmpeg wants one; it goes with the process."""
    descriptor, path = tempfile.mkstemp(prefix="framewire-", suffix=".pem")
    atexit.register(Path(path).unlink, missing_ok=True)
    os.close(descriptor)
    Path(path).write_text("\n".join(certificates), encoding="utf-8")
    return path


def make_source(definition: RtspSource, surroundings: Surroundings, *, is_loop: bool) -> SourceNode:
    """The node for a source, which reads a camera, a file, a device or the synthetic scene."""
    endpoint = definition.endpoint
    user = password = None
    if isinstance(endpoint.credentials, UsernamePasswordCredentials):
        user = endpoint.credentials.username
        password = endpoint.credentials.password.get_secret_value()
    options = CaptureOptions(
        endpoint.url,
        user,
        password,
        definition.transport,
        loop=is_loop,
        in_real_time=not surroundings.is_lossless,
        trusted_certificates=_trusted(endpoint) if isinstance(endpoint, TlsEndpoint) else None,
        is_hostname_ignored=isinstance(endpoint, TlsEndpoint) and endpoint.validation_options.ignore_hostname,
    )

    def tell(event: CaptureEvent) -> None:
        surroundings.tell(event.kind, "sources", definition.name, event.body)
        for detail in event.body.get("details", ()):
            surroundings.note(f"{definition.name}: {event.body['target']}: {detail['message']}")

    return SourceNode(definition.name, surroundings, lambda: open_capture(options, tell=tell))
