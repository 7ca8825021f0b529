"""A remote cache that serves ByteStream.Read by the book, and fails where a test says so.

It answers what Bazel's own client would get: resource names of REAPI 2.0 and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc

__all__ = ["ByteStream", "decode", "serve", "varint"]

_RESOURCE = re.compile(r"(?:(?P<instance>.+)/)?blobs/(?P<hash>[0-9a-f]{64})/(?P<size>[0-9]+)")

#: Called with the number of the call, from 1, and the bytes sent in it so far; may abort.
Fault = Callable[[int, int, grpc.ServicerContext], None]


@dataclass
class ByteStream:
    """The blobs of a cache and what it was asked.

    Attributes:
        blobs: content by sha256 in hex.
        message: bytes of one message.
        instance: the instance name that every resource has to have.
        metadata: what every call has to carry.
        calls: offset of every call so far.
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    message: int = 64 * 1024
    instance: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fault: Fault = lambda number, sent, context: None
    calls: list[int] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        self.blobs[name] = data
        return name

    def read(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        resource, offset = decode(request)
        with self._lock:
            self.calls.append(offset)
            number = len(self.calls)
        sent = dict(context.invocation_metadata() or ())
        if any(sent.get(key) != value for key, value in self.metadata.items()):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")
        match = _RESOURCE.fullmatch(resource)
        if match is None or (match["instance"] or "") != self.instance:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no resource: {resource}")
        assert match is not None
        self.fault(number, 0, context)
        data = self.blobs.get(match["hash"])
        if data is None or len(data) != int(match["size"]):
            context.abort(grpc.StatusCode.NOT_FOUND, "not here")
        assert data is not None
        if offset > len(data):
            context.abort(grpc.StatusCode.OUT_OF_RANGE, "behind the end")
        begin = offset
        while offset < len(data):
            piece = data[offset : offset + self.message]
            yield b"\x52" + varint(len(piece)) + piece
            offset += len(piece)
            self.fault(number, offset - begin, context)


@contextlib.contextmanager
def serve(
    service: ByteStream,
    *,
    certificate: tuple[bytes, bytes] | None = None,
    socket: str = "",
) -> Iterator[str]:
    """Yields `host:port` on loopback.

    Args:
        service: what answers.
        certificate: key and certificate, PEM, for TLS.
        socket: path of a UNIX socket to listen on as well.
    """
    with ThreadPoolExecutor(8) as pool:
        server = grpc.server(pool)
        handler: Any = grpc.method_handlers_generic_handler(
            "google.bytestream.ByteStream",
            {"Read": grpc.unary_stream_rpc_method_handler(service.read, None, None)},
        )
        server.add_generic_rpc_handlers((handler,))
        if certificate is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            credentials = grpc.ssl_server_credentials([certificate])
            port = server.add_secure_port("127.0.0.1:0", credentials)
        if socket:
            server.add_insecure_port(f"unix:{socket}")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


def decode(request: bytes) -> tuple[str, int]:
    """Resource and offset; strict: the two fields in order, no other."""
    assert request[0] == 0x0A
    size, at = _number(request, 1)
    name = request[at : at + size].decode()
    at += size
    offset = 0
    if at < len(request):
        assert request[at] == 0x10
        offset, at = _number(request, at + 1)
    assert at == len(request)
    return name, offset


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def varint(number: int) -> bytes:
    groups = []
    while True:
        groups.append(number & 0x7F)
        number >>= 7
        if not number:
            return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])
