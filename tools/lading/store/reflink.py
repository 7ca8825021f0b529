"""Bytes that several files have in common on file systems that allow it (XFS, btrfs, bcachefs).

A file that shares bytes with another is a file like any other: it can be copied, changed and
removed by itself. The file system keeps the bytes for as long as any file has them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

__all__ = ["clone", "offered", "shared_extents"]

#: FICLONERANGE and FS_IOC_FIEMAP of linux/fs.h, as most architectures number them.
_CLONE_RANGE, _FIEMAP = 0x4020940D, 0xC020660B
#: struct fiemap and struct fiemap_extent of linux/fiemap.h.
_MAP, _EXTENT = struct.Struct("=QQIIII"), struct.Struct("=QQQQQIIII")
_LAST, _UNKNOWN, _SHARED = 0x1, 0x2, 0x2000
_AT_ONCE = 256
_BLOCK = 4096


def offered(number: int) -> bool:
    """Whether the empty file that is open for reading and writing could share bytes."""
    try:
        os.pwrite(number, bytes(_BLOCK), 0)
        _clone(number, 0, _BLOCK, number, _BLOCK)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):
            raise
        return False
    finally:
        os.ftruncate(number, 0)
    return True


def clone(source: int, place: int, size: int, target: int, at: int) -> None:
    """Makes `size` bytes of an open file from `place` on appear in another from `at` on.

    What does not fill a block of the file system at the end is copied.

    Raises OSError when the file system cannot: places that are no multiples of its block, another
    file system, no room for its own records.
    """
    whole = size - size % _BLOCK
    if whole:
        _clone(source, place, whole, target, at)
    rest = os.pread(source, size - whole, place + whole)
    if len(rest) != size - whole:
        raise OSError(errno.ENODATA, "the file is shorter than it was")
    os.pwrite(target, rest, at + whole)


def _clone(source: int, place: int, size: int, target: int, at: int) -> None:
    fcntl.ioctl(target, _CLONE_RANGE, struct.pack("=qQQQ", source, place, size, at))


def shared_extents(number: int) -> list[tuple[int, int]]:
    """Where on the disk the bytes of an open file are that other files have too: start and end.

    Nothing where the file system does not say.
    """
    found: list[tuple[int, int]] = []
    start = 0
    while True:
        buffer = bytearray(_MAP.size + _AT_ONCE * _EXTENT.size)
        _MAP.pack_into(buffer, 0, start, 2**64 - 1 - start, 0, 0, _AT_ONCE, 0)
        try:
            fcntl.ioctl(number, _FIEMAP, buffer, True)
        except OSError:
            return []
        count = _MAP.unpack_from(buffer, 0)[3]
        flags = _LAST
        for index in range(count):
            at = _MAP.size + index * _EXTENT.size
            logical, physical, length, _, _, flags, *_ = _EXTENT.unpack_from(buffer, at)
            if flags & _SHARED and not flags & _UNKNOWN:
                found.append((physical, physical + length))
            start = logical + length
        if not count or flags & _LAST:
            return found
