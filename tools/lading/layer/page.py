"""A frame being filled: headers, content and padding, one behind the other."""

from __future__ import annotations

import errno
import os

from lading.layer.entries import Content, Slice
from lading.layer.reading import FLAGS, changed, open_file, read_error, state
from lading.layer.tar import BLOCK, padding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

__all__ = ["Opened", "Page"]

_ZEROS = memoryview(bytes(BLOCK))


class Opened:
    """Content ready to be read, with its size in bytes; a context manager.

    Raises:
        LadingError: on creation, when a file cannot be opened.
    """

    __slots__ = ("_before", "_data", "_fd", "_offset", "_owned", "_whole", "name", "size")

    def __init__(self, content: Content) -> None:
        self._data: bytes | None = None
        self._owned = False
        self._whole = False
        self._offset = 0
        self._before: tuple[int, int, int] | None = None
        self.name = "an archive"
        if type(content) is str:
            self._fd, self.size = open_file(content)
            self._owned = self._whole = True
            self.name = content
        elif type(content) is Slice:
            self._fd = content.fd
            if content.fd < 0:
                self._fd, _ = open_file(content.origin)
                self._owned = True
            self._offset = content.offset
            self.size = content.size
            self.name = content.origin
        else:
            assert isinstance(content, bytes)
            self._fd = -1
            self._data = content
            self.size = len(content)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._owned:
            os.close(self._fd)

    def read_into(self, view: memoryview, offset: int, length: int) -> None:
        """Puts `length` bytes from `offset` at the start of `view`.

        `view` is longer than `length`: the end of a file is made sure of by asking for one byte
        more than there should be. A file that is read in pieces, the first one first, must be
        the same after the last one.

        Raises:
            LadingError: the content cannot be read, or a file changed while it was read.
        """
        if self._data is not None:
            view[:length] = self._data[offset : offset + length]
            return
        wanted = length
        last = self._whole and offset + length == self.size
        if last:
            wanted += 1
        elif not offset and self._whole:
            self._before = state(self._fd)
        offset += self._offset
        done = 0
        try:
            while done < wanted:
                count = os.preadv(self._fd, [view[done:wanted]], offset + done)
                done += count
                # A short read of a regular file is its end.
                if not count or done == length:
                    break
        except OSError as error:
            raise read_error(self.name, error) from None
        if done != length or (last and self._before and self._before != state(self._fd)):
            raise changed(self.name)


class Page:
    """A buffer and how much of it is used; what is put there always ends on a whole block."""

    __slots__ = ("buffer", "used", "view")

    def __init__(self, buffer: bytearray) -> None:
        self.buffer = buffer
        self.view = memoryview(buffer)
        self.used = 0

    @property
    def room(self) -> int:
        """Bytes of content that fit, with padding."""
        return len(self.view) - self.used - 2 * BLOCK

    def put(self, data: bytes) -> None:
        """Appends a header, which is a number of whole blocks."""
        end = self.used + len(data)
        self.view[self.used : end] = data
        self.used = end

    def fill(self, content: Opened, offset: int, length: int) -> memoryview:
        """Appends `length` bytes of `content`, pads them to a whole block; returns them."""
        start = self.used
        end = start + length
        view = self.view
        content.read_into(view[start:], offset, length)
        gap = padding(length)
        if gap:
            view[end : end + gap] = _ZEROS[:gap]
        self.used = end + gap
        return view[start:end]

    def load(self, path: str, limit: int) -> int:
        """Reads a small file behind room for a header of one block; `accept` makes it part.

        Thousands of files go this way, so it asks the system for as little as can be.

        Returns:
            The bytes of the file, or -1 when it has none or `limit` and more, or is not a regular
            file: `Opened` tells which.

        Raises:
            LadingError: it cannot be read, or changed while it was.
        """
        try:
            fd = os.open(path, FLAGS)
            try:
                size = os.lseek(fd, 0, os.SEEK_END)
                if not 0 < size < limit:
                    return -1
                start = self.used + BLOCK
                # One byte more than there should be makes sure of the end.
                count = os.preadv(fd, [self.view[start : start + size + 1]], 0)
            finally:
                os.close(fd)
        except OSError as error:
            if error.errno in (errno.EISDIR, errno.ESPIPE):
                return -1
            raise read_error(path, error) from None
        if count != size:
            raise changed(path)
        return size

    def accept(self, header: bytes, size: int) -> memoryview:
        """Appends what `load` has read, behind its header; returns it."""
        view = self.view
        there = self.used + BLOCK
        start = self.used + len(header)
        end = start + size
        if start != there:
            view[start:end] = view[there : there + size]
        view[self.used : start] = header
        gap = padding(size)
        if gap:
            view[end : end + gap] = _ZEROS[:gap]
        self.used = end + gap
        return view[start:end]
