"""Whose certificates are believed."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from framewire.errors import ConfigurationError

_CERTIFICATE = re.compile(r"-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----.+?-----END \1-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Trust:
    """How an extension behind TLS is checked (topologies, section 2).

    Args:
        certificates: Authorities as PEM text, in place of the system's; empty for those.
        ignore_hostname: The certificate may name another host.
        ignore_signature: Anybody may have signed it.
    """

    certificates: Sequence[str] = ()
    ignore_hostname: bool = False
    ignore_signature: bool = False

    def context(self) -> ssl.SSLContext:
        """As the system's library wants it.

        Raises:
            ConfigurationError: A certificate is none.
        """
        # Without what people write between them: the library wants ASCII.
        trusted = "\n".join(found[0] for found in _CERTIFICATE.finditer("\n".join(self.certificates)))
        try:
            if self.certificates and not trusted:
                raise ValueError
            context = ssl.create_default_context(cadata=trusted or None)
        except (ssl.SSLError, ValueError, TypeError):
            raise ConfigurationError("a trusted certificate is not legal", allowed="PEM text") from None
        # From Python 3.13 on, authorities of one's own making would be refused for what is missing in them.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.certificates:
            # Who lists one that another has signed trusts that one.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = not (self.ignore_hostname or self.ignore_signature)
        if self.ignore_signature:
            context.verify_mode = ssl.CERT_NONE
        return context
