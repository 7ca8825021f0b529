"""Writes frames as a blob and learns its digests, in constant memory.

Threads start when there is a second frame to compress: a small layer is written where it stands,
and so is one of which only a frame has changed.
"""

from __future__ import annotations

import hashlib
import os

from lading.layer.compress import Compression
from lading.layer.outputs import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from queue import SimpleQueue

    from lading.layer.kept import Kept, KeptFrame, Mark
    from lading.layer.pipeline import Pipeline

    Bytes = bytes | bytearray | memoryview
    Frame = tuple[bytearray, int] | KeptFrame

__all__ = ["Blob", "Pool", "Progress", "processors", "write_blob"]


class Blob:
    """What was written: digests as `sha256:…`, sizes in bytes. Not frozen: it fills up.

    `annotations` are what the format itself adds to the layer's descriptor.
    """

    __slots__ = ("annotations", "diff_id", "digest", "size", "uncompressed_size")

    def __init__(self) -> None:
        self.annotations: dict[str, str] = {}
        self.digest = ""
        self.size = 0
        self.diff_id = ""
        self.uncompressed_size = 0


def processors() -> int:
    """CPUs this process may use, at least 1."""
    try:
        return len(os.sched_getaffinity(0)) or 1
    except AttributeError:
        return os.cpu_count() or 1


class Pool:
    """Hands out at most `count` buffers and waits for one to come back when all are in use."""

    __slots__ = ("_capacity", "_free", "_left")

    def __init__(self, capacity: int, count: int) -> None:
        from queue import SimpleQueue

        self._capacity = capacity
        self._left = count
        self._free: SimpleQueue[bytearray] = SimpleQueue()

    def take(self) -> bytearray:
        if self._left and self._free.empty():
            self._left -= 1
            return bytearray(self._capacity)
        return self._free.get()

    def give(self, buffer: bytearray) -> None:
        self._free.put(buffer)


class Progress:
    """Sizes and hashes of what was written so far, of the archive and of the blob."""

    __slots__ = ("_packed", "_raw", "_sha_blob", "_sha_tar")

    def __init__(self) -> None:
        self._raw = 0
        self._packed = 0
        self._sha_tar = hashlib.sha256()
        self._sha_blob = hashlib.sha256()

    def add_raw(self, data: Bytes, mark: Mark | None) -> None:
        """A frame of the archive goes by."""
        self._sha_tar.update(data)
        self._raw += len(data)
        if mark is not None:
            mark.raw = len(data)
            mark.tar = self._sha_tar.copy()

    def add_packed(self, data: Bytes, mark: Mark | None) -> None:
        """The same frame, compressed."""
        self._sha_blob.update(data)
        self._packed += len(data)
        if mark is not None:
            from deflate import crc32

            mark.packed = len(data)
            mark.crc = crc32(data)
            mark.blob = self._sha_blob.copy()

    def skip(self, mark: Mark) -> None:
        """A frame goes by behind which the hashes are known."""
        assert mark.tar is not None
        assert mark.blob is not None
        self._sha_tar = mark.tar
        self._sha_blob = mark.blob
        self._raw += mark.raw
        self._packed += mark.packed

    def detach(self) -> None:
        """Takes copies of the hashes that `skip` left, which are not to be changed."""
        self._sha_tar = self._sha_tar.copy()
        self._sha_blob = self._sha_blob.copy()

    def blob(self) -> Blob:
        blob = Blob()
        blob.diff_id = "sha256:" + self._sha_tar.hexdigest()
        blob.uncompressed_size = self._raw
        blob.digest = "sha256:" + self._sha_blob.hexdigest()
        blob.size = self._packed
        return blob


def write_blob(
    fd: int,
    frames: Callable[[Callable[[], bytearray]], Iterator[Frame]],
    compression: Compression,
    capacity: int,
    *,
    threads: int = 0,
    checkpoint: Callable[[], None] = lambda: None,
    kept: Kept | None = None,
    marks: list[Mark] | None = None,
) -> Blob:
    """Compresses frames and writes them to `fd`.

    Args:
        fd: an open file, written from its current position.
        frames: called with a function that gives empty buffers; yields filled ones with the
            number of bytes that count, or frames of `kept`.
        compression: how.
        capacity: bytes of a buffer.
        threads: compressor threads; 0 for one a processor.
        checkpoint: called between frames; what it raises ends the work.
        kept: frames of the layer as it was before.
        marks: gets a mark for each frame.

    Raises:
        StorageError: no space left, or another failure to write.
        StaleError: a frame of `kept` cannot be had.
        LadingError: what `frames` or `checkpoint` raise.
    """
    threads = threads or processors()
    pool = Pool(capacity, threads + 2)
    progress = Progress()
    stages: Pipeline | None = None
    held: tuple[tuple[bytearray, int], Mark | None] | None = None
    skipped = 0
    try:
        for frame in frames(pool.take):
            checkpoint()
            if (
                not isinstance(frame, tuple)
                and held is None
                and stages is None
                and frame.number == skipped
            ):
                assert kept is not None
                if kept.fd >= 0:
                    write_all(fd, kept.packed(frame), what="the layer")
                progress.skip(frame.mark)
                skipped += 1
                if marks is not None:
                    marks.append(frame.mark)
                continue
            mark = _mark(marks)
            if held is None and stages is None:
                progress.detach()
                if isinstance(frame, tuple):
                    held = frame, mark
                    continue
            if stages is None:
                from lading.layer.pipeline import Pipeline

                stages = Pipeline(fd, compression, threads, pool, progress, kept)
                if held is not None:
                    stages.put(*held[0], held[1])
            if isinstance(frame, tuple):
                stages.put(*frame, mark)
            else:
                stages.put_kept(frame, mark)
    except BaseException:
        if stages is not None:
            stages.close(abandon=True)
        raise
    if stages is not None:
        stages.close(abandon=False)
    elif held is not None:
        (buffer, size), mark = held
        raw = memoryview(buffer)[:size]
        packed = compression.compressor()(raw)
        progress.add_raw(raw, mark)
        write_all(fd, packed, what="the layer")
        progress.add_packed(packed, mark)
    return progress.blob()


def _mark(marks: list[Mark] | None) -> Mark | None:
    if marks is None:
        return None
    from lading.layer.kept import Mark

    marks.append(Mark())
    return marks[-1]
