"""Trust: which certificates a registry may show."""

from __future__ import annotations

import os
import ssl

from lading.errors import InputError

__all__ = ["client_context"]

# Where distributions keep their authorities. An interpreter that was built elsewhere, as Bazel
# toolchains are, looks in places that may not exist here.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def client_context(ca_file: str = "") -> ssl.SSLContext:
    """Verifies host and chain, TLS 1.2 or later; `ca_file` is trusted in addition.

    Raises InputError if `ca_file` cannot be read.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python refuses since 3.13 what no other client minds: authorities without key usage, as the
    # manuals of registries have them made.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not os.environ.get("SSL_CERT_FILE") and not context.cert_store_stats()["x509_ca"]:
        for bundle in _BUNDLES:
            if os.path.isfile(bundle):
                context.load_verify_locations(bundle)
                break
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise InputError(f"{ca_file} holds no certificates: {error}") from None
    return context
