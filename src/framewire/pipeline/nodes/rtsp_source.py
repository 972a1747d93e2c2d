"""The camera of a topology."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from framewire.capture import CaptureEvent, CaptureOptions, open_capture
from framewire.pipeline.node import Surroundings
from framewire.pipeline.nodes.source import SourceNode
from framewire.topology.nodes import RtspSource
from framewire.topology.parts import TlsEndpoint, UsernamePasswordCredentials


def _kept(certificates: Sequence[str]) -> str:
    """The path of a file with the certificates, as FFmpeg wants one; it goes with the process."""
    descriptor, path = tempfile.mkstemp(prefix="framewire-", suffix=".pem")
    atexit.register(Path(path).unlink, missing_ok=True)
    os.close(descriptor)
    Path(path).write_text("\n".join(certificates), encoding="ascii")
    return path


def make_source(definition: RtspSource, surroundings: Surroundings, *, is_loop: bool) -> SourceNode:
    """The node for a source, which reads a camera, a file, a device or the synthetic scene."""
    endpoint = definition.endpoint
    user = password = None
    if isinstance(endpoint.credentials, UsernamePasswordCredentials):
        user = endpoint.credentials.username
        password = endpoint.credentials.password.get_secret_value()
    certificates = None
    if isinstance(endpoint, TlsEndpoint):
        if endpoint.trusted_certificates is not None:
            certificates = _kept(endpoint.trusted_certificates.certificates)
        if endpoint.validation_options.ignore_hostname or endpoint.validation_options.ignore_signature:
            surroundings.note(f"{definition.name}: validationOptions are not heeded; the certificate is checked")
    options = CaptureOptions(
        endpoint.url,
        user,
        password,
        definition.transport,
        loop=is_loop,
        in_real_time=not surroundings.is_lossless,
        trusted_certificates=certificates,
    )

    def tell(event: CaptureEvent) -> None:
        surroundings.tell(event.kind, "sources", definition.name, event.body)
        for detail in event.body.get("details", ()):
            surroundings.note(f"{definition.name}: {event.body['target']}: {detail['message']}")

    return SourceNode(definition.name, surroundings, lambda: open_capture(options, tell=tell))
