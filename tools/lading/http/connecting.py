"""New connections: TCP, a tunnel where there is a proxy, TLS; and what it means when they fail.

The tunnel is asked for here: `http.client` does it without brackets around an IPv6 address (before
Python 3.13), and takes 200 alone for a yes.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from lading.errors import DeniedError, InputError, LadingError, UnreachableError
from lading.http.answer import paced_answer
from lading.http.limits import Limits
from lading.http.messages import TransportError, reason
from lading.http.origin import Nearness, Origin, nearness
from lading.http.pace import Pace
from lading.http.proxy import Proxy
from lading.http.sending import LOOPBACK_BUFFER
from lading.record import replace

if TYPE_CHECKING:
    import ssl

__all__ = ["connect", "explained", "refused_by"]

#: What OpenSSL says, from version to version, of an answer that is plain text.
_NO_TLS = ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")


def connect(
    origin: Origin, proxy: Proxy | None, limits: Limits, context: Callable[[], ssl.SSLContext]
) -> tuple[http.client.HTTPConnection, Nearness]:
    """A connection to `origin`, or to its proxy, and how near the other end of it is.

    `context` is asked for where TLS is spoken. Raises LadingError, and what `explained` explains.
    """
    conn = http.client.HTTPConnection(origin.host, origin.port)
    host, port = (proxy.host, proxy.port) if proxy else (origin.host, origin.port)
    conn.sock = sock = socket.create_connection((host, port), limits.connect)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Fails, too, when the peer resets the connection at once.
        peer = nearness(sock.getpeername()[0])
        if peer is Nearness.LOOPBACK:
            # Elsewhere the kernel knows best.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LOOPBACK_BUFFER)
        if origin.scheme == "https":
            if proxy:
                _tunnel(sock, origin, proxy, limits)
            conn.sock = context().wrap_socket(sock, server_hostname=origin.host)
    except BaseException:
        sock.close()
        raise
    return conn, peer


def explained(
    error: Exception, origin: Origin, proxy: Proxy | None
) -> LadingError | TransportError:
    """What to raise when there is no connection."""
    if type(error).__name__ == "SSLCertVerificationError":
        return InputError(
            f"the certificate of {origin} is not trusted: {reason(error)}",
            fix="give its authority with --ca_file, in SSL_CERT_FILE, or for a registry as"
            f" ~/.config/containers/certs.d/{origin.authority}/ca.crt",
        )
    if getattr(error, "reason", "") in _NO_TLS:
        return UnreachableError(
            f"{origin} does not speak TLS",
            fix="if it is to speak plain HTTP, and the network is trusted: --insecure",
        )
    via = f" through the proxy {proxy.host}:{proxy.port}" if proxy else ""
    return TransportError(f"cannot connect to {origin}{via}: {reason(error)}")


def refused_by(proxy: Proxy) -> DeniedError:
    """What to raise when a proxy asks who we are."""
    return DeniedError(
        f"the proxy {proxy.host}:{proxy.port} wants a login, or another one",
        fix="name it with its login in the environment: http://user:password@host:port",
    )


def _tunnel(sock: socket.socket, origin: Origin, proxy: Proxy, limits: Limits) -> None:
    """Makes a connection to `proxy` one to `origin` (RFC 9110, section 9.3.6)."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host.encode("idna").decode()
    authority = f"{host}:{origin.port}"
    headers = {"Host": authority, **proxy.headers}
    lines = [f"CONNECT {authority} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
    sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
    pace = Pace(replace(limits, answer=limits.connect))
    answer = paced_answer(pace, sock, method="CONNECT")
    answer.begin()
    answer.close()
    if answer.status == http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        raise refused_by(proxy)
    if not 200 <= answer.status < 300:
        raise OSError(f"it says {answer.status} {answer.reason}".rstrip())
    sock.settimeout(limits.connect)
