"""Putting a request's body on the wire: sendfile on plaintext, 1 MiB writes on TLS.

On loopback sendfile makes the other process fetch every byte from memory. Small writes into a small
buffer leave them in the processor's cache for it: a single layer takes a quarter less time, and
1 GiB in four streams 5 % less (docs/performance.md).
"""

from __future__ import annotations

import io
import os
import re
import select
import socket
import time
from collections.abc import Callable
from typing import BinaryIO, cast

from lading.errors import CorruptError
from lading.http.bodies import FileBody, StreamBody
from lading.http.limits import CHUNK, Limits
from lading.http.origin import Nearness, nearness
from lading.http.pace import Pace

__all__ = ["LOOPBACK_BUFFER", "send_body"]

#: Size of writes, and of the kernel's buffer, between two processes of one machine.
LOOPBACK_BUFFER = 128 * 1024
_SENDFILE = 4 * CHUNK
_INTERIM_BYTES = 8 * 1024
_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9][0-9][ \r](?s:.*?)\r\n\r\n")


def send_body(sock: socket.socket, body: FileBody | StreamBody, limits: Limits) -> bool:
    """Sends all of `body`; returns False if it stopped because a plaintext peer answers already.

    Raises:
        OSError: the connection broke, or is too slow.
        CorruptError: the source has fewer bytes than announced.
    """
    pace = Pace(limits)
    pace.body()
    # An encrypted connection has bytes to read for its own reasons, such as session tickets.
    plain = type(sock) is socket.socket
    if isinstance(body, StreamBody):
        return _send_stream(sock, body, pace, limits, plain=plain)
    local = plain and nearness(sock.getpeername()[0]) is Nearness.LOOPBACK
    if plain and not local and hasattr(os, "sendfile"):
        return _send_file(sock, body, pace, limits)
    with body.path.open("rb", buffering=0) as file:
        file.seek(body.offset)
        stream = StreamBody(cast("BinaryIO", file), body.size, body.advance)
        size = LOOPBACK_BUFFER if local else CHUNK
        return _send_stream(sock, stream, pace, limits, plain=plain, size=size)


def _send_file(sock: socket.socket, body: FileBody, pace: Pace, limits: Limits) -> bool:
    offset, end = body.offset, body.offset + body.size
    poll = _poller(sock)
    with body.path.open("rb") as file:
        while offset < end:
            started = time.monotonic()
            if _answered(sock, poll, limits):
                return False
            try:
                sent = os.sendfile(
                    sock.fileno(), file.fileno(), offset, min(_SENDFILE, end - offset)
                )
            except BlockingIOError:
                sent = -1
            pace.count(max(sent, 0), time.monotonic() - started)
            if sent == 0:
                raise CorruptError(f"{body.path} became shorter while it was sent")
            if sent > 0:
                offset += sent
                body.advance(sent)
    return True


def _send_stream(
    sock: socket.socket,
    body: StreamBody,
    pace: Pace,
    limits: Limits,
    *,
    plain: bool,
    size: int = CHUNK,
) -> bool:
    left = body.size
    poll = _poller(sock) if plain else None
    pieces = _pieces(body.stream, size)
    sock.settimeout(limits.idle)
    while left:
        if poll is not None and _answered(sock, poll, limits):
            return False
        burst = min(CHUNK, left)
        _send_burst(sock, body, pace, burst, pieces)
        left -= burst
    return True


def _pieces(stream: BinaryIO, size: int) -> Callable[[int], memoryview]:
    """Reads up to `size` bytes, a file's into memory that is used again for the next ones."""
    if not isinstance(stream, io.FileIO):
        return lambda wanted: memoryview(stream.read(min(wanted, size)))
    room = memoryview(bytearray(size))
    return lambda wanted: room[: stream.readinto(room[:wanted])]


def _send_burst(
    sock: socket.socket,
    body: StreamBody,
    pace: Pace,
    burst: int,
    pieces: Callable[[int], memoryview],
) -> None:
    """Sends `burst` bytes piece by piece, and then accounts for them.

    Of a send that breaks off it is known how much had left, unlike with `sendall`.
    """
    sent, waited = 0, 0.0
    try:
        while sent < burst:
            data = pieces(burst - sent)
            if not data:
                raise CorruptError("the source of an upload ended early")
            started = time.monotonic()
            while data:
                gone = sock.send(data)
                sent += gone
                data = data[gone:]
            waited += time.monotonic() - started
    finally:
        body.advance(sent)
    pace.count(sent, waited)


def _poller(sock: socket.socket) -> Callable[[float], list[tuple[int, int]]]:
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLOUT)
    return poll.poll


def _answered(
    sock: socket.socket, poll: Callable[[float], list[tuple[int, int]]], limits: Limits
) -> bool:
    """Waits until the socket takes bytes; True if instead the peer has its say already.

    Interim answers (RFC 9110, section 15.2) are no reason to stop: they are taken away.
    """
    while True:
        events = poll(limits.idle * 1000)
        if not events:
            raise TimeoutError
        if not events[0][1] & select.POLLIN:
            return False
        seen = sock.recv(_INTERIM_BYTES, socket.MSG_PEEK)
        if not (interim := _INTERIM.match(seen)):
            return True
        sock.recv(interim.end())
