"""What goes out and what comes back: a request, its answer, and how an exchange can break."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Callable, Mapping

from lading.errors import LimitError
from lading.http.bodies import Body
from lading.http.origin import Nearness, Origin
from lading.http.pace import Pace, TooSlowError
from lading.record import field, record

__all__ = ["Request", "Response", "TransportError", "reason"]

_DRAIN = 64 * 1024


class TransportError(Exception):
    """An exchange broke: refused, reset, timed out, cut short, not HTTP.

    `stale` says that a kept connection turned out to be closed before anything came back, so
    that the very same request may be sent again at once. `silent` says that the other side did
    nothing at all until the time was over.
    """

    def __init__(self, what: str, *, stale: bool = False, silent: bool = False) -> None:
        super().__init__(what)
        self.stale = stale
        self.silent = silent


@record
class Request:
    """One HTTP request.

    `target` is path and query; `nearest` bounds where the name may lead, and is None unless a
    redirect led there; `settles` counts bytes that the server may want to hash and move before it
    answers. `beside` is another port of the same host, whose certificates serve here too.
    """

    method: str
    origin: Origin
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = b""
    nearest: Nearness | None = None
    settles: int = 0
    beside: Origin | None = None

    @property
    def url(self) -> str:
        """For messages: without the query, which may hold signatures and tokens."""
        return f"{self.origin}{self.target.partition('?')[0]}"


class Response:
    """An answer whose body is read by the caller, who closes it in every case."""

    def __init__(
        self,
        request: Request,
        answer: http.client.HTTPResponse,
        release: Callable[[bool], None],
        peer: Nearness | None,
        pace: Pace,
    ) -> None:
        self.request = request
        self.status = answer.status
        #: How near the machine is that answered; None through a proxy.
        self.peer = peer
        self._answer = answer
        self._release: Callable[[bool], None] | None = release
        self._pace = pace
        #: Content-Length as far as it counts: None for a chunked or unbounded body.
        self.length = answer.length
        self._left = answer.length
        self._data: bytes | None = None
        if request.method == "HEAD":
            text = answer.headers.get("Content-Length", "")
            self.length = int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
            self._left = 0

    def header(self, name: str) -> str:
        """A header's value, the first if there are several, or an empty string."""
        return _unfolded(self._answer.headers.get(name, ""))

    def headers(self, name: str) -> list[str]:
        """All values of a header."""
        return [_unfolded(value) for value in self._answer.headers.get_all(name, [])]

    def read_some(self, size: int) -> bytes:
        """Up to `size` bytes as they arrive; empty at the end. Raises TransportError."""
        try:
            data = self._answer.read1(size)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            silent = isinstance(error, TimeoutError)
            raise TransportError(f"the answer broke off: {reason(error)}", silent=silent) from None
        if self._left is not None:
            self._left -= len(data)
        if not data:
            short = self._left
            self.close()
            if short:
                raise TransportError(f"the answer is {short} bytes short")
        return data

    def read(self, limit: int) -> bytes:
        """The whole body, also when asked again; LimitError if it exceeds `limit` bytes."""
        if self._data is not None:
            return self._data
        if self.length is not None and self.length > limit and self.request.method != "HEAD":
            self.close()
            raise LimitError(f"{self.request.url} answers with more than {limit} bytes")
        parts, size = [], 0
        while data := self.read_some(limit + 1 - size):
            parts.append(data)
            size += len(data)
            if size > limit:
                self.close()
                raise LimitError(f"{self.request.url} answers with more than {limit} bytes")
        self._data = b"".join(parts)
        return self._data

    def close(self) -> None:
        """Gives the connection back, or closes it when too much of the body is still to come."""
        release, self._release = self._release, None
        if release is None:
            return
        clean = False
        self._pace.last()
        try:
            if self._left is not None and self._left <= _DRAIN:
                while self._left and (data := self._answer.read1(self._left)):
                    self._left -= len(data)
                clean = not self._left and not self._answer.will_close
            elif self._left is None:
                clean = self._answer.isclosed() and not self._answer.will_close
        except (OSError, http.client.HTTPException, ValueError):
            clean = False
        self._answer.close()
        release(clean and not self._pace.excess)


def _unfolded(value: str) -> str:
    """The value of a header over several lines (RFC 9112, section 5.2) as it is on one."""
    return re.sub(r"[ \t]*\r?\n[ \t]+", " ", value).strip() if "\n" in value else value


def reason(error: Exception) -> str:
    """A person's words for what the standard library raises."""
    if isinstance(error, http.client.RemoteDisconnected):
        return "the server hung up without an answer"
    if isinstance(error, http.client.BadStatusLine):
        return "the answer is not HTTP"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer is cut short"
    if isinstance(error, http.client.HTTPException):
        return f"the answer is not HTTP: {type(error).__name__}"
    if isinstance(error, socket.gaierror):
        return "the name does not resolve"
    if isinstance(error, TimeoutError):
        return str(error) if isinstance(error, TooSlowError) else "timed out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error) or type(error).__name__
    # A proxy's refusal carries words of its own choosing.
    return text if text.isprintable() else ascii(text)
