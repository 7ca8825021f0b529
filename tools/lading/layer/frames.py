"""Where a layer is cut into frames, each compressed on its own.

Boundaries follow from the paths and sizes of the entries around them and from nothing else, so
that inserting or changing a file moves at most the boundaries next to it. The rule is that of
content-defined chunking with a path's hash in place of a rolling hash: once a frame has its
minimum size, an entry ends it with a probability proportional to the entry's size.
"""

from __future__ import annotations

from binascii import crc32

from lading.layer.tar import MAX_HEADER

__all__ = ["Cutter"]


class Cutter:
    """Decides on boundaries as entries go by.

    Frames measure from half to one and a half times `target` bytes, `target` on average. Files
    of `large` bytes and more begin a frame, and are cut every `target` bytes from their start.
    """

    __slots__ = ("_maximum", "_scale", "large", "longest", "target", "used")

    def __init__(self, target: int) -> None:
        self.target = target
        self.large = target // 2
        self.longest = target + self.large
        self._maximum = target + self.large
        self._scale = (1 << 33) // target
        self.used = 0

    @property
    def capacity(self) -> int:
        """Bytes that any frame fits, the end of the archive included."""
        return self._maximum + self.longest + 2 * MAX_HEADER

    def ends(self, path: str, size: int) -> bool:
        """Whether the frame ends after `size` more bytes, those of the entry at `path`."""
        used = self.used + size
        if used < self.large:
            self.used = used
            return False
        if used < self._maximum and crc32(path.encode()) >= size * self._scale:
            self.used = used
            return False
        self.used = 0
        return True
