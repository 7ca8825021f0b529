"""What files take on the disk together, when some have bytes in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

__all__ = ["Usage"]


class Usage:
    """The bytes of files of which each can be removed.

    Args:
        files: for each, its name, its size in bytes, and where on the disk those of its bytes are
            that it may have in common with others, as pairs of start and end.
    """

    def __init__(self, files: Iterable[tuple[str, int, Sequence[tuple[int, int]]]]) -> None:
        files = list(files)
        bounds = sorted({place for _, _, extents in files for pair in extents for place in pair})
        number_of = {place: number for number, place in enumerate(bounds)}
        self._lengths = [after - place for place, after in pairwise(bounds)]
        self._own: dict[str, int] = {}
        self._pieces: dict[str, list[int]] = {}
        self._holders: Counter[int] = Counter()
        for name, size, extents in files:
            pieces = {
                piece for start, end in extents for piece in range(number_of[start], number_of[end])
            }
            self._own[name] = max(0, size - sum(end - start for start, end in extents))
            self._pieces[name] = sorted(pieces)
            self._holders.update(pieces)
        self.total = sum(self._own.values()) + sum(self._lengths[one] for one in self._holders)

    def remove(self, name: str) -> int:
        """Counts a file as removed; returns the bytes that nobody has now."""
        freed = self._own.pop(name)
        for piece in self._pieces.pop(name):
            self._holders[piece] -= 1
            if not self._holders[piece]:
                freed += self._lengths[piece]
        self.total -= freed
        return freed
