"""Lays entries out as a tar stream, one frame at a time, reading each file once."""

from __future__ import annotations

from lading.layer.entries import FILE, Entry
from lading.layer.frames import Cutter
from lading.layer.links import Links
from lading.layer.page import Opened, Page
from lading.layer.tar import END, Headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["lay"]


def lay(
    entries: Iterable[Entry], cutter: Cutter, take: Callable[[], bytearray]
) -> Iterator[tuple[bytearray, int]]:
    """Yields the frames of the archive: a buffer, and how many bytes of it count.

    Args:
        entries: in the order of the archive.
        cutter: new, decides where frames end.
        take: gives a buffer of `cutter.capacity` bytes, which becomes part of a frame.

    Raises:
        LadingError: content cannot be read, or changes while it is read.
    """
    header = Headers().header
    links = Links()
    page = Page(take())
    for entry in entries:
        before = page.used
        if entry.kind != FILE:
            page.put(header(entry, 0))
        else:
            with Opened(entry.source) as content:
                size = content.size
                if size < cutter.large:
                    page.put(header(entry, size))
                    if size:
                        link = links.small(entry, page.fill(content, 0, size))
                        if link:
                            page.used = before
                            page.put(header(entry, 0, link))
                elif link := links.large(entry, size):
                    page.put(header(entry, 0, link))
                else:
                    if before:
                        yield page.buffer, before
                        page = Page(take())
                    page.put(header(entry, size))
                    offset = 0
                    for length in cutter.pieces(size):
                        if offset:
                            yield page.buffer, page.used
                            page = Page(take())
                        page.fill(content, offset, length)
                        offset += length
                    before = 0
        if cutter.ends(entry.path, page.used - before):
            yield page.buffer, page.used
            page = Page(take())
    page.put(END)
    yield page.buffer, page.used
