"""What is known about an archive that was verified, for as long as nobody touched it.

Hashing a gigabyte takes a second. A file with the same identity, size and times of change as
when it was hashed is not hashed again; the time of a file's change of state (ctime) cannot be
set by a program, so an edit that restores the other times is found too. Losing a stamp, or one
that is damaged, costs that second.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from lading.oci.digest import Digest
from lading.store import disk, places

__all__ = ["forget", "is_fresh", "make"]


def make(root: Path, name: str, number: int, digest: Digest) -> None:
    """Notes that the open file holds exactly the image `digest`; failing to is no failure."""
    disk.keep(places.stamp(root, name), json.dumps(_seen(number, digest)).encode())


def is_fresh(root: Path, name: str, number: int, digest: Digest) -> bool:
    """Whether the open file is the one that `make` saw, with the same image."""
    try:
        with disk.open_regular(places.stamp(root, name)) as file:
            return bool(json.loads(file.read(4096)) == _seen(number, digest))
    except Exception:  # noqa: BLE001 - a stamp that cannot be read says nothing
        return False


def forget(root: Path, name: str) -> None:
    """Removes the stamp."""
    with contextlib.suppress(OSError):
        places.stamp(root, name).unlink()


def _seen(number: int, digest: Digest) -> dict[str, object]:
    status = os.fstat(number)
    return {
        "digest": str(digest),
        "device": status.st_dev,
        "inode": status.st_ino,
        "size": status.st_size,
        "mtime": status.st_mtime_ns,
        "ctime": status.st_ctime_ns,
    }
