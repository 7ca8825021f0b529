"""Putting a request's body on the wire: sendfile on plaintext, 1 MiB writes on TLS.

On loopback sendfile makes the other process fetch every byte from memory. What is copied into a
small buffer is still in the processor's cache for it, and copied from a mapped file it is copied
once less than when it is read before (docs/performance.md).
"""

from __future__ import annotations

import errno
import io
import mmap
import os
import re
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import BinaryIO, cast

from lading.errors import CorruptError
from lading.http.bodies import FileBody, StreamBody
from lading.http.limits import CHUNK, Limits
from lading.http.origin import Nearness, nearness
from lading.http.pace import Pace

__all__ = ["LOOPBACK_BUFFER", "send_body"]

#: Size of the kernel's buffer between two processes of one machine.
LOOPBACK_BUFFER = 128 * 1024
#: How much of a file the kernel is given at once.
_PART = 4 * CHUNK
#: After half a second in which a peer takes nothing, it is looked whether it has answered.
_STALL = struct.pack("ll", 0, 500_000)
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
    with body.path.open("rb", buffering=0) as file:
        if plain:
            return _send_file(sock, file, body, pace, limits)
        file.seek(body.offset)
        stream = StreamBody(cast("BinaryIO", file), body.size, body.advance)
        return _send_stream(sock, stream, pace, limits, plain=plain)


def _send_file(
    sock: socket.socket, file: io.FileIO, body: FileBody, pace: Pace, limits: Limits
) -> bool:
    part = _by_sendfile
    if nearness(sock.getpeername()[0]) is Nearness.LOOPBACK:
        part = _by_mapping
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _STALL)
    offset, end = body.offset, body.offset + body.size
    poll = _poller(sock)
    while offset < end:
        if _answered(sock, poll, limits):
            return False
        started = time.monotonic()
        try:
            sent = part(sock, file, offset, min(_PART, end - offset))
        except BlockingIOError:
            sent = 0
        offset += sent
        body.advance(sent)
        pace.count(sent, time.monotonic() - started)
    return True


def _by_sendfile(sock: socket.socket, file: io.FileIO, offset: int, size: int) -> int:
    """Sends what the connection takes right away."""
    if sent := os.sendfile(sock.fileno(), file.fileno(), offset, size):
        return sent
    raise _shorter(file)


def _by_mapping(sock: socket.socket, file: io.FileIO, offset: int, size: int) -> int:
    """Sends all, unless the peer stops taking it."""
    before = offset % mmap.ALLOCATIONGRANULARITY
    try:
        window = mmap.mmap(
            file.fileno(), before + size, mmap.MAP_PRIVATE, mmap.PROT_READ, offset=offset - before
        )
    except ValueError:
        raise _shorter(file) from None
    except OSError:
        # Not every file system can do it.
        return _by_sendfile(sock, file, offset, size)
    with window, memoryview(window) as whole, whole[before:] as part:
        try:
            return sock.send(part)
        except OSError as error:
            # The kernel alone reads the window, so that this is no signal.
            if error.errno == errno.EFAULT:
                raise _shorter(file) from None
            raise


def _shorter(file: io.FileIO) -> CorruptError:
    return CorruptError(f"{file.name} became shorter while it was sent")


def _send_stream(
    sock: socket.socket,
    body: StreamBody,
    pace: Pace,
    limits: Limits,
    *,
    plain: bool,
) -> bool:
    left = body.size
    poll = _poller(sock) if plain else None
    pieces = _pieces(body.stream)
    sock.settimeout(limits.idle)
    while left:
        if poll is not None and _answered(sock, poll, limits):
            return False
        burst = min(CHUNK, left)
        _send_burst(sock, body, pace, burst, pieces)
        left -= burst
    return True


def _pieces(stream: BinaryIO) -> Callable[[int], memoryview]:
    """Reads up to so many bytes, a file's into memory that is used again for the next ones."""
    if not isinstance(stream, io.FileIO):
        return lambda wanted: memoryview(stream.read(wanted))
    room = memoryview(bytearray(CHUNK))
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
