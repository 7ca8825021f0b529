"""A frame being filled: headers, content and padding, one behind the other."""

from __future__ import annotations

import errno
import os

from lading.layer.reading import FLAGS, Opened, changed, read_error
from lading.layer.tar import BLOCK, padding

__all__ = ["Page"]


class Page:
    """A buffer and how much of it is used; what is put there always ends on a whole block."""

    __slots__ = ("used", "view")

    def __init__(self, view: memoryview) -> None:
        self.view = view
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
        content.read_into(self.view[start:], offset, length)
        return self._close(start, end)

    def load(self, path: str, limit: int) -> int:
        """Reads a small file behind room for a header of one block; `accept` makes it part.

        Thousands of files go this way, so it asks the system for as little as can be.

        Returns:
            The bytes of the file, or -1 when it has none or `limit` and more, or is not a regular
            file: `Opened` tells which.

        Raises:
            LadingError: it cannot be read, or changed while it was.
        """
        fd = -1
        try:
            fd = os.open(path, FLAGS)
            size = os.lseek(fd, 0, os.SEEK_END)
            if not 0 < size < limit:
                return -1
            start = self.used + BLOCK
            # One byte more than there should be makes sure of the end.
            count = os.preadv(fd, [self.view[start : start + size + 1]], 0)
        except OSError as error:
            # tmpfs, overlayfs and NFS do not say where a directory ends.
            if error.errno in (errno.EINVAL, errno.EISDIR, errno.ESPIPE):
                return -1
            raise read_error(path, error) from None
        finally:
            if fd >= 0:
                os.close(fd)
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
        return self._close(start, end)

    def _close(self, start: int, end: int) -> memoryview:
        """Pads content to a whole block; returns it."""
        gap = padding(end - start)
        if gap:
            self.view[end : end + gap] = bytes(gap)
        self.used = end + gap
        return self.view[start:end]
