"""The lock that a change of the catalog holds, for as long as the change takes.

It is an advisory lock of the kernel on a file that always exists, so it ends with its holder,
however that ends. It is held for milliseconds: archives are written before it is taken.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

from lading.errors import ConflictError, StorageError
from lading.store import disk, places

__all__ = ["locked"]

#: Seconds to wait for other processes before giving up.
_PATIENCE = 120.0


@contextlib.contextmanager
def locked(root: Path, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Holds the lock of the store at `root`, creating the store if need be. Does not nest.

    Raises:
        ConflictError: another process held it for `patience` seconds; it is named.
        StorageError, DeniedError: the store cannot be written.
    """
    path = places.lock(root)
    with disk.guarded(path):
        disk.make_directories(path.parent)
        # What is locked is written to: a link that somebody put there is not followed.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.fdopen(os.open(path, flags, 0o666), "ab", buffering=0)
    with file:
        deadline = time.monotonic() + patience
        pause = 0.0005
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise _busy(root, path, patience) from None
            except OSError as error:
                raise StorageError(
                    f"{path} cannot be locked: {error.strerror}",
                    fix="a store has to be on a file system with locks; of NFS, without nolock",
                ) from None
            # Without the randomness, waiters that start together go on colliding.
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(pause * 1.5, 0.05)
        with contextlib.suppress(OSError):  # only for the message of who waits
            file.truncate(0)
            file.write(f"{os.getpid()}\n".encode())
        yield


def _busy(root: Path, path: Path, patience: float) -> ConflictError:
    try:
        holder = path.read_text(errors="replace").strip()[:20] or "unknown"
    except OSError:
        holder = "unknown"
    return ConflictError(
        f"the store {root} has been locked for {patience:.0f} s by process {holder}",
        fix="wait for it, or end it if it hangs; the lock ends with the process",
    )
