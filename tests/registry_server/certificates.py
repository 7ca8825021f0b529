"""A certificate by a private authority, as registries inside a company often have.

Made as manuals have it made, `openssl req -x509` for the authority and `openssl x509 -req` for the
server: without the key usage that Python insists on by default. For localhost, 127.0.0.1 and
registry.example.com; valid until 2126. The authority's key is gone.

ANOTHER_AUTHORITY vouches for another server, of the same names, registry.example.org, ::1 and
fd00::1, and for a client. The passphrase of the encrypted key is `secret`.
"""

from __future__ import annotations

import ssl
from pathlib import Path

__all__ = [
    "ANOTHER_AUTHORITY",
    "AUTHORITY",
    "CERTIFICATE",
    "CLIENT",
    "CLIENT_KEY",
    "ENCRYPTED_KEY",
    "KEY",
    "another_context",
    "server_context",
]

_HERE = Path(__file__).parent / "tls"
AUTHORITY = _HERE / "authority.pem"
CERTIFICATE = _HERE / "certificate.pem"
KEY = _HERE / "key.pem"
ANOTHER_AUTHORITY = _HERE / "another-authority.pem"
CLIENT = _HERE / "client.pem"
CLIENT_KEY = _HERE / "client-key.pem"
ENCRYPTED_KEY = _HERE / "client-key-encrypted.pem"


def server_context() -> ssl.SSLContext:
    """TLS for a server of this machine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, KEY)
    return context


def another_context(*, client: bool = False, tls12: bool = False) -> ssl.SSLContext:
    """TLS for a server that ANOTHER_AUTHORITY vouches for, and that may want to know its clients.

    Args:
        client: whether clients need a certificate of the same authority.
        tls12: speak no version later than 1.2.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_HERE / "another-certificate.pem", _HERE / "another-key.pem")
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ANOTHER_AUTHORITY)
    if tls12:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context
