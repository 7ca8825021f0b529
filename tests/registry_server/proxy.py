"""A forward proxy for tests: CONNECT, and requests with a whole URL.

Whatever host is asked for, it goes to one server on loopback: that is what makes a name such as
registry.example.com usable in a test.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Proxy", "serve_proxy"]


@dataclass
class Proxy:
    """A running proxy.

    Attributes:
        address: `host:port`.
        backend: where everything goes.
        authorization: the Proxy-Authorization that every request needs, if any.
        connected: the status that says that a tunnel is open.
        log: method, target and headers of each request to the proxy itself.
    """

    address: str
    backend: tuple[str, int]
    authorization: str = ""
    connected: int = 200
    log: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        return [f"{method} {target}" for method, target, _ in self.log]


@contextlib.contextmanager
def serve_proxy(backend: str, authorization: str = "") -> Iterator[Proxy]:
    """Runs a proxy to `backend`, a `host:port`."""
    host, _, port = backend.rpartition(":")
    proxy = Proxy("", (host, int(port)), authorization)

    class Handler(_Handler):
        pass

    Handler.proxy = proxy
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        proxy.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def log_message(self, *args: Any) -> None:
        pass

    def _refused(self) -> bool:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.proxy.log.append((self.command, self.path, headers))
        wanted = self.proxy.authorization
        if not wanted or headers.get("proxy-authorization") == wanted:
            return False
        self.send_response(407)
        self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.close_connection = True
        return True

    def do_CONNECT(self) -> None:
        if self._refused():
            return
        with socket.create_connection(self.proxy.backend) as far:
            self.send_response(self.proxy.connected)
            self.end_headers()
            self.wfile.flush()
            back = threading.Thread(target=_pump, args=(far, self.connection), daemon=True)
            back.start()
            _pump(self.connection, far)
            back.join()
        self.close_connection = True

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self._refused():
            return
        target = "/" + self.path.partition("://")[2].partition("/")[2]
        sent = {
            name: value
            for name, value in self.headers.items()
            if not name.lower().startswith("proxy-")
        }
        connection = http.client.HTTPConnection(*self.proxy.backend)
        connection.request(self.command, target, body, sent)
        answer = connection.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        connection.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _forward  # noqa: N815


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
