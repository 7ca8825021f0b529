"""Lays entries out as a tar stream, one frame at a time, reading each file once."""

from __future__ import annotations

from lading.layer.entries import FILE, Entry
from lading.layer.frames import Cutter
from lading.layer.links import Links
from lading.layer.page import Page
from lading.layer.reading import Opened
from lading.layer.tar import END, MAX_HEADER, Headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lading.layer.kept import KeptFrame
    from lading.layer.known import Known
    from lading.layer.writer import Frame

__all__ = ["ARCHIVE_END", "BEFORE_LARGE", "CUT", "lay"]

#: Why a frame ends: its own entries say so, a large file follows, the archive ends.
CUT, BEFORE_LARGE, ARCHIVE_END = range(3)


def lay(
    entries: Sequence[Entry],
    cutter: Cutter,
    take: Callable[[], memoryview],
    known: Known | None = None,
) -> Iterator[Frame]:
    """Yields the frames of the archive, as `write_blob` takes them.

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
                if known.only_kept:
                    yield frame
                elif frame.is_of_small_files:
                    yield None, frame.mark.raw, frame
                else:
                    _lay_again(page, entries, index, offset, frame, known, header)
                    yield page.view, page.used, frame
                    page = Page(take())
                if frame.end == ARCHIVE_END:
                    return
                cutter.begin()
                index, offset = known.position()
                continue
        # What goes on in the middle of a large file is kept: all of its frames are, or none.
        assert not offset
        if index == count:
            break
        entry = entries[index]
        before = page.used
        data = None
        if entry.kind != FILE:
            page.put(header(entry, 0))
        elif known is not None and (link := known.link(index)):
            page.put(header(entry, 0, link))
        elif type(entry.source) is str and (size := page.load(entry.source, large)) >= 0:
            data = page.accept(header(entry, size), size)
        else:
            with Opened(entry.source) as content:
                size = content.size
                if size < large:
                    page.put(header(entry, size))
                    data = page.fill(content, 0, size)
                elif known is None and (link := links.large(entry, size)):
                    page.put(header(entry, 0, link))
                else:
                    if before:
                        if known is not None:
                            known.laid(index, 0, BEFORE_LARGE)
                        yield page.view, before, None
                        page = Page(take())
                        if known is not None:
                            continue
                    digest = known.begin_large(index) if known is not None else None
                    at = 0
                    page.put(header(entry, size))
                    for length in cutter.pieces(size):
                        if at:
                            if known is not None:
                                known.laid(index, at, CUT)
                            yield page.view, page.used, None
                            page = Page(take())
                        piece = page.fill(content, at, length)
                        if digest is not None:
                            digest.update(piece)
                        at += length
                    if known is not None and digest is not None:
                        known.end_large(index, entry, digest)
                    before = 0
        if data is not None:
            if known is not None:
                known.read_small(index, entry, data)
            elif data and (link := links.small(entry, data)):
                page.used = before
                page.put(header(entry, 0, link))
        index += 1
        if cutter.ends(entry.path, page.used - before):
            if known is not None:
                known.laid(index, 0, CUT)
            yield page.view, page.used, None
            page = Page(take())
    page.put(END)
    if known is not None:
        known.laid(index, 0, ARCHIVE_END)
    yield page.view, page.used, None


def _lay_again(
    page: Page,
    entries: Sequence[Entry],
    index: int,
    offset: int,
    frame: KeptFrame,
    known: Known,
    header: Callable[..., bytes],
) -> None:
    """Lays what is in a kept frame, from `offset` of the content of entry `index`.

    Whether the files are still what the frame was made of is for who has the checksum.

    Raises:
        StaleError: a file is larger than it was.
        LadingError: content cannot be read.
    """
    from lading.layer.kept import StaleError

    last = index + len(frame.tokens) - 1
    for number in range(index, last + 1):
        if page.room < MAX_HEADER:
            raise StaleError
        entry = entries[number]
        source = entry.source
        if entry.kind != FILE:
            page.put(header(entry, 0))
            continue
        if link := known.link(number):
            page.put(header(entry, 0, link))
            continue
        start = offset if number == index else 0
        stop = frame.stop if number == last else 0
        if not start and not stop and type(source) is str:
            size = page.load(source, page.room - MAX_HEADER)
            if size >= 0:
                page.accept(header(entry, size), size)
                continue
        with Opened(source) as content:
            if not start:
                page.put(header(entry, content.size))
            length = (stop or content.size) - start
            if not 0 <= length <= page.room:
                raise StaleError
            page.fill(content, start, length)
    if frame.end == ARCHIVE_END:
        page.put(END)
