"""HTTP around the strict registry: reads requests, plays faults, keeps a record."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.registry_server.access import TokenAuth
from tests.registry_server.faults import (
    Answer,
    CutRequest,
    Forget,
    Hang,
    Mangle,
    Script,
    ShutOut,
)
from tests.registry_server.registry import Registry
from tests.registry_server.replies import Reply

__all__ = ["Exchange", "Server", "TokenServer", "listen", "serve", "serve_tokens"]


@dataclass(frozen=True)
class Exchange:
    """One request as it arrived; `status` is 0 if it got no answer.

    Requests over the same connection have the same number for `connection`: the client's port.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    connection: int = 0

    @property
    def line(self) -> str:
        """Method and path, without the query."""
        return f"{self.method} {urlsplit(self.target).path}"


@dataclass
class Server:
    """A running server; `address` is `host:port`."""

    address: str
    registry: Registry
    script: Script = field(default_factory=Script)
    log: list[Exchange] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        return [exchange.line for exchange in self.log]

    def count(self, start: str) -> int:
        """How many requests begin like that."""
        return sum(line.startswith(start) for line in self.lines)


@dataclass
class TokenServer:
    """A token server: Basic credentials and refresh tokens in, tokens out."""

    realm: str
    auth: TokenAuth
    users: dict[str, str] = field(default_factory=dict)
    refresh: set[str] = field(default_factory=set)
    anonymous: bool = True
    #: Scopes that are granted, as repository:action; None for every one.
    grant: set[str] | None = None
    expires_in: int | None = 300
    script: Script = field(default_factory=Script)
    log: list[Exchange] = field(default_factory=list)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if method == "POST":
            form = parse_qs(body.decode())
            if form.get("refresh_token", [""])[0] not in self.refresh:
                return Reply(401)
            scopes = " ".join(form.get("scope", [])).split()
            return self._issue(scopes, "access_token")
        given = headers.get("authorization", "")
        if given:
            user, _, password = (
                base64.b64decode(given.removeprefix("Basic ")).decode().partition(":")
            )
            if self.users.get(user) != password:
                return Reply(401)
        elif not self.anonymous:
            return Reply(401)
        return self._issue(parse_qs(urlsplit(target).query).get("scope", []), "token")

    def _issue(self, scopes: list[str], key: str) -> Reply:
        granted = set()
        for scope in scopes:
            if " " in scope:
                return Reply(400)
            _, name, actions = scope.split(":")
            granted |= {f"{name}:{action}" for action in actions.split(",")}
        if self.grant is not None:
            granted &= self.grant
        token = secrets.token_urlsafe(24)
        self.auth.issued[token] = frozenset(granted or {"nothing"})
        answer: dict[str, Any] = {key: token}
        if self.expires_in is not None:
            answer["expires_in"] = self.expires_in
        return Reply(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())


@contextlib.contextmanager
def serve(
    registry: Registry | None = None, *, tls: ssl.SSLContext | None = None, port: int = 0
) -> Iterator[Server]:
    """Runs a registry on a loopback port that the kernel chooses, or again on `port`."""
    server = Server("", registry if registry is not None else Registry())
    with listen(
        server.registry.handle, server.script, server.log, server.registry, tls, port
    ) as chosen:
        server.address = f"127.0.0.1:{chosen}"
        yield server


@contextlib.contextmanager
def serve_tokens(
    *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", **settings: Any
) -> Iterator[TokenServer]:
    """Runs a token server, which calls itself `host`; its `auth` goes into a Registry."""
    auth = TokenAuth("")
    server = TokenServer("", auth, **settings)
    with listen(server.handle, server.script, server.log, tls=tls) as port:
        server.realm = auth.realm = f"{'https' if tls else 'http'}://{host}:{port}/token"
        yield server


@contextlib.contextmanager
def listen(
    answer: Callable[..., Reply],
    script: Script,
    log: list[Exchange],
    registry: Registry | None = None,
    tls: ssl.SSLContext | None = None,
    port: int = 0,
) -> Iterator[int]:
    """Listens until the block ends; yields the port. Faults, and the record, are the server's."""

    class Handler(_Handler):
        pass

    Handler.script, Handler.log, Handler.registry = script, log, registry
    Handler.answer = staticmethod(answer)
    server = _Server(("127.0.0.1", port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.hang_up()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Ends connections that clients keep open, so that no thread outlives the server."""
        for request in list(self._open):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is none of the server's business."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True
    wbufsize = -1
    script: Script
    log: list[Exchange]
    registry: Registry | None
    answer: Callable[..., Reply]

    def log_message(self, *args: Any) -> None:
        pass

    def _serve(self) -> None:
        headers = _Headers(self.headers.items())
        length = int(headers.get("content-length", "0") or "0")
        action = self.script.take(self.command, self.path, length)
        if isinstance(action, CutRequest):
            self._cut(action, headers, length)
            return
        if isinstance(action, Hang) and action.deaf:
            time.sleep(action.seconds)
        body = self.rfile.read(length)
        if len(body) < length:
            # The client hung up; a real registry keeps what it has of an upload.
            self._record(headers, body, 0)
            if self.registry is not None:
                self.registry.partial(self.command, self.path, body)
            self.close_connection = True
            return
        if isinstance(action, Answer):
            reply = Reply(action.status, dict(action.headers), action.body)
        else:
            if isinstance(action, Forget) and self.registry is not None:
                self.registry.forget_uploads()
            if isinstance(action, ShutOut) and self.registry is not None:
                self.registry.forget_tokens()
            reply = self.answer(self.command, self.path, headers, body)
        if isinstance(action, Hang) and not action.deaf:
            time.sleep(action.seconds)
        mangle = action if isinstance(action, Mangle) else Mangle()
        lost = mangle.lost or bool(mangle.garbage)
        self._record(headers, body, 0 if lost else reply.status)
        self._reply(reply, mangle)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _record(self, headers: Mapping[str, str], body: bytes, status: int) -> None:
        port = self.client_address[1]
        self.log.append(Exchange(self.command, self.path, headers, body, status, port))

    def _cut(self, cut: CutRequest, headers: Mapping[str, str], length: int) -> None:
        body = self.rfile.read(length if cut.read is None else min(cut.read, length))
        self._record(headers, body, cut.status)
        if cut.then is not None:
            cut.then()
        if cut.keep and self.registry is not None:
            self.registry.partial(self.command, self.path, body)
        if cut.status:
            self.send_response(cut.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.wfile.flush()
        self._hang_up(reset=cut.reset)

    def _reply(self, reply: Reply, mangle: Mangle) -> None:
        if mangle.lost:
            self._hang_up(reset=True)
            return
        if mangle.garbage:
            self.wfile.write(mangle.garbage)
            self.wfile.flush()
            self._hang_up(reset=False)
            return
        body = reply.body
        if mangle.flip is not None and body:
            at = mangle.flip % len(body)
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        stated = len(body)
        body += mangle.more
        if mangle.length:
            stated = len(body)
        headers: dict[str, str | None] = {"Content-Length": str(stated), **reply.headers}
        if mangle.chunked:
            headers |= {"Content-Length": None, "Transfer-Encoding": "chunked"}
        headers |= mangle.headers
        self.send_response(mangle.status or reply.status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        if self.command == "HEAD" or reply.status == 204:
            return
        self._body(body, mangle)
        if mangle.cut is not None or mangle.headers.get("Content-Length", "") is None:
            self._hang_up(reset=False)

    def _body(self, body: bytes, mangle: Mangle) -> None:
        body = body if mangle.cut is None else body[: mangle.cut]
        step = 1 if mangle.slow else 64 * 1024
        for at in range(0, len(body), step):
            part = body[at : at + step]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if mangle.chunked else part)
            if mangle.slow:
                self.wfile.flush()
                time.sleep(mangle.slow)
        if mangle.chunked and mangle.cut is None:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _hang_up(self, *, reset: bool) -> None:
        self.close_connection = True
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.rfile.close()
            self.connection.close()
        else:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)


class _Headers(dict[str, str]):
    """Header fields by lower-case name."""

    def __init__(self, items: Any) -> None:
        super().__init__((name.lower(), value) for name, value in items)
