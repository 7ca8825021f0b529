"""A layout directory on disk, read by somebody who does not trust it.

Every component below the directory is opened without following links and has to be what it
should be, so nothing outside can be shown, whatever the layout contains (CVE-2024-3727).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lading.errors import CorruptError, DeniedError, LadingError, NotFoundError
from lading.oci import document, layout
from lading.oci.descriptor import Descriptor
from lading.oci.layout import LayoutIndex

__all__ = ["DiskLayout", "Signature"]

#: Changes whenever `index.json` is replaced or a blob comes or goes.
Signature = tuple[int, ...]

_ALGORITHMS = ("sha256", "sha512")


class DiskLayout:
    """An OCI image layout. It is a `Content`.

    Args:
        directory: the directory that should hold `oci-layout`; may itself be reached by a link,
            because whoever starts the dashboard names it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def signature(self) -> Signature:
        """What the parsed content may be cached under. A file that is not there counts as 0."""
        names = [layout.INDEX_FILE, layout.MARKER_FILE]
        names += [f"blobs/{algorithm}" for algorithm in _ALGORITHMS]
        numbers: list[int] = []
        for name in names:
            status = self._stat(name)
            numbers += (
                (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                if status
                else (0,)
            )
        return tuple(numbers)

    def index(self) -> LayoutIndex:
        """Reads `oci-layout` and `index.json`.

        Raises NotFoundError, DeniedError, CorruptError or LimitError.
        """
        layout.check_marker(self._read(layout.MARKER_FILE), what=layout.MARKER_FILE)
        try:
            data = self._read(layout.INDEX_FILE)
        except NotFoundError:
            raise NotFoundError(
                "there is no index.json yet: a push is under way, or one was interrupted"
            ) from None
        return LayoutIndex.parse(data, what=layout.INDEX_FILE)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Opens a blob; raises NotFoundError, DeniedError or CorruptError."""
        return self._open(layout.blob_name(descriptor.digest), what=str(descriptor.digest))

    def path(self, descriptor: Descriptor) -> Path | None:
        """Always None: a path could be a different file by the time it is used."""
        return None

    def status(self, descriptor: Descriptor) -> os.stat_result | None:
        """The blob's status without following links, or None if it is not there."""
        return self._stat(layout.blob_name(descriptor.digest))

    def problem(self, descriptor: Descriptor) -> str:
        """Why the blob cannot be what `descriptor` says, judged without reading it; or empty."""
        status = self.status(descriptor)
        if status is None:
            return f"{descriptor.digest} is missing from the layout"
        if not stat.S_ISREG(status.st_mode):
            return f"{descriptor.digest} is not a regular file"
        if status.st_size != descriptor.size:
            return (
                f"{descriptor.digest} has {status.st_size} bytes; "
                f"its descriptor says {descriptor.size}"
            )
        return ""

    def _read(self, name: str) -> bytes:
        with self._open(name, what=name) as stream:
            return stream.read(document.MAX_DOCUMENT_BYTES + 1)

    def _open(self, name: str, *, what: str) -> BinaryIO:
        with _named(what), self._folder(name) as (folder, last):
            # Not blocking: opening a FIFO that nobody writes to would never return.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            stream = os.fdopen(os.open(last, flags, dir_fd=folder), "rb")
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                stream.close()
                raise CorruptError(f"{what} is not a regular file")
            return stream

    def _stat(self, name: str) -> os.stat_result | None:
        try:
            with self._folder(name) as (folder, last):
                return os.stat(last, dir_fd=folder, follow_symlinks=False)
        except OSError:
            return None

    @contextlib.contextmanager
    def _folder(self, name: str) -> Iterator[tuple[int, str]]:
        """A descriptor of the directory that holds `name`, and the last component."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        *folders, last = name.split("/")
        number = os.open(self.directory, flags)
        try:
            for folder in folders:
                inner = os.open(folder, flags | os.O_NOFOLLOW, dir_fd=number)
                os.close(number)
                number = inner
            yield number, last
        finally:
            os.close(number)


@contextlib.contextmanager
def _named(what: str) -> Iterator[None]:
    """Turns an OSError into an error that names what could not be read."""
    try:
        yield
    except LadingError:
        raise
    except FileNotFoundError:
        raise NotFoundError(f"{what} is missing from the layout") from None
    except PermissionError:
        raise DeniedError(f"{what} may not be read by this user") from None
    except OSError as error:
        raise CorruptError(f"{what} cannot be read: {error.strerror or error}") from None
