"""The stages of writing a blob, one thread each and one a processor for compression.

    reader (the caller) ─┬─▶ sha256 of the archive
                         └─▶ compressors ─▶ sha256 of the blob, file

Buffers come from a pool of fixed size, which bounds memory and holds the reader back. Frames that
are kept take the same way, except that they are uncompressed, for the sha256 of the archive.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue

from lading.errors import LadingError
from lading.layer.kept import StaleError
from lading.layer.outputs import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lading.layer.compress import Compression
    from lading.layer.kept import Kept, KeptFrame, Mark
    from lading.layer.writer import Pool, Progress

__all__ = ["Pipeline"]

Bytes = bytes | bytearray | memoryview


class _Job:
    """A frame on its way: raw until hashed and compressed, then packed until written."""

    __slots__ = ("buffer", "frame", "mark", "packed", "raw", "ready", "stored", "users")

    def __init__(self, buffer: bytearray, mark: Mark | None) -> None:
        self.buffer = buffer
        self.frame: KeptFrame | None = None
        self.raw: Bytes = b""
        self.packed: Bytes = b""
        self.ready = threading.Event()
        self.users = 2
        self.stored = False
        self.mark = mark


class Pipeline:
    """Started by creating it; `close` has to be called.

    Args:
        fd: an open file, written from its current position.
        compression: how.
        threads: compressor threads.
        pool: where buffers go back to.
        progress: is brought forward; its owner looks at it after `close`.
        kept: where kept frames are.
    """

    def __init__(
        self,
        fd: int,
        compression: Compression,
        threads: int,
        pool: Pool,
        progress: Progress,
        kept: Kept | None,
    ) -> None:
        self._fd = fd
        self._pool = pool
        self._compression = compression
        self._progress = progress
        self._kept = kept
        self._lock = threading.Lock()
        # Packed frames wait for their turn; without a bound one slow frame would pile them up.
        self._room = threading.Semaphore(threads + 2)
        self._to_hash: SimpleQueue[_Job | None] = SimpleQueue()
        self._to_pack: SimpleQueue[_Job | None] = SimpleQueue()
        self._to_write: SimpleQueue[_Job | None] = SimpleQueue()
        self._error: BaseException | None = None
        self._count = threads
        stages = [self._hash, self._write, *[self._pack] * threads]
        self._threads = [threading.Thread(target=self._guard, args=(stage,)) for stage in stages]
        for thread in self._threads:
            thread.start()

    def put(self, buffer: bytearray, size: int, mark: Mark | None) -> None:
        """Hands a frame over; raises what went wrong with an earlier one."""
        self._make_room()
        job = _Job(buffer, mark)
        job.raw = memoryview(buffer)[:size]
        self._start(job)

    def put_kept(self, frame: KeptFrame, mark: Mark | None) -> None:
        """Hands a kept frame over; raises what went wrong with an earlier one."""
        self._make_room()
        job = _Job(self._pool.take(), mark)
        job.frame = frame
        self._start(job)

    def _make_room(self) -> None:
        self._room.acquire()
        if self._error is not None:
            raise self._error

    def _start(self, job: _Job) -> None:
        self._to_pack.put(job)
        self._to_hash.put(job)
        self._to_write.put(job)

    def close(self, *, abandon: bool) -> None:
        """Waits for all threads; with `abandon`, they drop what is left. Raises what went wrong."""
        if abandon and self._error is None:
            self._error = LadingError("abandoned")
        for _ in range(self._count):
            self._to_pack.put(None)
        self._to_hash.put(None)
        self._to_write.put(None)
        for thread in self._threads:
            thread.join()
        if not abandon and self._error is not None:
            raise self._error

    def _guard(self, stage: Callable[[], None]) -> None:
        try:
            stage()
        except BaseException as error:  # noqa: BLE001  # handed to the thread that can report it
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error

    def _release(self, job: _Job) -> None:
        with self._lock:
            job.users -= 1
            last = job.users == 0
        if last:
            raw, job.raw = job.raw, b""
            if isinstance(raw, memoryview):
                raw.release()
            self._pool.give(job.buffer)

    def _hash(self) -> None:
        progress = self._progress
        while (job := self._to_hash.get()) is not None:
            if job.frame is not None:
                job.ready.wait()
            if self._error is None:
                progress.add_raw(job.raw, job.mark)
            self._release(job)

    def _pack(self) -> None:
        compress = self._compression.compressor()
        uncompress = self._compression.uncompressor()
        while (job := self._to_pack.get()) is not None:
            if self._error is None:
                try:
                    if job.frame is None:
                        job.packed = compress(job.raw)
                    else:
                        assert self._kept is not None
                        job.packed = self._kept.packed(job.frame)
                        job.raw = uncompress(job.packed, job.buffer)
                        if len(job.raw) != job.frame.mark.raw:
                            raise StaleError
                except BaseException as error:  # noqa: BLE001  # the stage must go on draining
                    self._fail(error)
            job.stored = stored = job.packed is job.raw
            job.ready.set()
            if not stored:
                self._release(job)

    def _write(self) -> None:
        progress = self._progress
        while (job := self._to_write.get()) is not None:
            job.ready.wait()
            if self._error is None:
                try:
                    write_all(self._fd, job.packed, what="the layer")
                    progress.add_packed(job.packed, job.mark)
                except BaseException as error:  # noqa: BLE001  # the stage must go on draining
                    self._fail(error)
            if job.stored:
                self._release(job)
            job.packed = b""
            self._room.release()
