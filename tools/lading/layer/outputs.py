"""Outputs that appear complete or not at all."""

from __future__ import annotations

import os

from lading.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["Nowhere", "Output", "write_all", "write_output"]


class Output:
    """A file being written beside its final place; a context manager.

    Leaving the context normally renames it into place, replacing what is there; leaving with an
    exception removes it. There is no fsync: an action's outputs can be made again, and Bazel
    discards those of a machine that crashed.
    """

    __slots__ = ("_path", "_temporary", "fd")

    def __init__(self, path: str) -> None:
        """Raises StorageError when the directory cannot be written."""
        directory, _, name = path.rpartition("/")
        # As mkstemp would, without importing it.
        temporary = f".{name[:100]}.{os.urandom(8).hex()}"
        self._path = path
        self._temporary = f"{directory}/{temporary}" if directory else temporary
        try:
            self.fd = os.open(
                self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644
            )
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            os.close(self.fd)
            if kind is None:
                os.rename(self._temporary, self._path)
                return
        except OSError as failure:
            os.unlink(self._temporary)
            raise StorageError(f"{self._path} cannot be written: {failure.strerror}") from None
        os.unlink(self._temporary)


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
        raise StorageError(
            f"{what} cannot be written: {error.strerror}", fix="free some space and build again"
        ) from None
