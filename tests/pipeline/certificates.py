"""Certificates for tests, each signed by itself, made by openssl."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as PEM."""

    text: str
    key: str
    path: Path
    """Both in one file."""

    def context(self) -> ssl.SSLContext:
        """For a server that shows it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        return context


def certificate_for(folder: Path, *names: str) -> Certificate:
    """A certificate for these names, such as `DNS:localhost` or `IP:127.0.0.1`."""
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2"
    folder.mkdir()
    try:
        subprocess.run(
            [*words.split(), "-subj", "/CN=test", "-addext", f"subjectAltName={','.join(names)}"],
            cwd=folder,
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("needs openssl to make a certificate")
    text, key = (folder / "cert.pem").read_text(), (folder / "key.pem").read_text()
    path = folder / "both.pem"
    path.write_text(text + key)
    return Certificate(text, key, path)
