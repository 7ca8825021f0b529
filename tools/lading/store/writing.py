"""Writing an archive as fast as `cp` copies its blobs, although every byte is hashed on the way.

The place of each blob is known before, so blobs are read, hashed and written side by side, each by
one thread, whose block stays in the cache of its core. A blob that is most of the archive has a
second thread that writes behind the one that hashes. The disk is kept busy meanwhile, so that
little is left for the final fsync.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from queue import Queue
from typing import BinaryIO

from lading.errors import CorruptError
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.store import tarball, tarscan
from lading.store.tarball import Placed
from lading.store.tarscan import TarFile

__all__ = ["Share", "write"]

#: Bytes of blobs that are worth threads.
_LARGE = 32 * 1024 * 1024
#: Blocks of a blob that wait for its second thread, at most; 256 KiB each.
_AHEAD = 16
#: Seconds between two calls to the disk.
_PAUSE = 0.1

#: Makes the bytes of a blob appear at its place without copying them; says whether it did.
Share = Callable[[Placed], bool]


def write(
    number: int,
    places: Sequence[Placed],
    content: Content,
    *,
    share: Share | None = None,
    wrote: Callable[[int], None] = lambda count: None,
) -> None:
    """Writes an archive to an empty file; it is not synchronised at the end yet.

    Args:
        number: the file descriptor, open for reading and writing.
        places: the archive's members, as `tarball.placed` says.
        content: where the bytes of blobs are.
        share: spares copying where it can; what it gives is read back and hashed all the same.
        wrote: called with the bytes of blobs that were written since the last call, by one
            thread at a time.

    Raises OSError when writing fails, or an early part of it did not reach the disk;
    CorruptError and NotFoundError for blobs. No thread is left in any case.
    """
    size = tarball.end_of(places)
    blobs = [place for place in places if place.member.data is None]
    total = sum(place.member.size for place in blobs)
    if total >= _LARGE and share is None:
        _reserve(number, size)
    for place in places:
        _put(number, place.head + (place.member.data or b""), place.at)
    work = _Work(number, content, share or (lambda place: False), wrote)
    if total < _LARGE:
        for place in blobs:
            work.blob(place)
    else:
        with _disk_kept_busy(number):
            work.side_by_side(blobs, total)
    # The padding behind members and the end are zeros, which a file has where nothing was written.
    os.ftruncate(number, size)


class _Work:
    """Writes the blobs of one archive."""

    def __init__(
        self, number: int, content: Content, share: Share, wrote: Callable[[int], None]
    ) -> None:
        self._number, self._content, self._share, self._wrote = number, content, share, wrote
        self._counting = threading.Lock()
        self._stopped = threading.Event()

    def side_by_side(self, blobs: Sequence[Placed], total: int) -> None:
        """Writes all blobs in threads; the first failure ends the others."""
        largest_first = sorted(blobs, key=lambda place: -place.member.size)
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            jobs = [
                pool.submit(self.blob, place, hand_over=place.member.size * 2 > total)
                for place in largest_first
            ]
            try:
                wait(jobs, return_when=FIRST_EXCEPTION)
            finally:
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
        for job in jobs:
            if not job.cancelled():
                job.result()

    def blob(self, place: Placed, *, hand_over: bool = False) -> None:
        """Writes a blob and checks what was written: by its digest on the way, or read back."""
        if self._share(place) and self._is_there(place):
            return
        blocks = self._counted(tarball.content_blocks(self._content, place.member))
        if hand_over:
            _write_behind(self._number, blocks, place.data_at)
            return
        at = place.data_at
        for block in blocks:
            _put(self._number, block, at)
            at += len(block)

    def _is_there(self, place: Placed) -> bool:
        try:
            for _ in self._counted(
                tarball.content_blocks(_Here(self._number, place), place.member)
            ):
                pass
        except CorruptError:
            return False  # of another archive, which changed: it is copied instead
        return True

    def _counted(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            if self._stopped.is_set():
                return  # the archive is given up; whoever stopped this says why
            yield block
            with self._counting:
                self._wrote(len(block))


class _Here:
    """The content of a blob as it is in the file that is written."""

    def __init__(self, number: int, place: Placed) -> None:
        self._number, self._place = number, place

    def open(self, descriptor: Descriptor) -> BinaryIO:
        return tarscan.window(self._number, TarFile(self._place.data_at, descriptor.size))

    def path(self, descriptor: Descriptor) -> None:
        return None


def _write_behind(number: int, blocks: Iterable[bytes], at: int) -> None:
    """Writes blocks in a thread of its own while the next ones are made."""
    waiting: Queue[bytes | None] = Queue(_AHEAD)
    failed = threading.Event()

    def run() -> None:
        place = at
        try:
            while (block := waiting.get()) is not None:
                _put(number, block, place)
                place += len(block)
        except BaseException:
            failed.set()
            while waiting.get() is not None:  # whoever makes blocks must not wait for room
                pass
            raise

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(run)
        try:
            for block in blocks:
                if failed.is_set():
                    break
                waiting.put(block)
        finally:
            waiting.put(None)
        writer.result()


def _put(number: int, data: bytes, at: int) -> None:
    """Writes all of `data` at a place of a file."""
    written = os.pwrite(number, data, at)
    while written < len(data):
        written += os.pwrite(number, memoryview(data)[written:], at + written)


@contextlib.contextmanager
def _disk_kept_busy(number: int) -> Iterator[None]:
    """Has the disk write what there is, again and again, for the time of a block.

    The kernel tells of an error once only: the final fsync would not see one that is lost here.
    """
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(_PAUSE):
            os.fdatasync(number)

    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(run)
        try:
            yield
        finally:
            ended.set()
        job.result()


def _reserve(number: int, size: int) -> None:
    """Takes the room on the disk at once: less to do while writing, and a full disk shows first."""
    try:
        os.posix_fallocate(number, 0, size)
    except OSError as error:
        # A file system may not know how; the bytes find their room one by one then.
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
