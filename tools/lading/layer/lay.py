"""Lays entries out as a tar stream, one frame at a time, reading each file once."""

from __future__ import annotations

import os

from lading.layer.entries import FILE, Entry, Slice
from lading.layer.frames import Cutter
from lading.layer.links import Links
from lading.layer.reading import changed, open_file, read_error
from lading.layer.tar import END, Headers, padding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["lay"]

_ZEROS = memoryview(bytes(512))


def lay(
    entries: Iterable[Entry], cutter: Cutter, take: Callable[[], bytearray]
) -> Iterator[tuple[bytearray, int]]:
    """Yields the frames of the archive: a buffer, and how many bytes of it count.

    Args:
        entries: in the order of the archive.
        cutter: new, decides where frames end.
        take: gives a buffer of `cutter.capacity` bytes that the caller gets back filled.

    Raises:
        LadingError: content cannot be read, or changes while it is read.
    """
    headers = Headers()
    links = Links()
    header = headers.header
    buffer = take()
    view = memoryview(buffer)
    used = 0
    for entry in entries:
        if entry.kind != FILE:
            head = header(entry, 0)
            end = used + len(head)
            view[used:end] = head
        else:
            source = entry.source
            fd = -1
            try:
                if type(source) is str:
                    fd, size = open_file(source)
                else:
                    size = source.size if type(source) is Slice else len(source)  # type: ignore[arg-type]
                if size >= cutter.large:
                    link = links.large(entry, size)
                    head = header(entry, 0, link) if link else header(entry, size)
                    if not link and used:
                        yield buffer, used
                        buffer = take()
                        view = memoryview(buffer)
                        cutter.used = used = 0
                    end = used + len(head)
                    view[used:end] = head
                    if not link:
                        offset = 0
                        while size - offset > cutter.longest:
                            stop = end + cutter.target
                            _read(source, fd, offset, view[end:stop], last=False)
                            offset += cutter.target
                            yield buffer, stop
                            buffer = take()
                            view = memoryview(buffer)
                            used = end = 0
                        stop = end + size - offset
                        _read(source, fd, offset, view[end : stop + 1], last=True)
                        end = stop
                else:
                    head = header(entry, size)
                    start = used + len(head)
                    view[used:start] = head
                    end = start + size
                    if size:
                        _read(source, fd, 0, view[start : end + 1], last=True)
                        link = links.small(entry, view[start:end])
                        if link:
                            head = header(entry, 0, link)
                            end = used + len(head)
                            view[used:end] = head
            finally:
                if fd >= 0:
                    os.close(fd)
            gap = padding(end - used)
            if gap:
                view[end : end + gap] = _ZEROS[:gap]
                end += gap
        if cutter.ends(entry.path, end - used):
            yield buffer, end
            buffer = take()
            view = memoryview(buffer)
            end = 0
        used = end
    view[used : used + len(END)] = END
    yield buffer, used + len(END)


def _read(source: object, fd: int, offset: int, view: memoryview, *, last: bool) -> None:
    """Fills `view` from `offset`; with `last`, the final byte of `view` must lie past the end."""
    wanted = len(view)
    if fd < 0:
        if last:
            wanted -= 1
            view = view[:wanted]
        if isinstance(source, Slice):
            fd = source.fd
            offset += source.offset
            last = False
        else:
            assert isinstance(source, bytes)
            view[:] = source[offset : offset + wanted]
            return
    done = 0
    try:
        while done < wanted:
            count = os.preadv(fd, [view[done:] if done else view], offset + done)
            if not count:
                break
            done += count
            # A short read of a regular file is its end; the byte too many saves asking again.
            if last and done == wanted - 1:
                break
    except OSError as error:
        raise read_error(source if isinstance(source, str) else "an archive", error) from None
    if done != (wanted - 1 if last else wanted):
        raise changed(source if isinstance(source, str) else "an archive")
