"""Time bounds while receiving: a deadline for the header, a least speed for the body."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import TYPE_CHECKING

from lading.http.limits import Limits

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Pace", "PacedSocket"]


class Pace:
    """Counts bytes against time spent waiting for the network, not for whoever consumes them.

    Args:
        limits: bounds.
        answer: seconds until the header is there; by default those of the limits.
    """

    def __init__(self, limits: Limits, answer: float | None = None) -> None:
        self._limits = limits
        seconds = limits.answer if answer is None else answer
        self._deadline: float | None = time.monotonic() + seconds
        self._waited = 0.0
        self._moved = 0

    def body(self) -> None:
        """From here on the least speed counts, not the deadline."""
        self._deadline = None

    def timeout(self) -> float:
        """How long the next wait may take; raises TimeoutError when there is no time left."""
        if self._deadline is None:
            return self._limits.idle
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def count(self, size: int, waited: float) -> None:
        """`size` bytes took `waited` seconds.

        Raises TimeoutError when that is too slow, HTTPException for a header cut short.
        """
        if self._deadline is not None and not size:
            # http.client takes a header that ends with the connection for a complete one.
            if self._moved:
                raise http.client.IncompleteRead(b"")
            raise http.client.RemoteDisconnected("closed")
        self._moved += size
        self._waited += waited
        if self._deadline is not None or self._waited < self._limits.window:
            return
        if self._moved < self._limits.rate * self._waited:
            raise TimeoutError(f"slower than {self._limits.rate:.0f} bytes a second")
        self._waited, self._moved = 0.0, 0


class PacedSocket:
    """The one method of a socket that `http.client.HTTPResponse` uses."""

    def __init__(self, sock: socket.socket, pace: Pace) -> None:
        self._sock = sock
        self._pace = pace

    def makefile(self, mode: str) -> io.BufferedReader:
        """A reader whose every wait is bounded; closing it leaves the connection open."""
        assert mode == "rb"
        return io.BufferedReader(_Reader(self._sock, self._pace), 64 * 1024)


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, pace: Pace) -> None:
        self._sock = sock
        # Keeps the descriptor open when http.client closes its side of a last answer early.
        self._raw = sock.makefile("rb", buffering=0)
        self._pace = pace

    def close(self) -> None:
        self._raw.close()
        super().close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        self._sock.settimeout(self._pace.timeout())
        started = time.monotonic()
        size = self._raw.readinto(buffer) or 0
        self._pace.count(size, time.monotonic() - started)
        return size
