"""What is right and wrong with a camera's certificate, which FFmpeg does not tell.

FFmpeg checks signature and name or neither, and has one number for everything that is wrong. So where more is to be
known, the certificate is looked at in a handshake of our own.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

from framewire.capture.connections import DEFAULT_PORTS
from framewire.capture.faults import EXPIRED, MISNAMED, NO_TLS, UNTRUSTED, SessionError, fault_of

_FAULTS = {62: MISNAMED, 64: MISNAMED, 10: EXPIRED}
"""By OpenSSL's number (X509_V_ERR_*)."""


def shown_certificate(
    url: str, trusted_certificates: str, timeout_s: float, *, must_name_host: bool = True
) -> dict[str, Any]:
    """Connects, and has the camera prove itself.

    Args:
        url: Of the camera.
        trusted_certificates: Path of a PEM file.
        timeout_s: How long each step may take.
        must_name_host: Whether the certificate has to be for the host of the URL.

    Returns:
        The certificate that it shows, as `ssl` describes one.

    Raises:
        SessionError: What is wrong with it; or there is nobody.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = must_name_host
        # As FFmpeg's library does: one that is listed is trusted, whoever has signed it.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(trusted_certificates)
        except ssl.SSLError:
            raise SessionError(UNTRUSTED) from None
        with (
            socket.create_connection((host, port), timeout_s) as connection,
            context.wrap_socket(connection, server_hostname=host) as encrypted,
        ):
            return encrypted.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        raise SessionError(_FAULTS.get(error.verify_code, UNTRUSTED)) from None
    except ssl.SSLError:
        raise SessionError(NO_TLS) from None
    except OSError as error:
        raise SessionError(fault_of(error)) from None


def name_in_certificate(url: str, trusted_certificates: str, timeout_s: float) -> str | None:
    """A host that the camera's certificate is good for; None when it names none.

    With this name, FFmpeg checks who has signed the certificate although it is for another host than the URL's.

    Raises:
        SessionError: It is not signed by one of the trusted; or there is nobody.
    """
    shown = shown_certificate(url, trusted_certificates, timeout_s, must_name_host=False)
    names = [str(name) for kind, name in shown.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    # Old certificates have one name, in their subject.
    names += [str(value) for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
    return names[0].replace("*", "any", 1) if names else None
