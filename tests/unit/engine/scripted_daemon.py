"""A daemon on a unix socket that answers what a test tells it to, and misbehaves on request.

It stands in for Docker only where Docker cannot be made to fail at a given byte; what a healthy
daemon does is tested with a real one, in tests/integration/store.
"""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

__all__ = ["Daemon", "Request", "serving"]

VERSION = {"ApiVersion": "1.41", "Os": "linux", "Arch": "amd64"}


@dataclass
class Request:
    """What a route gets to see; reading the body is up to it."""

    method: str
    path: str
    handler: BaseHTTPRequestHandler

    def body(self, limit: int | None = None) -> bytes:
        """The body, or the first `limit` bytes of it, without chunk framing."""
        data = b""
        while size := int(self.handler.rfile.readline(), 16):
            data += self.handler.rfile.read(size)
            self.handler.rfile.readline()
            if limit is not None and len(data) >= limit:
                return data[:limit]
        self.handler.rfile.readline()
        return data

    def hang_up(self) -> None:
        """Ends the connection without an answer."""
        self.handler.close_connection = True


#: Gives a status and a JSON value, or None after it answered, or hung up, by itself.
Route = Callable[[Request], tuple[int, Any] | None]


@dataclass
class Daemon:
    """Routes by method and path, without query and API version."""

    socket: Path
    routes: dict[tuple[str, str], Route] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)

    def on(self, method: str, path: str, status: int = 200, value: Any = None) -> None:
        self.routes[method, path] = lambda request: (status, value)


def _nothing(request: Request) -> tuple[int, Any]:
    return 404, {"message": "no such thing"}


@contextmanager
def serving(directory: Path) -> Iterator[Daemon]:
    daemon = Daemon(directory / "d.sock")
    daemon.on("GET", "/version", value=VERSION)
    daemon.on("GET", "/_ping", value="OK")
    daemon.on("GET", "/info", value={"DriverStatus": None})
    daemon.on("GET", "/images/json", value=[])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            path = self.path.partition("?")[0]
            if path.startswith("/v1."):
                path = "/" + path.split("/", 2)[2]
            daemon.seen.append((self.command, self.path))
            route = daemon.routes.get((self.command, path), _nothing)
            result = route(Request(self.command, self.path, self))
            if result is None:
                self.close_connection = True
                return
            data = json.dumps(result[1]).encode()
            self.send_response(result[0])
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

        def address_string(self) -> str:
            return "unix"

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(str(daemon.socket), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield daemon
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
