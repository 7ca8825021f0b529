"""Writes a layer as eStargz: every file a gzip member, compressed in parallel, in constant memory.

Entries are laid out in buffers of some members each. Threads compress and hash these; the caller
takes them back in order, so the bytes do not depend on how many threads there are.
"""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from lading.layer.arena import Arena
from lading.layer.entries import FILE, Entry, Meta
from lading.layer.estargz import (
    CHUNK,
    SIZE_ANNOTATION,
    TOC_ANNOTATION,
    TOC_NAME,
    Toc,
    footer,
    toc_entry,
    with_landmark,
)
from lading.layer.links import Links
from lading.layer.outputs import write_all
from lading.layer.page import Page
from lading.layer.reading import Opened
from lading.layer.tar import END, MAX_HEADER, Headers, padding
from lading.layer.writer import Blob, processors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from lading.layer.compress import Compress, Compression

__all__ = ["write_estargz"]

#: Bytes of entries after which a buffer is handed over; enough to make a thread worth it.
_BATCH = 1 << 20
_CAPACITY = _BATCH + CHUNK + 3 * MAX_HEADER


class _Item:
    """An entry, or a chunk of a file, in a batch.

    `start` and `length` say where its content is in the buffer; `length` is 0 without content.
    `last` is whether the file has no more chunks.
    """

    __slots__ = ("last", "length", "start", "toc")

    def __init__(self, toc: dict[str, object], start: int, length: int, *, last: bool) -> None:
        self.toc = toc
        self.start = start
        self.length = length
        self.last = last


class _Batch:
    """A buffer of entries; every content in it begins a gzip member, as does the buffer."""

    __slots__ = ("items", "page", "place")

    def __init__(self, view: memoryview) -> None:
        self.page = Page(view)
        self.items: list[_Item] = []
        self.place = 0

    def pack(self, compress: Compress) -> tuple[list[tuple[int, bytes]], dict[int, str]]:
        """Compresses the batch; runs on any thread.

        Returns:
            The members, each with where it begins in the buffer, and sha256 digests in hex of
            contents, by where they begin.
        """
        view = self.page.view
        contents = [item for item in self.items if item.length]
        starts = [item.start for item in contents]
        if not starts or starts[0]:
            starts.insert(0, 0)
        members = [
            (start, bytes(compress(view[start:end])))
            for start, end in zip(starts, [*starts[1:], self.page.used], strict=True)
        ]
        digests = {
            item.start: hashlib.sha256(view[item.start : item.start + item.length]).hexdigest()
            for item in contents
        }
        return members, digests


def write_estargz(
    fd: int,
    entries: Iterable[Entry],
    compression: Compression,
    *,
    threads: int = 0,
    checkpoint: Callable[[], None] = lambda: None,
) -> Blob:
    """Writes the entries of a layer, the table of contents and the footer to `fd`.

    Args:
        fd: an open file or pipe, written from its current position.
        entries: in the order of the archive.
        compression: gzip at some level.
        threads: compressor threads; 0 for one a processor.
        checkpoint: called between batches; what it raises ends the work.

    Returns:
        What was written, with the annotations that the layer's descriptor needs.

    Raises:
        LadingError: content cannot be read, or the blob not be written.
    """
    threads = threads or processors()
    compress = compression.compressor()
    sink = _Sink(fd)
    # As many buffers as keep every thread busy, one that is filled, and the end of the ring, where
    # there may be no room for one: nobody but this thread gives them back.
    arena = Arena(_CAPACITY, (threads + 3) * _CAPACITY)
    arena.share()
    pending: deque[tuple[_Batch, Future[tuple[list[tuple[int, bytes]], dict[int, str]]]]] = deque()

    def finish_one() -> None:
        batch, future = pending.popleft()
        sink.write(batch, *future.result())
        arena.give(batch.place)

    with ThreadPoolExecutor(threads) as executor:
        try:
            for batch in _batches(with_landmark(entries), arena.take):
                checkpoint()
                batch.place = arena.cut(batch.page.used)
                pending.append((batch, executor.submit(batch.pack, compress)))
                if len(pending) > threads + 1:
                    finish_one()
            while pending:
                finish_one()
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise
    return sink.finish(compress)


def _batches(entries: Iterable[Entry], take: Callable[[], memoryview]) -> Iterator[_Batch]:
    """Lays entries out as a tar archive, in batches that end where an entry or a chunk does."""
    header = Headers().header
    links = Links()
    batch = _Batch(take())
    for entry in entries:
        if batch.page.used >= _BATCH:
            yield batch
            batch = _Batch(take())
        page = batch.page
        if entry.kind != FILE:
            page.put(header(entry, 0))
            batch.items.append(_Item(toc_entry(entry, 0), 0, 0, last=True))
            continue
        with Opened(entry.source) as content:
            size = content.size
            if size <= CHUNK:
                _lay_small(batch, entry, content, header, links)
                continue
            link = links.large(entry, size)
            page.put(header(entry, 0 if link else size, link))
            if link:
                batch.items.append(_Item(toc_entry(entry, 0, link), 0, 0, last=True))
                continue
            for offset in range(0, size, CHUNK):
                if batch.page.used > _BATCH:
                    yield batch
                    batch = _Batch(take())
                length = min(CHUNK, size - offset)
                if offset:
                    toc: dict[str, object] = {"name": entry.path, "type": "chunk"}
                    toc["chunkOffset"] = offset
                else:
                    toc = toc_entry(entry, size)
                last = offset + length == size
                if not last:
                    toc["chunkSize"] = length
                batch.items.append(_Item(toc, batch.page.used, length, last=last))
                batch.page.fill(content, offset, length)
    if batch.page.used:
        yield batch


def _lay_small(
    batch: _Batch,
    entry: Entry,
    content: Opened,
    header: Callable[[Entry, int, str], bytes],
    links: Links,
) -> None:
    """Lays out a file that is one chunk, or a link to one with the same content."""
    page, size = batch.page, content.size
    before = page.used
    page.put(header(entry, size, ""))
    start = page.used
    if not size:
        batch.items.append(_Item(toc_entry(entry, 0), 0, 0, last=True))
        return
    if link := links.small(entry, page.fill(content, 0, size)):
        page.used = before
        page.put(header(entry, 0, link))
        batch.items.append(_Item(toc_entry(entry, 0, link), 0, 0, last=True))
    else:
        batch.items.append(_Item(toc_entry(entry, size), start, size, last=True))


class _Sink:
    """Takes packed batches in order: writes and hashes them, and keeps the table of contents."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._toc = Toc()
        self._packed = hashlib.sha256()
        self._plain = hashlib.sha256()
        self._blob = Blob()
        # The TOCEntries of a file that more chunks follow: the first one holds its digest.
        self._open: list[dict[str, object]] = []
        self._content = hashlib.sha256()

    def write(
        self, batch: _Batch, members: list[tuple[int, bytes]], digests: dict[int, str]
    ) -> None:
        offsets = {}
        position = self._blob.size
        for start, data in members:
            offsets[start] = position
            position += len(data)
        self._write(b"".join(data for _, data in members), batch.page.view[: batch.page.used])
        for item in batch.items:
            self._add(item, batch.page.view, offsets, digests)

    def _write(self, packed: bytes, plain: memoryview | bytes) -> None:
        write_all(self._fd, packed, what="the layer")
        self._packed.update(packed)
        self._plain.update(plain)
        self._blob.size += len(packed)
        self._blob.uncompressed_size += len(plain)

    def _add(
        self, item: _Item, view: memoryview, offsets: dict[int, int], digests: dict[int, str]
    ) -> None:
        if not item.length:
            self._toc.add(item.toc)
            return
        digest = f"sha256:{digests[item.start]}"
        item.toc["offset"] = offsets[item.start]
        if self._open or not item.last:
            if not self._open:
                self._content = hashlib.sha256()
            self._open.append(item.toc)
            self._content.update(view[item.start : item.start + item.length])
            item.toc["chunkDigest"] = digest
            if item.last:
                self._open[0]["digest"] = f"sha256:{self._content.hexdigest()}"
                for toc in self._open:
                    self._toc.add(toc)
                self._open.clear()
            return
        item.toc["digest"] = item.toc["chunkDigest"] = digest
        self._toc.add(item.toc)

    def finish(self, compress: Compress) -> Blob:
        """Writes the table of contents, the end of the archive and the footer."""
        toc = self._toc.dumps()
        header = Headers().header(Entry(TOC_NAME, FILE, Meta(0o644)), len(toc))
        plain = b"".join((header, toc, bytes(padding(len(toc))), END))
        offset = self._blob.size
        self._write(bytes(compress(memoryview(plain))), plain)
        self._write(footer(offset), b"")
        blob = self._blob
        blob.digest = f"sha256:{self._packed.hexdigest()}"
        blob.diff_id = f"sha256:{self._plain.hexdigest()}"
        blob.annotations = {
            TOC_ANNOTATION: f"sha256:{hashlib.sha256(toc).hexdigest()}",
            SIZE_ANNOTATION: str(blob.uncompressed_size),
        }
        return blob
