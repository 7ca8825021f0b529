"""Who is trusted where, and who we say that we are, before a connection speaks TLS."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from lading.errors import DeniedError
from lading.http.messages import Request
from lading.http.origin import Origin
from lading.record import replace

if TYPE_CHECKING:
    import ssl

    from lading.http.tls import Certificates

__all__ = ["Trust", "keep_certificate"]

#: Alerts of a server about the certificate that it was, or was not, shown (RFC 8446, section 6.2).
_ALERTS = (
    "CERTIFICATE_REQUIRED",
    "BAD_CERTIFICATE",
    "CERTIFICATE_UNKNOWN",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_REVOKED",
    "UNSUPPORTED_CERTIFICATE",
    "UNKNOWN_CA",
    # What TLS 1.2 has for a certificate that is missing, among other things.
    "HANDSHAKE_FAILURE",
)


def keep_certificate(origin: Origin) -> str:
    """What to do about the client certificate that a server wants."""
    directory = f"~/.config/containers/certs.d/{origin.authority}"
    return f"keep it, with its key, as {directory}/client.cert and .key"


class Trust:
    """Shared by the threads of a transport.

    Args:
        ca_file: authorities to trust in addition, everywhere.
        certificates: finds those that are kept for an origin, and no other.
    """

    def __init__(
        self, ca_file: str, certificates: Callable[[Origin], Certificates | None] | None
    ) -> None:
        self._ca_file = ca_file
        self._find = certificates
        self._lock = threading.Lock()
        self._found: dict[Origin, Certificates | None] = {}
        self._contexts: dict[Certificates | None, ssl.SSLContext] = {}

    def kept(self, request: Request) -> Certificates | None:
        """The certificates for a request; where a redirect leads, nobody says who we are."""
        if self._find is None:
            return None
        found = self._kept(request.origin)
        if found is None and request.beside is not None:
            found = self._kept(request.beside)
        if found is None or request.nearest is None:
            return found
        return replace(found, pair="")

    def context(self, kept: Certificates | None) -> ssl.SSLContext:
        """How TLS is spoken with these certificates; raises InputError if a file is unfit."""
        with self._lock:
            if kept not in self._contexts:
                from lading.http.tls import client_context

                self._contexts[kept] = client_context(self._ca_file, kept)
            return self._contexts[kept]

    def refused(
        self, error: Exception, request: Request, kept: Certificates | None
    ) -> DeniedError | None:
        """What to raise if a server's alert is about our certificate; None if it is not."""
        alert = str(getattr(error, "reason", ""))
        if "_ALERT_" not in alert or not alert.endswith(_ALERTS):
            return None
        origin, said = request.origin, alert.partition("_ALERT_")[2].replace("_", " ").lower()
        if kept is not None and kept.pair:
            return DeniedError(f"{origin} refuses the client certificate {kept.pair}.cert: {said}")
        wants = "may want" if alert.endswith("HANDSHAKE_FAILURE") else "wants"
        text = f"{origin} {wants} a client certificate: {said}"
        if self._find is None or request.nearest is not None:
            return DeniedError(text)
        return DeniedError(text, fix=keep_certificate(origin))

    def _kept(self, origin: Origin) -> Certificates | None:
        assert self._find is not None
        with self._lock:
            if origin not in self._found:
                self._found[origin] = self._find(origin)
            return self._found[origin]
