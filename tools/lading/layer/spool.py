"""Scratch space for unpacked archives: unnamed files that vanish with the process."""

from __future__ import annotations

import os

from lading.errors import StorageError
from lading.layer.reading import changed, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

__all__ = ["Spool"]


class Spool:
    """Owns descriptors that entries refer to; a context manager.

    Args:
        directory: on the file system that the scratch files are to use.
        checkpoint: for those who fill the files: what it raises ends the work.
    """

    __slots__ = ("_directory", "_inputs", "_owned", "checkpoint")

    def __init__(self, directory: str, checkpoint: Callable[[], None] = lambda: None) -> None:
        self._directory = directory or "."
        self.checkpoint = checkpoint
        self._owned: list[int] = []
        self._inputs: list[tuple[str, int, tuple[int, int, int]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            for path, fd, before in self._inputs:
                if error is None and state(fd) != before:
                    raise changed(path)
        finally:
            for fd in self._owned:
                os.close(fd)
            self._owned.clear()
            self._inputs.clear()

    def adopt(self, fd: int) -> int:
        """Closes `fd` when the spool ends."""
        self._owned.append(fd)
        return fd

    def adopt_input(self, fd: int, path: str, before: tuple[int, int, int]) -> None:
        """Closes `fd`, open at `path`, when the spool ends.

        Leaving the spool raises InputError if the file's `state` is not `before` any more.
        """
        self._inputs.append((path, fd, before))
        self.adopt(fd)

    def scratch(self) -> int:
        """A new empty file without a name, open for reading and writing; raises StorageError."""
        try:
            try:
                flags = os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC
                return self.adopt(os.open(self._directory, flags, 0o600))
            except (OSError, AttributeError):
                # Not every file system has unnamed files: unlink a named one at once.
                path = f"{self._directory}/.lading-{os.urandom(8).hex()}"
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                os.unlink(path)
                return self.adopt(fd)
        except OSError as error:
            raise StorageError(f"no scratch file in {self._directory}: {error.strerror}") from None
