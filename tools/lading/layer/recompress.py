"""An archive compressed anew: the tar in it stays as it is, to the byte."""

from __future__ import annotations

from lading.layer.archive import Scratch
from lading.layer.decompress import uncompressed
from lading.layer.entries import Slice
from lading.layer.frames import Cutter
from lading.layer.reading import Opened, open_file, state
from lading.layer.strict import read_strictly
from lading.layer.writer import Blob, write_blob
from lading.scan.codec import CHUNK, sniff
from lading.scan.source import file_chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lading.layer.compress import Compression
    from lading.layer.spool import Spool
    from lading.layer.writer import Frame

__all__ = ["recompress"]


def recompress(
    fd: int,
    path: str,
    compression: Compression,
    spool: Spool,
    *,
    threads: int = 0,
    checkpoint: Callable[[], None] = lambda: None,
) -> Blob:
    """Writes the tar in the archive at `path` to `fd`, compressed as `compression` says.

    Args:
        fd: an open file or pipe, written from its current position.
        path: a tar archive, plain or compressed with gzip, zstd, xz or bzip2.
        compression: how.
        spool: where the archive is unpacked to, if it is compressed.
        threads: compressor threads; 0 for one a processor.
        checkpoint: called between frames; what it raises ends the work.

    Raises:
        CorruptError, LimitError: the archive is damaged, or a bomb.
        InputError: readers would not agree on what is in it.
        LadingError: it cannot be read, or the blob not be written.
    """
    tar = _checked(path, spool)
    cutter = Cutter(compression.target)

    def frames(take: Callable[[], memoryview]) -> Iterator[Frame]:
        with Opened(tar) as content:
            offset = 0
            for length in cutter.pieces(tar.size):
                view = take()
                content.read_into(view, offset, length)
                offset += length
                yield view, length, None

    return write_blob(
        fd, frames, compression, cutter.capacity, threads=threads, checkpoint=checkpoint
    )


def _checked(path: str, spool: Spool) -> Slice:
    """The uncompressed tar, read once from end to end."""
    fd, size = open_file(path)
    spool.adopt_input(fd, path, state(fd))
    chunks: Iterator[bytes] = file_chunks(fd, 0, size, what=path)
    if sniff(next(file_chunks(fd, 0, min(size, CHUNK), what=path), b"")) != "none":
        scratch = Scratch(spool.scratch(), spool.checkpoint)
        chunks = scratch.passing(uncompressed(chunks, size, what=path))
    else:
        scratch = None
    read_strictly(chunks, what=path, anew="set optimize = True to pack it anew")
    return Slice(scratch.fd, 0, scratch.size, path) if scratch else Slice(fd, 0, size, path)
