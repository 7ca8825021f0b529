"""A body of known size as a stream that goes on where it broke off (RFC 9110, section 14)."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping

from lading.errors import CorruptError, UnreachableError
from lading.http.limits import CHUNK
from lading.http.messages import Response, TransportError
from lading.http.retry import Attempts

__all__ = ["Download"]

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


class Download(io.RawIOBase):
    """Reads what `get` answers; what the bytes are is for the reader to check.

    Args:
        get: sends the request with further headers. Its answers are 200, 206 and 416; it raises
            for all others.
        size: bytes that there have to be.
        what: names the content: `the blob sha256:… of localhost:5000/app`.
        doing: names the attempt: `fetch sha256:… from localhost:5000/app`.
        attempts: how often it may break off without getting ahead.

    `read` raises:
        CorruptError: the server has more bytes, fewer, or others than were asked for.
        UnreachableError: it broke off too often.
    """

    def __init__(
        self,
        get: Callable[[Mapping[str, str]], Response],
        size: int,
        *,
        what: str,
        doing: str,
        attempts: Attempts,
    ) -> None:
        self._get = get
        self._size = size
        self._what, self._doing = what, doing
        self._attempts = attempts
        self._response: Response | None = None
        self._position = 0
        self._skip = 0
        self._mark = 0

    def readable(self) -> bool:
        return True

    def start(self) -> None:
        """Sends the request now, so that missing content shows before the first read."""
        if self._response is None:
            self._response = self._open()

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        left = self._size - self._position
        if not left:
            return b""
        data = self._some(min(size, left))
        self._position += len(data)
        if self._position == self._size:
            self._end()
        return data

    def close(self) -> None:
        self._drop()
        super().close()

    def _some(self, size: int) -> bytes:
        """At least one byte, over as many attempts as it takes."""
        while True:
            try:
                if self._response is None:
                    self._response = self._open()
                while self._skip:
                    passed = self._response.read_some(min(CHUNK, self._skip))
                    if not passed:
                        raise TransportError("the answer is too short")
                    self._skip -= len(passed)
                if data := self._response.read_some(size):
                    return data
                raise TransportError("the answer is too short")
            except TransportError as error:
                self._drop()
                if self._position - self._mark >= CHUNK:
                    self._mark = self._position
                    self._attempts.progress()
                trouble = f"cannot {self._doing}: {error}"
                if not self._attempts.again(trouble, silent=error.silent):
                    raise UnreachableError(trouble) from None

    def _open(self) -> Response:
        start = self._position
        response = self._get({"Range": f"bytes={start}-"} if start else {})
        if start and response.status == 416:
            response.close()
            response = self._get({})
        if response.status == 206 and start:
            match = _CONTENT_RANGE.fullmatch(response.header("Content-Range"))
            whole = ("*", str(self._size))
            if match is None or int(match[1]) != start or match[3] not in whole:
                response.close()
                raise self._corrupt("the server sends another range than it was asked for")
            self._skip = 0
            return response
        if response.status != 200:
            response.close()
            raise self._corrupt(f"the server answers {response.status} to a request for all of it")
        # Ranges are optional: without them the beginning comes again, and is passed over.
        self._skip = start
        if response.length is not None and response.length != self._size:
            length = response.length
            response.close()
            raise self._corrupt(f"{length} bytes instead of {self._size}")
        return response

    def _end(self) -> None:
        response, self._response = self._response, None
        if response is None:
            return
        try:
            extra = response.read_some(1)
        except TransportError:
            extra = b""
        response.close()
        if extra:
            raise self._corrupt(f"it goes on after {self._size} bytes")

    def _drop(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.close()

    def _corrupt(self, why: str) -> CorruptError:
        return CorruptError(f"{self._what} is corrupt: {why}")
