"""Writing a large file as fast as `cp` does, although every byte of it is hashed on the way.

Whoever makes the blocks reads and hashes the next one while another thread writes the one before,
and a third has the disk start on what is written, so that little is left for the final fsync.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

__all__ = ["write"]

#: Blocks that wait to be written, at most: 256 KiB each, when they come from tarball.stream.
_AHEAD = 16
#: Bytes that are worth a call to the disk. A file of less is written without threads.
_FLUSH = 32 * 1024 * 1024


def write(file: BinaryIO, blocks: Iterable[bytes], size: int) -> None:
    """Writes all blocks to `file`, which is not synchronised at the end yet.

    Args:
        file: open for writing.
        blocks: what to write; making them may raise.
        size: how many bytes that is at least, for which room is made first.

    Raises OSError when writing fails, or an early part of it did not reach the disk; and what
    `blocks` raises. No thread is left in any case.
    """
    if size < _FLUSH:
        file.writelines(blocks)
        return
    _reserve(file, size)
    pending: deque[Future[int]] = deque()
    flushed: Future[None] | None = None
    behind = 0
    writer, flusher = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
    try:
        for block in blocks:
            if len(pending) == _AHEAD:
                pending.popleft().result()
            pending.append(writer.submit(file.write, block))
            behind += len(block)
            if behind >= _FLUSH and (flushed is None or flushed.done()):
                # The kernel tells of an error once only: the final fsync would not see this one.
                if flushed is not None:
                    flushed.result()
                flushed = flusher.submit(os.fdatasync, file.fileno())
                behind = 0
        for write_ in pending:
            write_.result()
        if flushed is not None:
            flushed.result()
        file.truncate()
    finally:
        writer.shutdown(cancel_futures=True)
        flusher.shutdown(cancel_futures=True)


def _reserve(file: BinaryIO, size: int) -> None:
    """Takes the room on the disk at once: less to do while writing, and a full disk shows first."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        # A file system may not know how; the bytes find their room one by one then.
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
