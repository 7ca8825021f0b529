"""Where a scanner takes bytes from: a stream, or a file of which most can be passed over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

from lading.errors import CorruptError, StorageError
from lading.scan.codec import CHUNK

__all__ = ["FileSource", "Source", "StreamSource", "file_chunks"]


class Source(Protocol):
    """Bytes in order."""

    def read(self, count: int) -> bytes:
        """The next `count` bytes; fewer only at the end."""
        ...

    def skip(self, count: int) -> int:
        """Passes over `count` bytes and returns how many there were; fewer only at the end."""
        ...

    def chunks(self, count: int) -> Iterator[bytes | memoryview]:
        """The next `count` bytes in pieces; fewer only at the end."""
        ...


class StreamSource:
    """Bytes that come in chunks, as a Source."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._position = 0

    def read(self, count: int) -> bytes:
        end = self._position + count
        if end <= len(self._chunk):
            data = self._chunk[self._position : end]
            self._position = end
            return data
        return b"".join(self.chunks(count))

    def skip(self, count: int) -> int:
        return sum(len(piece) for piece in self.chunks(count))

    def chunks(self, count: int) -> Iterator[bytes | memoryview]:
        while count > 0:
            if self._position == len(self._chunk):
                chunk = next(self._chunks, None)
                if chunk is None:
                    return
                self._chunk, self._position = chunk, 0
                continue
            piece = memoryview(self._chunk)[self._position : self._position + count]
            self._position += len(piece)
            count -= len(piece)
            yield piece


class FileSource:
    """A range of an open file as a Source: what is skipped is not read.

    Args:
        fd: an open file.
        offset: where the range begins.
        size: its bytes.
        what: names the file in errors.

    Reading raises what `file_chunks` does.
    """

    def __init__(self, fd: int, offset: int, size: int, *, what: str) -> None:
        self._fd = fd
        self._offset = offset
        self._end = offset + size
        self._what = what

    def read(self, count: int) -> bytes:
        return b"".join(self.chunks(count))

    def skip(self, count: int) -> int:
        count = min(count, self._end - self._offset)
        self._offset += count
        return count

    def chunks(self, count: int) -> Iterator[bytes]:
        start = self._offset
        return file_chunks(self._fd, start, self.skip(count), what=self._what)


def file_chunks(fd: int, offset: int, size: int, *, what: str) -> Iterator[bytes]:
    """The bytes of a range of an open file, at most 1 MiB at a time.

    Raises:
        CorruptError: the file ends before the range does.
        StorageError: it cannot be read.
    """
    end = offset + size
    while offset < end:
        try:
            data = os.pread(fd, min(CHUNK, end - offset), offset)
        except OSError as error:
            raise StorageError(f"{what} cannot be read: {error.strerror}") from None
        if not data:
            raise CorruptError(f"{what} ends {end - offset} bytes too early")
        offset += len(data)
        yield data
