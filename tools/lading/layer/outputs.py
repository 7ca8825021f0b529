"""Outputs that appear complete or not at all."""

from __future__ import annotations

import os

from lading.errors import cannot_write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["Nowhere", "Output", "remove", "write_all", "write_output"]


class Output:
    """A file being written that has no name until it is complete; a context manager.

    Leaving the context normally gives it its name, replacing what is there; leaving with an
    exception, or being killed, leaves nothing. Where the file system has no files without a name,
    it is written beside its final place. There is no fsync: an action's outputs can be made again,
    and Bazel discards those of a machine that crashed.
    """

    __slots__ = ("_path", "_temporary", "fd")

    def __init__(self, path: str) -> None:
        """Raises StorageError when the directory cannot be written."""
        directory, _, name = path.rpartition("/")
        self._path = path
        # As mkstemp would, without importing it.
        temporary = f".{name[:100]}.{os.urandom(8).hex()}"
        self._temporary = f"{directory}/{temporary}" if directory else temporary
        fd = _open_unnamed(directory or ".")
        self.fd = _open_named(self._temporary, path) if fd is None else fd
        if fd is not None:
            self._temporary = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            try:
                if kind is None and not self._temporary:
                    self._name()
            finally:
                os.close(self.fd)
            if kind is None and self._temporary:
                os.rename(self._temporary, self._path)
                self._temporary = ""
        except OSError as failure:
            raise cannot_write(self._path, failure) from None
        finally:
            if self._temporary:
                remove(self._temporary)

    def _name(self) -> None:
        # open(2), O_TMPFILE. Any descriptor makes os.link use linkat, which can follow the link.
        source = f"/proc/self/fd/{self.fd}"
        try:
            os.link(source, self._path, src_dir_fd=self.fd, follow_symlinks=True)
        except FileExistsError:
            beside = f"{self._path}.{os.urandom(8).hex()}"
            os.link(source, beside, src_dir_fd=self.fd, follow_symlinks=True)
            try:
                os.rename(beside, self._path)
            except OSError:
                os.unlink(beside)
                raise


def _open_unnamed(directory: str) -> int | None:
    """A new file without a name in `directory`, or None where that is not possible."""
    try:
        fd = os.open(directory, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o644)
    except (OSError, AttributeError):
        return None
    if os.path.exists(f"/proc/self/fd/{fd}"):
        return fd
    os.close(fd)
    return None


def _open_named(temporary: str, path: str) -> int:
    try:
        return os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise cannot_write(path, error) from None


def remove(path: str) -> None:
    """Removes an output, if it is there and can be removed."""
    # `contextlib` takes as long to import as a tiny layer takes to write.
    try:
        os.unlink(path)
    except OSError:
        return


class Nowhere:
    """In place of an `Output` whose bytes nobody wants, only their digest; a context manager."""

    __slots__ = ("fd",)

    def __enter__(self) -> Self:
        self.fd = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        os.close(self.fd)


def write_output(path: str, data: bytes) -> None:
    """Writes a small output; raises StorageError."""
    with Output(path) as output:
        write_all(output.fd, data, what=path)


def write_all(fd: int, data: bytes | bytearray | memoryview, *, what: str) -> None:
    """Writes all of `data` to an open file or pipe; raises StorageError, which names `what`."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except OSError as error:
        raise cannot_write(what, error) from None
