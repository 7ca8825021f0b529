"""Lays entries out as a tar stream, one frame at a time, reading each file once."""

from __future__ import annotations

from lading.layer.entries import FILE, Entry
from lading.layer.frames import Cutter
from lading.layer.links import Links
from lading.layer.page import Opened, Page
from lading.layer.tar import END, Headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lading.layer.kept import KeptFrame
    from lading.layer.known import Known

__all__ = ["ARCHIVE_END", "BEFORE_LARGE", "CUT", "lay"]

#: Why a frame ends: its own entries say so, a large file follows, the archive ends.
CUT, BEFORE_LARGE, ARCHIVE_END = range(3)


def lay(
    entries: Sequence[Entry],
    cutter: Cutter,
    take: Callable[[], bytearray],
    known: Known | None = None,
) -> Iterator[tuple[bytearray, int] | KeptFrame]:
    """Yields the frames of the archive: a buffer and how many bytes of it count, or a kept frame.

    Args:
        entries: in the order of the archive.
        cutter: new, decides where frames end.
        take: gives a buffer of `cutter.capacity` bytes, which becomes part of a frame.
        known: what is known of the content, which makes reading some of it unnecessary.

    Raises:
        LadingError: content cannot be read, or changes while it is read.
    """
    header = Headers().header
    links = Links()
    page = Page(take())
    large = cutter.large
    count = len(entries)
    index = offset = 0
    while True:
        if known is not None and not page.used:
            frame = known.find(index, offset)
            if frame is not None:
                yield frame
                if frame.end == ARCHIVE_END:
                    return
                cutter.begin()
                index, offset = known.position()
                continue
        if index == count:
            break
        entry = entries[index]
        before = page.used
        if entry.kind != FILE:
            page.put(header(entry, 0))
        elif known is not None and (link := known.link(index)):
            page.put(header(entry, 0, link))
        else:
            with Opened(entry.source) as content:
                size = content.size
                if size < large and not offset:
                    page.put(header(entry, size))
                    data = page.fill(content, 0, size)
                    if known is not None:
                        known.read_small(index, entry, data)
                    elif size and (link := links.small(entry, data)):
                        page.used = before
                        page.put(header(entry, 0, link))
                elif known is None and (link := links.large(entry, size)):
                    page.put(header(entry, 0, link))
                else:
                    if before:
                        if known is not None:
                            known.laid(index, 0, BEFORE_LARGE)
                        yield page.buffer, before
                        page = Page(take())
                        if known is not None:
                            continue
                    digest = known.begin_large(index, offset) if known is not None else None
                    at = 0
                    for length in cutter.pieces(size):
                        if at >= offset:
                            if not at:
                                page.put(header(entry, size))
                            elif at > offset:
                                if known is not None and digest is not None:
                                    known.laid(index, at, CUT, digest.copy())
                                yield page.buffer, page.used
                                page = Page(take())
                            data = page.fill(content, at, length)
                            if digest is not None:
                                digest.update(data)
                        at += length
                    if known is not None and digest is not None:
                        known.end_large(index, entry, digest, resumed=offset > 0)
                    before = offset = 0
        index += 1
        if cutter.ends(entry.path, page.used - before):
            if known is not None:
                known.laid(index, 0, CUT)
            yield page.buffer, page.used
            page = Page(take())
    page.put(END)
    if known is not None:
        known.laid(index, 0, ARCHIVE_END)
    yield page.buffer, page.used
