"""Finds files with the same content, so that all but the first become hard links."""

from __future__ import annotations

from deflate import crc32

from lading.layer.entries import Entry
from lading.layer.reading import same_content

__all__ = ["Links"]

_SAMPLE = 4096


class Links:
    """Files seen so far, by what is cheap to know; equality is decided by comparing the bytes.

    Only files with equal metadata are linked, for links share it. Empty files are not worth it.
    """

    __slots__ = ("_large", "_small")

    def __init__(self) -> None:
        # By size and checksum. Nearly all have one entry, so lists are made for the others only.
        self._small: dict[int, Entry | list[Entry]] = {}
        self._large: dict[int, list[Entry]] = {}

    def small(self, entry: Entry, content: memoryview) -> str:
        """The path of an earlier file with the same `content`; "" if there is none."""
        key = len(content) << 32 | crc32(content[:_SAMPLE])
        there = self._small.setdefault(key, entry)
        if there is entry:
            return ""
        earlier = there if isinstance(there, list) else [there]
        for other in earlier:
            if other.meta == entry.meta and same_content(other.source, bytes(content)):
                return other.path
        self._small[key] = [*earlier, entry]
        return ""

    def large(self, entry: Entry, size: int) -> str:
        """As `small`, for a file of `size` bytes that is not in memory."""
        earlier = self._large.setdefault(size, [])
        for other in earlier:
            if other.meta == entry.meta and same_content(other.source, entry.source):
                return other.path
        earlier.append(entry)
        return ""
