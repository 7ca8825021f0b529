"""Writes frames as a blob and learns its digests, in constant memory.

Threads start when there is a second frame to compress, or a first one that is worth it: a small
layer is written where it stands.
"""

from __future__ import annotations

import hashlib
import os

from lading.layer.arena import Arena
from lading.layer.compress import Compression
from lading.layer.job import Job
from lading.layer.outputs import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lading.layer.kept import Kept, KeptFrame, Mark
    from lading.layer.pipeline import Pipeline

    #: A buffer, how many bytes of it count and the kept frame that they are, if they are one: then
    #: the buffer may be None. Or a kept frame at the beginning of the archive, behind which the
    #: hashes are known as well.
    Frame = tuple[memoryview | None, int, KeptFrame | None] | KeptFrame

__all__ = ["Blob", "Progress", "processors", "write_blob"]


#: Frames beside those that are being compressed: filled, hashed, written, or ready. They are at
#: most so many, and of so many bytes on average.
_AHEAD = 8
_BYTES_AHEAD = 12 << 20


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


class Progress:
    """Sizes and hashes of what was written so far, of the archive and of the blob."""

    __slots__ = ("_packed", "_raw", "_sha_blob", "_sha_tar")

    def __init__(self) -> None:
        self._raw = 0
        self._packed = 0
        self._sha_tar = hashlib.sha256()
        self._sha_blob = hashlib.sha256()

    def add_raw(self, job: Job) -> None:
        """The bytes of a frame of the archive go by.

        Raises:
            StaleError: they are not those of the kept frame that they should be. Bazel has found
                the files unchanged, so a checksum is enough for those that change behind its back.
        """
        raw = job.raw
        assert raw is not None
        self._sha_tar.update(raw)
        self._raw += len(raw)
        mark = job.mark
        if mark is not None:
            from deflate import crc32

            from lading.layer.kept import StaleError

            there = None if job.frame is None else job.frame.mark
            mark.raw = len(raw)
            mark.tar = self._sha_tar.copy()
            if there is not None and job.place < 0:
                # It was not read, but uncompressed.
                mark.raw_crc = there.raw_crc
                return
            mark.raw_crc = crc32(raw)
            if there is not None and (mark.raw, mark.raw_crc) != (there.raw, there.raw_crc):
                raise StaleError

    def add_packed(self, job: Job) -> None:
        """The same frame goes by, compressed."""
        self._sha_blob.update(job.packed)
        self._packed += len(job.packed)
        mark = job.mark
        if mark is not None:
            from deflate import crc32

            mark.packed = len(job.packed)
            mark.packed_crc = crc32(job.packed)
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
    frames: Callable[[Callable[[], memoryview]], Iterator[Frame]],
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
    count = threads + min(_AHEAD, _BYTES_AHEAD // compression.target)
    arena = Arena(capacity, count * compression.target + capacity)
    progress = Progress()
    stages: Pipeline | None = None
    held: Job | None = None
    try:
        for frame in frames(arena.take):
            checkpoint()
            if not isinstance(frame, tuple):
                assert kept is not None
                if kept.fd >= 0:
                    write_all(fd, kept.packed(frame), what="the layer")
                progress.skip(frame.mark)
                if marks is not None:
                    marks.append(frame.mark)
                continue
            if held is None and stages is None:
                progress.detach()
            buffer, length, kept_frame = frame
            raw, place = (None, -1) if buffer is None else (buffer[:length], arena.cut(length))
            job = Job(raw, place, kept_frame, _mark(marks))
            if stages is None:
                if held is None and length < compression.target // 2:
                    held = job
                    continue
                from lading.layer.pipeline import Pipeline

                stages = Pipeline(fd, compression, threads, count, arena, progress, kept)
                if held is not None:
                    stages.put(held)
            stages.put(job)
    except BaseException:
        if stages is not None:
            stages.close(abandon=True)
        raise
    if stages is not None:
        stages.close(abandon=False)
    elif held is not None:
        held.pack(compression.compressor(), kept)
        progress.add_raw(held)
        write_all(fd, held.packed, what="the layer")
        progress.add_packed(held)
    return progress.blob()


def _mark(marks: list[Mark] | None) -> Mark | None:
    if marks is None:
        return None
    from lading.layer.kept import Mark

    marks.append(Mark())
    return marks[-1]
