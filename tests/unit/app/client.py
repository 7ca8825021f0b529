"""Speaks ASGI to an application, without a server and without a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp

__all__ = ["Answer", "Client"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (lower case) and body of a response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body, which has to be UTF-8."""
        return self.body.decode("utf-8")

    def json(self) -> Any:
        """The body, which has to be JSON."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


class Client:
    """Sends requests to `app`; by default as a browser on the same machine does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def get(self, url: str, *headers: tuple[str, str], method: str = "GET") -> Answer:
        """One request. Without a `host` header among `headers`, `localhost:8080` is sent."""
        names = {name.lower() for name, _ in headers}
        sent = [*headers] if "host" in names else [("host", "localhost:8080"), *headers]
        return asyncio.run(self._send(method, url, sent))

    async def _send(self, method: str, url: str, headers: Iterable[tuple[str, str]]) -> Answer:
        parts = urlsplit(url)
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [
                (name.lower().encode(), value.encode("latin-1")) for name, value in headers
            ],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8080),
        }
        messages: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            messages.append(message)

        try:
            await self._app(scope, receive, send)
        except Exception:
            # As a server does: what was answered before the crash counts.
            if not messages:
                raise
        start, *bodies = messages
        return Answer(
            start["status"],
            {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]},
            b"".join(message.get("body", b"") for message in bodies),
        )
