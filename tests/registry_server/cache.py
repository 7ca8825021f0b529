"""A cache for Bazel that speaks HTTP, for tests."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.registry_server.faults import Script
from tests.registry_server.registry import digest_of
from tests.registry_server.replies import Reply
from tests.registry_server.server import Exchange, listen

__all__ = ["CacheServer", "serve_cache"]


@dataclass
class CacheServer:
    """Bazel's cache over HTTP, the little there is of it: GET, HEAD and PUT of `/cas/<sha256>`.

    It stands in for programs such as bazel-remote. `/ac/` is kept too, so that Bazel can use it.
    """

    address: str = ""
    #: By path: what was put, or is there from the start.
    content: dict[str, bytes] = field(default_factory=dict)
    #: Authorization that every request needs, if any.
    authorization: str = ""
    #: Honour Range.
    ranges: bool = True
    script: Script = field(default_factory=Script)
    log: list[Exchange] = field(default_factory=list)

    def add(self, data: bytes, prefix: str = "") -> None:
        self.content[f"{prefix}/cas/{digest_of(data).removeprefix('sha256:')}"] = data

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if self.authorization and headers.get("authorization", "") != self.authorization:
            return Reply(401)
        if method == "PUT":
            self.content[target] = body
            return Reply(200)
        if target not in self.content:
            return Reply(404)
        data = self.content[target]
        asked = headers.get("range", "")
        if not asked or not self.ranges:
            return Reply(200, body=data)
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start >= len(data):
            return Reply(416)
        found = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        return Reply(206, found, data[start:])


@contextlib.contextmanager
def serve_cache(*, tls: ssl.SSLContext | None = None, **settings: Any) -> Iterator[CacheServer]:
    """Runs a cache."""
    server = CacheServer(**settings)
    with listen(server.handle, server.script, server.log, tls=tls) as port:
        server.address = f"127.0.0.1:{port}"
        yield server
