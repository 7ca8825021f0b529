"""Finds files with the same content, so that all but the first become hard links."""

from __future__ import annotations

from deflate import crc32

from lading.layer.entries import Entry, Meta
from lading.layer.reading import Reader, same_content

__all__ = ["Links"]

_SAMPLE = 4096


class Links:
    """Files seen so far, by what is cheap to know; equality is decided by comparing the bytes.

    Only files with equal metadata are linked, for links share it. Empty files are not worth it.
    """

    __slots__ = ("_large", "_small")

    def __init__(self) -> None:
        self._small: dict[tuple[int, int, Meta], list[Entry]] = {}
        self._large: dict[tuple[int, Meta], list[Entry]] = {}

    def small(self, entry: Entry, content: memoryview) -> str:
        """The path of an earlier file with the same `content`; "" if there is none."""
        key = len(content), crc32(content[:_SAMPLE]), entry.meta
        earlier = self._small.get(key)
        if earlier is None:
            self._small[key] = [entry]
            return ""
        for other in earlier:
            if _holds(other, content):
                return other.path
        earlier.append(entry)
        return ""

    def large(self, entry: Entry, size: int) -> str:
        """As `small`, for a file of `size` bytes that is not in memory."""
        earlier = self._large.setdefault((size, entry.meta), [])
        for other in earlier:
            if same_content(other.source, entry.source):
                return other.path
        earlier.append(entry)
        return ""


def _holds(entry: Entry, content: memoryview) -> bool:
    with Reader(entry.source) as reader:
        if reader.size != len(content):
            return False
        offset = 0
        while offset < reader.size:
            data = reader.read(offset)
            if not data or data != content[offset : offset + len(data)]:
                return False
            offset += len(data)
    return True
