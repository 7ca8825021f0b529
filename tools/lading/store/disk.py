"""Writing files so that a crash, a full disk or another process never shows half of one.

A file is written under a temporary name in its own directory, synchronised, renamed, and the
directory synchronised. A failed synchronisation is a failure. While it is written, a temporary
file is locked by its process, so a cleaner can tell what a dead one left behind.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from lading.errors import CorruptError, DeniedError, LadingError, NotFoundError, StorageError

__all__ = [
    "Draft",
    "FullError",
    "draft",
    "guarded",
    "keep",
    "make_directories",
    "open_regular",
    "reap_drafts",
    "remove",
    "sync_directory",
]

_DRAFT = re.compile(r"\..*\.[0-9a-f]{16}\.draft")
_ELSEWHERE = "choose another place with --store or LADING_STORE"


class FullError(StorageError):
    """No space is left, or no more is allowed."""


class Draft:
    """A file on its way: write to `file`, `seal` it, then `publish` it under its name."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        self._sealed = self.published = False

    def seal(self) -> None:
        """Brings all that was written to the disk; after it, only renaming is left to fail."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self._sealed = True

    def publish(self, target: Path) -> None:
        """Renames the file to `target`, in the same directory, and makes that durable."""
        if not self._sealed:
            self.seal()
        self.path.replace(target)
        self.published = True
        sync_directory(target.parent)


@contextlib.contextmanager
def draft(target: Path) -> Iterator[Draft]:
    """A new temporary file beside `target`, removed at the end unless it was published.

    Its mode is that of a new file under the user's umask; its name cannot be guessed and is
    never an existing file or link.
    """
    while True:
        path = target.with_name(f".{target.name}.{secrets.token_hex(8)}.draft")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        number = os.open(path, flags, 0o666)
        fcntl.flock(number, fcntl.LOCK_EX)
        if _is_at(number, path):
            break
        os.close(number)  # a cleaner was faster between creating and locking
    with os.fdopen(number, "r+b") as file:
        made = Draft(path, file)
        try:
            yield made
        finally:
            if not made.published:
                with contextlib.suppress(OSError):
                    path.unlink()


def reap_drafts(
    directory: Path, names: Iterable[str] | None = None, *, dry_run: bool = False
) -> list[tuple[Path, int]]:
    """Removes the temporary files in `directory` that no process writes any more.

    `names` are those of its files, where they are known. Returns each with its size in bytes. One
    that is locked, or not a regular file, stays.
    """
    reaped: list[tuple[Path, int]] = []
    try:
        listed = os.listdir(directory) if names is None else names
    except (FileNotFoundError, NotADirectoryError):
        return reaped
    for name in sorted(name for name in listed if _DRAFT.fullmatch(name)):
        path = directory / name
        try:
            number = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            status = os.fstat(number)
            if not stat.S_ISREG(status.st_mode):
                continue
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Renamed to its final name meanwhile, or replaced: not what was looked at.
            if _is_at(number, path):
                if not dry_run:
                    path.unlink()
                reaped.append((path, status.st_size))
        except BlockingIOError:
            continue
        finally:
            os.close(number)
    return reaped


def keep(path: Path, data: bytes) -> None:
    """Writes a file that may as well be lost: that it cannot be written is no failure.

    It is not synchronised. What a power cut leaves of it is for its readers to recognise.
    """
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft(path) as made:
            made.file.write(data)
            made.file.flush()
            made.path.replace(path)
            made.published = True


def remove(path: Path) -> bool:
    """Removes a file durably; returns whether it was there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync_directory(path.parent)
    return True


def make_directories(path: Path) -> None:
    """Makes a directory and its parents, each one durable before anything is put into it."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        with contextlib.suppress(FileExistsError):
            directory.mkdir()
        sync_directory(directory.parent)


def sync_directory(directory: Path) -> None:
    """Makes the names in a directory durable, where the file system knows how."""
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    except OSError as error:
        # Shared folders of virtual machines, for one, synchronise files only (fsync(2)).
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
    finally:
        os.close(number)


def open_regular(path: Path) -> BinaryIO:
    """Opens a regular file for reading, never through a link and never waiting on a pipe.

    Raises NotFoundError, DeniedError, or CorruptError when it is no regular file.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"{path} does not exist") from None
    except PermissionError as error:
        raise DeniedError(f"{path} cannot be read: {error.strerror}") from None
    except OSError as error:
        raise CorruptError(f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise CorruptError(f"{path} is not a regular file")
    return os.fdopen(number, "rb")


@contextlib.contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turns an OSError into the error a user reads; `path` is named when the error names none."""
    try:
        yield
    except LadingError:
        raise
    except PermissionError as error:
        raise DeniedError(
            f"{error.filename or path} cannot be written: {error.strerror}",
            fix=_ELSEWHERE,
        ) from None
    except OSError as error:
        what = f"{error.filename or path} cannot be written: {error.strerror or error}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FullError(what, fix=f"free some space, or {_ELSEWHERE}") from None
        raise StorageError(what, fix=_ELSEWHERE) from None


def _is_at(number: int, path: Path) -> bool:
    """Whether the open file is the one that has this name now."""
    try:
        status = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(status, os.fstat(number))
