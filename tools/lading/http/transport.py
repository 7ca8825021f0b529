"""HTTP/1.1 over pooled connections: one request, one answer, no opinion about either.

`http.client` below it, for the reasons in docs/dependencies.md: files go out by sendfile, and
nothing is followed, decoded or remembered that the client above did not ask for.
"""

from __future__ import annotations

import functools
import http.client
import re
import select
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from lading.errors import InputError
from lading.http import connecting, redirects
from lading.http.answer import paced_answer
from lading.http.limits import Limits
from lading.http.messages import Request, Response, TransportError, reason
from lading.http.origin import Nearness, Origin
from lading.http.pace import Pace, told_if_late
from lading.http.proxy import proxy_for
from lading.http.sending import send_body

if TYPE_CHECKING:
    from lading.http.tls import Certificates
    from lading.http.trust import Trust

    #: Where a connection leads, and what is shown and trusted there.
    _Key = tuple[Origin, Certificates | None]

__all__ = ["Transport"]

_IDLE_PER_ORIGIN = 16
#: Seconds for a TLS handshake that only tells whether it succeeds, on loopback.
_PROBE = 1.0
#: A header line (RFC 9110, section 5): a token, then what is visible, blanks and tabs.
_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t\x20-\x7e\x80-\xff]*")


class _Connection:
    __slots__ = ("dirty", "http", "peer", "used")

    def __init__(self, http: http.client.HTTPConnection, peer: Nearness | None) -> None:
        self.http = http
        self.peer = peer
        self.used = False
        #: A request was cut off in the middle, so no other can follow it.
        self.dirty = False


class Transport:
    """Sends requests over connections that are kept and shared by any number of threads.

    Args:
        limits: bounds in time and number.
        user_agent: what we are called.
        ca_file: authorities to trust in addition, everywhere.
        certificates: finds those that are kept for an origin.
        trace: is told every exchange.
        notice: is told what is waited for.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        user_agent: str,
        ca_file: str = "",
        certificates: Callable[[Origin], Certificates | None] | None = None,
        trace: Callable[[str], None] | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        self._limits = limits
        self._user_agent = user_agent
        self._trusted = ca_file, certificates
        self._trust: Trust | None = None
        self._trace = trace
        self._notice = notice
        self._lock = threading.Lock()
        self._idle: defaultdict[_Key, list[_Connection]] = defaultdict(list)
        #: Requests sent so far.
        self.requests = 0

    def send(self, request: Request) -> Response:
        """One exchange; the caller closes the answer.

        Raises:
            TransportError: it broke; nothing is known about what the server did.
            UnreachableError: the name leads further inside than `request.nearest` allows.
            DeniedError: a proxy refuses, or the server wants another certificate of ours.
            InputError: the request cannot be written down, or a certificate is not trusted or
                no use.
        """
        key = request.origin, self._kept(request)
        connection = self._take(request, key)
        started = time.monotonic()
        with self._lock:
            self.requests += 1
        try:
            answer, pace = self._exchange(connection, request)
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.http.close()
            if isinstance(error, UnicodeError | http.client.InvalidURL):
                raise InputError(f"{request.url} cannot be requested: {error}") from None
            self._note(request, reason(error), started)
            if self._trust and (refused := self._trust.refused(error, request, key[1])):
                raise refused from None
            stale = connection.used and _is_closed(error)
            silent = isinstance(error, TimeoutError)
            text = f"{request.url}: {reason(error)}"
            raise TransportError(text, stale=stale, silent=silent) from None
        except BaseException:
            connection.http.close()
            raise
        self._note(request, str(answer.status), started)
        if answer.status == 407 and (proxy := proxy_for(request.origin)):
            connection.http.close()
            raise connecting.refused_by(proxy)
        release = functools.partial(self._give_back, key, connection)
        return Response(request, answer, release, connection.peer, pace)

    def speaks_tls(self, origin: Origin) -> bool | None:
        """Whether what listens at `origin` answers a TLS handshake; None if nothing listens.

        Nothing else is sent to it.
        """
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # Nothing is believed of it: the next connection checks the certificate.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            plain = socket.create_connection((origin.host, origin.port), _PROBE)
        except OSError:
            return None
        try:
            with plain, context.wrap_socket(plain, server_hostname=origin.host):
                return True
        except (OSError, ValueError) as error:
            # Whoever misses our certificate says so in TLS.
            return "_ALERT_" in str(getattr(error, "reason", ""))

    def close(self) -> None:
        """Closes the connections that are kept."""
        with self._lock:
            connections = [item for items in self._idle.values() for item in items]
            self._idle.clear()
        for connection in connections:
            connection.http.close()

    def _exchange(
        self, connection: _Connection, request: Request
    ) -> tuple[http.client.HTTPResponse, Pace]:
        conn, body = connection.http, request.body
        conn.putrequest(
            request.method, self._target(request), skip_host=True, skip_accept_encoding=True
        )
        conn.putheader("Host", request.origin.authority)
        conn.putheader("User-Agent", self._user_agent)
        # What is hashed is what was sent: no transfer may be encoded on the way.
        conn.putheader("Accept-Encoding", "identity")
        for name, value in request.headers.items():
            if not _HEADER.fullmatch(f"{name}: {value}"):
                # Without the value, which may be a secret: a token pasted with its line's end.
                raise InputError(
                    f"{request.url} cannot be requested: the header {name!r:.40} has a character"
                    " that headers cannot carry"
                )
            conn.putheader(name, value)
        size = len(body) if isinstance(body, bytes) else body.size
        if size or request.method in ("POST", "PUT", "PATCH"):
            conn.putheader("Content-Length", str(size))
        if authorization := self._proxy_authorization(request):
            conn.putheader("Proxy-Authorization", authorization)
        assert conn.sock is not None
        conn.sock.settimeout(self._limits.idle)
        try:
            # Small bodies leave in one packet with the header.
            conn.endheaders(body if isinstance(body, bytes) and body else None)
            if not isinstance(body, bytes) and size:
                connection.dirty = not send_body(conn.sock, body, self._limits)
        except OSError as error:
            # The server may have answered before it hung up, and the answer says why.
            if not _is_closed(error) or not _readable(conn.sock):
                raise
            connection.dirty = True
        late = functools.partial(self._late, request) if self._notice else None
        pace = Pace(self._limits, request.settles, late)
        conn.response_class = functools.partial(paced_answer, pace)  # type: ignore[assignment]
        answer = conn.getresponse()
        pace.body()
        return answer, pace

    def _target(self, request: Request) -> str:
        plain = request.origin.scheme == "http" and proxy_for(request.origin) is not None
        return f"{request.origin}{request.target}" if plain else request.target

    def _proxy_authorization(self, request: Request) -> str:
        proxy = proxy_for(request.origin) if request.origin.scheme == "http" else None
        return proxy.authorization if proxy else ""

    def _kept(self, request: Request) -> Certificates | None:
        """The certificates that count for a request."""
        return self._trusting().kept(request) if request.origin.scheme == "https" else None

    def _trusting(self) -> Trust:
        # Not by what speaks plain HTTP alone.
        from lading.http.trust import Trust

        with self._lock:
            self._trust = self._trust or Trust(*self._trusted)
            return self._trust

    def _take(self, request: Request, key: _Key) -> _Connection:
        while True:
            with self._lock:
                idle = self._idle[key]
                connection = idle.pop() if idle else None
            if connection is None:
                connection = self._connect(request, key[1])
            elif _readable(connection.http.sock):
                # Closed by the server, or it speaks out of turn: either way no use.
                connection.http.close()
                continue
            peer, bound = connection.peer, request.nearest
            if peer is not None and bound is not None and peer > bound:
                connection.http.close()
                raise redirects.too_near(request.origin, peer)
            return connection

    def _connect(self, request: Request, kept: Certificates | None) -> _Connection:
        origin, proxy = request.origin, proxy_for(request.origin)
        if request.nearest is not None and proxy is None:
            redirects.check_addresses(origin, request.nearest)
        try:
            with told_if_late(self._notice, f"no connection to {origin} yet", self._limits):
                conn, peer = connecting.connect(
                    origin, proxy, self._limits, lambda: self._trusting().context(kept)
                )
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            self._note(request, reason(error), None)
            refused = self._trust and self._trust.refused(error, request, kept)
            raise refused or connecting.explained(error, origin, proxy) from None
        return _Connection(conn, None if proxy else peer)

    def _give_back(self, key: _Key, connection: _Connection, clean: bool) -> None:
        if clean and not connection.dirty and connection.http.sock is not None:
            connection.used = True
            with self._lock:
                if len(self._idle[key]) < _IDLE_PER_ORIGIN:
                    self._idle[key].append(connection)
                    return
        connection.http.close()

    def _late(self, request: Request, seconds: float) -> None:
        assert self._notice is not None
        self._notice(
            f"no answer yet to {request.method} {request.url}; waiting for up to {seconds:.0f} s"
        )

    def _note(self, request: Request, outcome: str, started: float | None) -> None:
        if self._trace is not None:
            took = f" in {(time.monotonic() - started) * 1000:.0f} ms" if started else ""
            self._trace(f"{request.method} {request.url}: {outcome}{took}")


def _readable(sock: socket.socket | None) -> bool:
    if sock is None:
        return True
    # TLS may have decrypted more than was read.
    if hasattr(sock, "pending") and sock.pending():
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))


def _is_closed(error: Exception) -> bool:
    if type(error).__name__ == "SSLEOFError":
        return True
    return isinstance(
        error, http.client.RemoteDisconnected | BrokenPipeError | ConnectionResetError
    )
