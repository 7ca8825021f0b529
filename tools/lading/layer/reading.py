"""Reading content: files that Bazel made, ranges of archives, bytes at hand."""

from __future__ import annotations

import os
from stat import S_ISDIR, S_ISREG

from lading.errors import DeniedError, InputError, LadingError, NotFoundError, StorageError
from lading.layer.entries import Content, Slice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

__all__ = [
    "FLAGS", "MAKE_AGAIN", "DirectoryError", "Opened", "changed", "open_file", "read_error",
    "same_content", "state",
]  # fmt: skip

_CHUNK = 1 << 20
#: Non-blocking, so that opening a named pipe by mistake is an error and not a wait.
FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
#: What to do about an archive that nothing here mends.
MAKE_AGAIN = "make the archive again, or fetch it again; docs/verify.md lists the rules"


class DirectoryError(InputError):
    """A source that was announced as a file is a directory."""


def open_file(path: str) -> tuple[int, int]:
    """Opens a regular file, following links; returns its descriptor and its size in bytes.

    Raises:
        NotFoundError, DeniedError, StorageError: it cannot be opened.
        InputError: it is not a regular file.
    """
    try:
        fd = os.open(path, FLAGS)
    except OSError as error:
        raise read_error(path, error) from None
    status = os.fstat(fd)
    if not S_ISREG(status.st_mode):
        os.close(fd)
        if S_ISDIR(status.st_mode):
            raise DirectoryError(f"{path} is a directory, not a file")
        raise InputError(f"{path} is a special file", fix="a layer holds regular files only")
    return fd, status.st_size


def read_error(path: str, error: OSError) -> LadingError:
    """The error for a person when reading `path` failed."""
    reason = error.strerror or str(error)
    if isinstance(error, FileNotFoundError):
        return NotFoundError(f"{path} is not there", fix="it was an input and is gone or dangling")
    if isinstance(error, PermissionError):
        return DeniedError(f"{path} cannot be read: {reason}", fix="make it readable")
    return StorageError(f"{path} cannot be read: {reason}")


def changed(path: str) -> LadingError:
    """The error for a file that is not what it was a moment ago."""
    return InputError(f"{path} changed while it was read", fix="build again when nothing writes it")


def state(fd: int) -> tuple[int, int, int]:
    """What a change of the open file `fd` changes: its size in bytes, and times in nanoseconds.

    The time of the last change of status counts for files with one name only: sandboxes give a
    file other names and take them away, which moves that time and nothing else.
    """
    status = os.fstat(fd)
    changed_at = status.st_ctime_ns if status.st_nlink == 1 else 0
    return status.st_size, status.st_mtime_ns, changed_at


class Opened:
    """Content ready to be read, with its size in bytes; a context manager.

    Raises:
        LadingError: on creation, when a file cannot be opened.
    """

    __slots__ = ("_before", "_data", "_fd", "_offset", "_owned", "_whole", "name", "size")

    def __init__(self, content: Content) -> None:
        self._data: bytes | None = None
        self._owned = False
        self._whole = False
        self._offset = 0
        self._before: tuple[int, int, int] | None = None
        self.name = "an archive"
        if type(content) is str:
            self._fd, self.size = open_file(content)
            self._owned = self._whole = True
            self.name = content
        elif type(content) is Slice:
            self._fd = content.fd
            if content.fd < 0:
                self._fd, _ = open_file(content.origin)
                self._owned = True
            self._offset = content.offset
            self.size = content.size
            self.name = content.origin
        else:
            assert isinstance(content, bytes)
            self._fd = -1
            self._data = content
            self.size = len(content)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._owned:
            os.close(self._fd)

    def read(self, offset: int, length: int = _CHUNK) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end or at the system's whim.

        Raises:
            LadingError: the content cannot be read.
        """
        if self._data is not None:
            return self._data[offset : offset + length]
        try:
            return os.pread(self._fd, min(length, self.size - offset), self._offset + offset)
        except OSError as error:
            raise read_error(self.name, error) from None

    def read_into(self, view: memoryview, offset: int, length: int) -> None:
        """Puts `length` bytes from `offset` at the start of `view`.

        `view` is longer than `length`: the end of a file is made sure of by asking for one byte
        more than there should be. A file that is read in pieces, the first one first, must be
        the same after the last one.

        Raises:
            LadingError: the content cannot be read, or a file changed while it was read.
        """
        if self._data is not None:
            view[:length] = self._data[offset : offset + length]
            return
        wanted = length
        last = self._whole and offset + length == self.size
        if last:
            wanted += 1
        elif not offset and self._whole:
            self._before = state(self._fd)
        offset += self._offset
        done = 0
        try:
            while done < wanted:
                count = os.preadv(self._fd, [view[done:wanted]], offset + done)
                done += count
                # A short read of a regular file is its end.
                if not count or done == length:
                    break
        except OSError as error:
            raise read_error(self.name, error) from None
        if done != length or (last and self._before and self._before != state(self._fd)):
            raise changed(self.name)


def same_content(one: Content, two: Content) -> bool:
    """Whether two sources hold the same bytes; reads both as far as needed.

    Raises:
        LadingError: one of them cannot be read.
    """
    if one is two or (isinstance(one, str) and one == two):
        return True
    with Opened(one) as first, Opened(two) as second:
        if first.size != second.size:
            return False
        offset = 0
        while offset < first.size:
            data = first.read(offset)
            if not data or data != second.read(offset, len(data)):
                return False
            offset += len(data)
    return True
