"""Writes frames as a blob and learns its digests: one thread a stage, constant memory.

    reader (the caller) ─┬─▶ sha256 of the archive
                         └─▶ compressors ─▶ sha256 of the blob, file

Buffers come from a pool of fixed size, which bounds memory and holds the reader back. Threads
start when there is a second frame: a small layer is written where it stands.
"""

from __future__ import annotations

import hashlib
import os

from lading.errors import LadingError, StorageError
from lading.layer.compress import Compression

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from queue import SimpleQueue
    from typing import Any

__all__ = ["Blob", "processors", "write_blob"]


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


def write_blob(
    fd: int,
    frames: Callable[[Callable[[], bytearray]], Iterator[tuple[bytearray, int]]],
    compression: Compression,
    capacity: int,
    *,
    threads: int = 0,
    checkpoint: Callable[[], None] = lambda: None,
) -> Blob:
    """Compresses frames and writes them to `fd`.

    Args:
        fd: an open file, written from its current position.
        frames: called with a function that gives empty buffers; yields filled ones.
        compression: how.
        capacity: bytes of a buffer.
        threads: compressor threads; 0 for one a processor.
        checkpoint: called between frames; what it raises ends the work.

    Raises:
        StorageError: no space left, or another failure to write.
        LadingError: what `frames` or `checkpoint` raise.
    """
    threads = threads or processors()
    pipeline: _Pipeline | None = None
    pool = _Pool(capacity, threads + 2)
    held: tuple[bytearray, int] | None = None
    done = False
    try:
        for frame in frames(pool.take):
            checkpoint()
            if held is not None:
                if pipeline is None:
                    pipeline = _Pipeline(fd, compression, threads, pool)
                pipeline.put(*held)
            held = frame
        assert held is not None
        if pipeline is None:
            return _write_one(fd, memoryview(held[0])[: held[1]], compression)
        pipeline.put(*held)
        done = True
    finally:
        if pipeline is not None:
            pipeline.close(abandon=not done)
    return pipeline.result()


def _write_one(fd: int, raw: memoryview, compression: Compression) -> Blob:
    blob = Blob()
    packed = compression.compressor()(raw)
    blob.diff_id = "sha256:" + hashlib.sha256(raw).hexdigest()
    blob.uncompressed_size = len(raw)
    blob.digest = "sha256:" + hashlib.sha256(packed).hexdigest()
    blob.size = len(packed)
    _write(fd, packed)
    return blob


def _write(fd: int, data: bytes | bytearray | memoryview) -> None:
    try:
        count = os.write(fd, data)
        while count < len(data):
            data = memoryview(data)[count:]
            count = os.write(fd, data)
    except OSError as error:
        raise StorageError(
            f"the layer cannot be written: {error.strerror}", fix="free some space and build again"
        ) from None


class _Pool:
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


class _Job:
    """A frame on its way: raw until hashed and compressed, then packed until written."""

    __slots__ = ("buffer", "packed", "raw", "ready", "users")

    def __init__(self, buffer: bytearray, size: int, ready: Any) -> None:
        self.buffer = buffer
        self.raw = memoryview(buffer)[:size]
        self.packed: bytes | bytearray | memoryview = b""
        self.ready = ready
        self.users = 2


class _Pipeline:
    def __init__(self, fd: int, compression: Compression, threads: int, pool: _Pool) -> None:
        import threading
        from queue import SimpleQueue

        self._fd = fd
        self._pool = pool
        self._compression = compression
        self._lock = threading.Lock()
        self._new_event = threading.Event
        # Packed frames wait for their turn; without a bound one slow frame would pile them up.
        self._room = threading.Semaphore(threads + 2)
        self._to_hash: SimpleQueue[_Job | None] = SimpleQueue()
        self._to_pack: SimpleQueue[_Job | None] = SimpleQueue()
        self._to_write: SimpleQueue[_Job | None] = SimpleQueue()
        self._error: BaseException | None = None
        self._blob = Blob()
        self._count = threads
        stages = [self._hash, self._write, *[self._pack] * threads]
        self._threads = [threading.Thread(target=self._guard, args=(stage,)) for stage in stages]
        for thread in self._threads:
            thread.start()

    def put(self, buffer: bytearray, size: int) -> None:
        """Hands a frame over; raises what went wrong with an earlier one."""
        self._room.acquire()
        if self._error is not None:
            raise self._error
        job = _Job(buffer, size, self._new_event())
        self._to_pack.put(job)
        self._to_hash.put(job)
        self._to_write.put(job)

    def close(self, *, abandon: bool) -> None:
        """Waits for all threads; with `abandon`, they drop what is left."""
        if abandon and self._error is None:
            self._error = LadingError("abandoned")
        for _ in range(self._count):
            self._to_pack.put(None)
        self._to_hash.put(None)
        self._to_write.put(None)
        for thread in self._threads:
            thread.join()

    def result(self) -> Blob:
        if self._error is not None:
            raise self._error
        return self._blob

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
            job.raw.release()
            self._pool.give(job.buffer)

    def _hash(self) -> None:
        digest = hashlib.sha256()
        size = 0
        while (job := self._to_hash.get()) is not None:
            if self._error is None:
                digest.update(job.raw)
                size += len(job.raw)
            self._release(job)
        self._blob.diff_id = "sha256:" + digest.hexdigest()
        self._blob.uncompressed_size = size

    def _pack(self) -> None:
        compress = self._compression.compressor()
        while (job := self._to_pack.get()) is not None:
            if self._error is None:
                try:
                    job.packed = compress(job.raw)
                except BaseException as error:  # noqa: BLE001  # the stage must go on draining
                    self._fail(error)
            stored = job.packed is job.raw
            job.ready.set()
            if not stored:
                self._release(job)

    def _write(self) -> None:
        digest = hashlib.sha256()
        size = 0
        while (job := self._to_write.get()) is not None:
            job.ready.wait()
            if self._error is None:
                try:
                    _write(self._fd, job.packed)
                    digest.update(job.packed)
                    size += len(job.packed)
                except BaseException as error:  # noqa: BLE001  # the stage must go on draining
                    self._fail(error)
            if job.packed is job.raw:
                self._release(job)
            job.packed = b""
            self._room.release()
        self._blob.digest = "sha256:" + digest.hexdigest()
        self._blob.size = size
