"""Leases: while somebody uses an image, nobody removes it.

A lease is a file that its holder keeps locked. The kernel releases the lock when the holder
ends, however it ends, so a lease cannot outlive its use. Leases are taken and looked at under
the lock of the store, so none appears while a removal is under way.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lading.store import disk, entry, places
from lading.store.lock import locked

__all__ = ["Holder", "Lease", "holders", "reap", "take", "taken"]

#: What a lease's file is called; nothing else is removed.
_FILE = re.compile(r".+\.[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease, as that process said itself: for people, not for decisions."""

    name: str
    process: int
    purpose: str
    since: str

    def __str__(self) -> str:
        return f"{self.purpose or 'a lease'} (process {self.process}, since {self.since})"


class Lease:
    """A held lease; `release` it, or end."""

    def __init__(self, path: Path, number: int) -> None:
        self._path, self._number = path, number

    def release(self) -> None:
        """Ends the lease; later calls do nothing."""
        if self._number >= 0:
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(self._number)
            self._number = -1

    def fileno(self) -> int:
        """The locked file, which a child process may inherit to hold the lease too."""
        return self._number


def take(root: Path, name: str, purpose: str) -> Lease:
    """Takes a lease on an image. The lock of the store has to be held by the caller.

    Raises DeniedError or StorageError when the store cannot be written.
    """
    directory = places.leases(root)
    with disk.guarded(directory):
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{name}.{secrets.token_hex(8)}"
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(number, fcntl.LOCK_EX)
            said = {"process": os.getpid(), "purpose": purpose, "since": entry.now()}
            with contextlib.suppress(OSError):  # a full disk holds the lease, if not its words
                os.write(number, json.dumps(said).encode())
        except BaseException:
            path.unlink(missing_ok=True)
            os.close(number)
            raise
    return Lease(path, number)


@contextlib.contextmanager
def taken(root: Path, name: str, purpose: str) -> Iterator[Lease]:
    """Holds a lease for the time of a block; takes the lock of the store for a moment."""
    with locked(root):
        lease = take(root, name, purpose)
    try:
        yield lease
    finally:
        lease.release()


def holders(root: Path, name: str = "") -> list[Holder]:
    """Who holds leases on the image, or on any. Certain only under the lock of the store."""
    return [_holder(path) for path in _paths(root, name) if not _is_free(path)]


def reap(root: Path, *, dry_run: bool = False) -> list[Path]:
    """Removes what dead holders left behind; the lock of the store has to be held."""
    free = [path for path in _paths(root, "") if _FILE.fullmatch(path.name) and _is_free(path)]
    for path in free:
        if not dry_run:
            path.unlink(missing_ok=True)
    return free


def _paths(root: Path, name: str) -> list[Path]:
    directory = places.leases(root)
    try:
        files = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [directory / file for file in files if not name or file.rpartition(".")[0] == name]


def _is_free(path: Path) -> bool:
    """Whether no process holds the lease; a doubt counts as held."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(number)
    return True


def _holder(path: Path) -> Holder:
    name = path.name.rpartition(".")[0]
    try:
        said = json.loads(path.read_bytes()[:4096])
        return Holder(name, int(said["process"]), str(said["purpose"]), str(said["since"]))
    except (ArithmeticError, OSError, ValueError, KeyError, RecursionError, TypeError):
        return Holder(name, 0, "", "")
