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

    Frames measure from half to one and a half times `target` bytes, `target` on average, which is
    a power of two. Files of `large` bytes and more begin a frame, and are cut every `target` bytes
    from their start.
    """

    __slots__ = ("_maximum", "_scale", "_target", "_used", "large")

    def __init__(self, target: int) -> None:
        assert not target & (target - 1)
        self._target = target
        self.large = target // 2
        self._maximum = target + self.large
        self._scale = (1 << 33) // target
        self._used = 0

    @property
    def capacity(self) -> int:
        """Bytes that any frame fits, the end of the archive included."""
        return self._maximum + self.large + 2 * MAX_HEADER

    def begin(self) -> None:
        """A frame begins, because the one before was not laid but kept."""
        self._used = 0

    def pieces(self, size: int) -> list[int]:
        """How a large file is cut: the lengths of its pieces, all but the last a whole frame.

        The file begins a frame, and ends one: its last piece measures half the target or more.
        """
        self._used = 0
        pieces = []
        while size > self._maximum:
            pieces.append(self._target)
            size -= self._target
        return [*pieces, size]

    def ends(self, path: str, size: int) -> bool:
        """Whether the frame ends after `size` more bytes, those of the entry at `path`."""
        used = self._used + size
        if used < self.large or (
            used < self._maximum and crc32(path.encode()) >= size * self._scale
        ):
            self._used = used
            return False
        self._used = 0
        return True
