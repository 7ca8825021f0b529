"""The stages of writing a blob, one thread each and one a processor for compression.

    reader (the caller) ─┬─▶ sha256 of the archive
                         └─▶ compressors ─▶ sha256 of the blob, file

Buffers come from memory of a fixed size, which holds the reader back. A frame that
is kept takes the same way, except that its compressed bytes are there already.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue

from lading.errors import LadingError, LimitError
from lading.layer.outputs import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lading.layer.arena import Arena
    from lading.layer.compress import Compress, Compression
    from lading.layer.job import Job
    from lading.layer.kept import Kept
    from lading.layer.writer import Progress

__all__ = ["Pipeline"]


_NO_THREAD = "allow more processes (ulimit -u), or build with fewer at a time (--jobs)"


class Pipeline:
    """Started by creating it; `close` has to be called.

    Args:
        fd: an open file, written from its current position.
        compression: how.
        threads: compressor threads.
        count: how many frames may be on their way.
        arena: where the memory of frames goes back to.
        progress: is brought forward; its owner looks at it after `close`.
        kept: where kept frames are.
    """

    def __init__(
        self,
        fd: int,
        compression: Compression,
        threads: int,
        count: int,
        arena: Arena,
        progress: Progress,
        kept: Kept | None,
    ) -> None:
        self._fd = fd
        self._arena = arena
        arena.share()
        self._progress = progress
        self._kept = kept
        self._lock = threading.Lock()
        # Packed frames wait for their turn; without a bound one slow frame would pile them up.
        self._room: SimpleQueue[None] = SimpleQueue()
        for _ in range(count):
            self._room.put(None)
        self._to_hash: SimpleQueue[Job | None] = SimpleQueue()
        self._to_pack: SimpleQueue[Job | None] = SimpleQueue()
        self._to_write: SimpleQueue[Job | None] = SimpleQueue()
        self._error: BaseException | None = None
        self._compression = compression
        self._packers = threads
        self._threads: list[threading.Thread] = []
        try:
            for stage in (self._hash, self._write, *[self._pack] * threads):
                thread = threading.Thread(target=self._guard, args=(stage,))
                thread.start()
                self._threads.append(thread)
        except RuntimeError as error:
            self.close(abandon=True)
            raise LimitError(f"no thread could be started: {error}", fix=_NO_THREAD) from None

    def put(self, job: Job) -> None:
        """Hands a frame over; raises what went wrong with an earlier one."""
        self._room.get()
        if self._error is not None:
            raise self._error
        # Locks, because they are C all through, where an Event is Python.
        job.writable = threading.Lock()
        job.writable.acquire()
        job.readable = threading.Lock()
        if job.place < 0:
            job.readable.acquire()
        self._to_pack.put(job)
        self._to_hash.put(job)
        self._to_write.put(job)

    def close(self, *, abandon: bool) -> None:
        """Waits for all threads; with `abandon`, they drop what is left. Raises what went wrong."""
        if abandon and self._error is None:
            self._error = LadingError("abandoned")
        for _ in range(self._packers):
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

    def _release(self, job: Job) -> None:
        with self._lock:
            job.users -= 1
            last = job.users == 0
        if last and job.place >= 0:
            assert job.raw is not None
            job.raw.release()
            self._arena.give(job.place)
        elif last:
            job.raw = None

    def _hash(self) -> None:
        while (job := self._to_hash.get()) is not None:
            job.readable.acquire()
            if self._error is None:
                try:
                    self._progress.add_raw(job)
                except BaseException as error:  # noqa: BLE001  # the stage must go on draining
                    self._fail(error)
            self._release(job)

    def _pack(self) -> None:
        compress: Compress | None = None
        while (job := self._to_pack.get()) is not None:
            if self._error is None:
                try:
                    # Made here, since loading a library takes as long as reading a frame or two.
                    compress = compress or self._compression.compressor()
                    job.pack(compress, self._kept)
                except BaseException as error:  # noqa: BLE001  # the stage must go on draining
                    self._fail(error)
            stored = job.stored
            if job.place < 0:
                job.readable.release()
            job.writable.release()
            if not stored:
                self._release(job)

    def _write(self) -> None:
        while (job := self._to_write.get()) is not None:
            job.writable.acquire()
            if self._error is None:
                try:
                    write_all(self._fd, job.packed, what="the layer")
                    self._progress.add_packed(job)
                except BaseException as error:  # noqa: BLE001  # the stage must go on draining
                    self._fail(error)
            job.packed = b""
            if job.stored:
                self._release(job)
            self._room.put(None)
