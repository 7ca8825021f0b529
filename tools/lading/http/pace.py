"""Time bounds while receiving: a deadline for the header, a least speed for the body."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lading.http.limits import Limits

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Pace", "PacedSocket", "TooSlowError", "told_if_late"]


class TooSlowError(TimeoutError):
    """Time is over; the text is for a person."""


class Pace:
    """Counts bytes against time spent waiting for the network, not for whoever consumes them.

    Args:
        limits: bounds.
        settles: bytes that the server may want to hash before it answers.
        late: is told once, when the header is not there after `limits.patience` and the time to
            hash, how many seconds there are in all.
    """

    def __init__(
        self, limits: Limits, settles: int = 0, late: Callable[[float], None] | None = None
    ) -> None:
        self._limits = limits
        self._seconds = limits.answer + settles / limits.settle
        self._patience = limits.patience + settles / limits.settle
        self._started = time.monotonic()
        #: Whether the header is still to come.
        self.in_header = True
        #: Whether more came than belongs to the answer.
        self.excess = False
        self._late = late
        self._waited = 0.0
        self._moved = 0

    def body(self) -> None:
        """From here on the least speed counts, not the deadline."""
        self.in_header = False

    def last(self) -> None:
        """Nobody waits for what is still to come: it has `limits.drain` seconds."""
        self.in_header, self._late = True, None
        self._started, self._seconds = time.monotonic(), self._limits.drain

    def timeout(self) -> float:
        """How long the next wait may take; raises TimeoutError when there is no time left."""
        if not self.in_header:
            return self._limits.idle
        passed = time.monotonic() - self._started
        if passed >= self._seconds:
            raise TooSlowError(f"timed out, no answer within {self._seconds:.3g} s")
        if self._late is not None and passed >= self._patience:
            late, self._late = self._late, None
            late(self._seconds)
        if self._late is None:
            return self._seconds - passed
        return min(self._patience, self._seconds) - passed

    def count(self, size: int, waited: float) -> None:
        """`size` bytes took `waited` seconds.

        Raises TimeoutError when that is too slow, HTTPException for a header cut short.
        """
        if self.in_header and not size:
            # http.client takes a header that ends with the connection for a complete one.
            if self._moved:
                raise http.client.IncompleteRead(b"")
            raise http.client.RemoteDisconnected("closed")
        self._moved += size
        self._waited += waited
        if self.in_header or self._waited < self._limits.window:
            return
        if self._moved < self._limits.rate * self._waited:
            raise TooSlowError(f"slower than {self._limits.rate:.0f} bytes a second")
        self._waited, self._moved = 0.0, 0


@contextlib.contextmanager
def told_if_late(notice: Callable[[str], None] | None, text: str, limits: Limits) -> Iterator[None]:
    """Has `notice` told `text` where the block takes longer than `limits.patience`."""
    if notice is None:
        yield
        return
    timer = threading.Timer(limits.patience, notice, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class PacedSocket:
    """The one method of a socket that `http.client.HTTPResponse` uses."""

    def __init__(self, sock: socket.socket, pace: Pace) -> None:
        self._sock = sock
        self._pace = pace

    def makefile(self, mode: str) -> io.BufferedReader:
        """A reader whose every wait is bounded; closing it leaves the connection open."""
        assert mode == "rb"
        return _Buffered(_Reader(self._sock, self._pace), self._pace)


class _Buffered(io.BufferedReader):
    def __init__(self, raw: _Reader, pace: Pace) -> None:
        super().__init__(raw, 64 * 1024)
        self._reader = raw
        self._pace = pace

    def close(self) -> None:
        if not self.closed:
            self._reader.ended = True
            self._pace.excess = bool(self.peek(1))
        super().close()


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, pace: Pace) -> None:
        self._sock = sock
        # Keeps the descriptor open when http.client closes its side of a last answer early.
        self._raw = sock.makefile("rb", buffering=0)
        self._pace = pace
        #: Whether nothing more is asked of the network.
        self.ended = False

    def close(self) -> None:
        self._raw.close()
        super().close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        if self.ended:
            return None
        started = time.monotonic()
        while True:
            self._sock.settimeout(self._pace.timeout())
            try:
                # Not by way of `_raw`, which reads no more after it had to wait too long once.
                size = self._sock.recv_into(buffer)
                break
            except TimeoutError:
                if not self._pace.in_header:
                    raise
        self._pace.count(size, time.monotonic() - started)
        return size
