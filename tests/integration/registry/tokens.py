"""A token server that docker-registry trusts: it signs JWTs with a key of its own.

(distribution, "Token Authentication Specification" and "OAuth2 token".) Signatures are openssl's.
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.integration.harness import programs

__all__ = ["IDENTITY", "PASSWORD", "SERVICE", "USER", "TokenServer", "serve"]

USER, PASSWORD, IDENTITY = "me", "let me in", "an-identity-token"
SERVICE = "the registry of the test"
_ISSUER = "the token server of the test"


@dataclass
class TokenServer:
    """A running token server; `log` has the scopes of each token that was given."""

    realm: str
    certificate: Path
    log: list[list[str]] = field(default_factory=list)
    refused: int = 0

    @property
    def auth(self) -> str:
        """The `auth` of a docker-registry that sends its clients here."""
        return (
            f"{{token: {{realm: '{self.realm}', service: '{SERVICE}', issuer: '{_ISSUER}',"
            f" rootcertbundle: '{self.certificate}'}}}}"
        )


@contextlib.contextmanager
def serve(directory: Path) -> Iterator[TokenServer]:
    """Runs the server on loopback."""
    programs.need("openssl")
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    programs.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=test", "-keyout", key, "-out", certificate]
    )  # fmt: skip
    lines = certificate.read_text().splitlines()
    chain = ["".join(line for line in lines if not line.startswith("-"))]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            self._answer(query, self.headers.get("Authorization") == f"Basic {pair}")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            query = parse_qs(body)
            self._answer(query, query.get("refresh_token") == [IDENTITY])

        def _answer(self, query: dict[str, list[str]], known: bool) -> None:
            scopes = [scope for text in query.get("scope", []) for scope in text.split()]
            if not known or query.get("service") != [SERVICE]:
                running.refused += 1
                self.send_error(401)
                return
            running.log.append(scopes)
            token = _sign(key, chain, scopes)
            data = json.dumps({"token": token, "access_token": token, "expires_in": 300}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        running = TokenServer(f"http://127.0.0.1:{server.server_port}/token", certificate)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()


def _sign(key: Path, chain: list[str], scopes: list[str]) -> str:
    access = []
    for scope in scopes:
        kind, name, actions = scope.split(":")
        access.append({"type": kind, "name": name, "actions": actions.split(",")})
    now = int(time.time())
    claims = {
        "iss": _ISSUER,
        "sub": USER,
        "aud": SERVICE,
        "exp": now + 300,
        "nbf": now - 10,
        "iat": now,
        "jti": str(time.monotonic_ns()),
        "access": access,
    }
    header = {"typ": "JWT", "alg": "RS256", "x5c": chain}
    signed = ".".join(_encode(json.dumps(part).encode()) for part in (header, claims))
    signature = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", key],
        input=signed.encode(),
        capture_output=True,
        check=True,
    ).stdout
    return f"{signed}.{_encode(signature)}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
