"""A certificate by a private authority, as registries inside a company often have.

Made as manuals have it made, `openssl req -x509` for the authority and `openssl x509 -req` for the
server: without the key usage that Python insists on by default. For localhost, 127.0.0.1 and
registry.example.com; valid until 2126. The authority's key is gone.
"""

from __future__ import annotations

import ssl
from pathlib import Path

__all__ = ["AUTHORITY", "CERTIFICATE", "KEY", "server_context"]

AUTHORITY = Path(__file__).parent / "tls" / "authority.pem"
CERTIFICATE = Path(__file__).parent / "tls" / "certificate.pem"
KEY = Path(__file__).parent / "tls" / "key.pem"


def server_context() -> ssl.SSLContext:
    """TLS for a server of this machine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, KEY)
    return context
