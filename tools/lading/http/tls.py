"""Trust: which certificates a registry may show, and which one we show to it."""

from __future__ import annotations

import os
import ssl

from lading.errors import InputError
from lading.record import record

__all__ = ["Certificates", "client_context"]

# Where distributions keep their authorities. An interpreter that was built elsewhere, as Bazel
# toolchains are, looks in places that may not exist here.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@record
class Certificates:
    """What is kept for one server, in PEM.

    Attributes:
        directory: where.
        authorities: files with authorities to trust in addition.
        pair: the path of our own certificate without its `.cert`, and of its key without `.key`;
            empty for none.
    """

    directory: str
    authorities: tuple[str, ...] = ()
    pair: str = ""


def client_context(ca_file: str = "", kept: Certificates | None = None) -> ssl.SSLContext:
    """Verifies host and chain, TLS 1.2 or later; `ca_file` is trusted in addition.

    Raises InputError if a file is not what it has to be.
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
    for path in (*([ca_file] if ca_file else []), *(kept.authorities if kept else ())):
        _check(path)
        try:
            context.load_verify_locations(path)
        except (OSError, ValueError):
            raise InputError(f"{path} holds no certificates in PEM") from None
    if kept and kept.pair:
        _show(context, f"{kept.pair}.cert", f"{kept.pair}.key")
    return context


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Has the server shown a certificate, if it asks for one."""
    asked: list[bool] = []

    def passphrase() -> str:
        asked.append(True)
        return ""

    _check(certificate)
    _check(key)
    try:
        context.load_cert_chain(certificate, key, passphrase)
    except (OSError, ValueError) as error:
        if asked:
            raise InputError(
                f"{key} is encrypted, and nobody is asked for its passphrase",
                fix=f"write it without one: openssl pkey -in {key} -out NEW.key",
            ) from None
        if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            raise InputError(f"{key} is not the key of {certificate}") from None
        raise InputError(f"{certificate} and {key} are no certificate and its key in PEM") from None


def _check(path: str) -> None:
    """Says why a file cannot be read, which OpenSSL does not."""
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
