"""An OCI image layout directory, read; and where the one of a repository is."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from lading.errors import CorruptError, InputError, NotFoundError
from lading.oci import document, layout
from lading.oci.descriptor import Descriptor
from lading.oci.layout import LayoutIndex
from lading.oci.reference import check_repository
from lading.store import places

__all__ = ["OWN", "Layout", "blobs_lock", "directory_of"]

#: The directory in a layout that lading keeps for itself.
OWN = ".lading"
#: Repository components that would fall among the files of a layout one level up.
_RESERVED = frozenset({"blobs", layout.INDEX_FILE, layout.MARKER_FILE})


class Layout:
    """A layout directory, read. It is a `Content`.

    Args:
        directory: the directory that holds `oci-layout`.
        follow_links: read blobs through symbolic links, as layouts inside Bazel's output tree
            need; never for a layout that somebody else may write to (CVE-2024-3727).

    Raises:
        NotFoundError: there is no layout.
        CorruptError: `oci-layout` is not one.
    """

    def __init__(self, directory: Path, *, follow_links: bool = False) -> None:
        self.directory = directory
        # A pipe in place of a file is not waited for.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        self._flags = flags | (0 if follow_links else os.O_NOFOLLOW)
        marker = directory / layout.MARKER_FILE
        layout.check_marker(self._read(marker), what=str(marker))

    def index(self) -> LayoutIndex:
        """The layout's `index.json` as it is now; raises NotFoundError or CorruptError."""
        path = self.directory / layout.INDEX_FILE
        return LayoutIndex.parse(self._read(path), what=str(path))

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Opens a blob; raises NotFoundError, or CorruptError if it is no regular file."""
        path = self.directory / layout.blob_name(descriptor.digest)
        try:
            stream = self._open(path)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(f"{path} does not exist: the layout is incomplete") from None
        return stream

    def path(self, descriptor: Descriptor) -> Path | None:
        """The blob's file, if it is a regular one and no link."""
        path = self.directory / layout.blob_name(descriptor.digest)
        try:
            return path if stat.S_ISREG(path.lstat().st_mode) else None
        except OSError:
            return None

    def _open(self, path: Path) -> BinaryIO:
        try:
            stream = os.fdopen(os.open(path, self._flags), "rb")
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError as error:
            raise CorruptError(f"{path} cannot be read: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            stream.close()
            raise CorruptError(f"{path} is not a regular file")
        return stream

    def _read(self, path: Path) -> bytes:
        try:
            with self._open(path) as stream:
                return stream.read(document.MAX_DOCUMENT_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(
                f"{self.directory} is no OCI image layout: it has no {path.name}"
            ) from None


def blobs_lock(directory: Path) -> Path:
    """The file that who writes blobs locks shared, and who removes them exclusively."""
    return directory / OWN / "blobs.lock"


def directory_of(store: Path, repository: str) -> Path:
    """The layout that stands for `repository` below `store`; raises InputError."""
    check_repository(repository)
    if reserved := _RESERVED.intersection(repository.split("/")[1:]):
        raise InputError(
            f"the repository {repository!r} cannot be a directory below the store",
            fix=f"choose a name without the component {min(reserved)!r}, or give --registry",
        )
    return places.layouts(store) / repository
