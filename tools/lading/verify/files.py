"""The files around an image: a layout's directory, or the same inside a tar."""

from __future__ import annotations

import io
import os
import posixpath
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from lading.errors import LadingError, NotFoundError, StorageError
from lading.oci import layout
from lading.oci.descriptor import Descriptor
from lading.oci.verify_rules import Findings
from lading.scan.source import FileSource
from lading.scan.tar import TarScanner
from lading.store.layout_directory import OWN
from lading.store.tarscan import TarFile, window

__all__ = ["DirectoryFiles", "Files", "LayoutContent", "TarFiles", "read"]


class Files(Protocol):
    """Regular files by their path from the top, with `/` between names."""

    @property
    def names(self) -> Mapping[str, object]: ...

    def open(self, name: str) -> BinaryIO:
        """Opens one of `names`; raises LadingError."""
        ...


class DirectoryFiles:
    """The files of a directory. Anything else in it is a finding; `.lading` is ours, and skipped.

    Args:
        directory: where they are.
        found: where findings go.
        follow_links: take links for the files they lead to, as Bazel's output trees need.
    """

    def __init__(self, directory: Path, found: Findings, *, follow_links: bool) -> None:
        self.names: dict[str, Path] = {}
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        self._flags = flags | (0 if follow_links else os.O_NOFOLLOW)
        # A link may lead to a directory above it: each is entered once.
        entered = {_identity(directory.stat())}
        for place, directories, files in os.walk(directory, followlinks=follow_links):
            again = {OWN}
            for name in [*files, *directories]:
                path = Path(place, name)
                shown = path.relative_to(directory).as_posix()
                try:
                    status = path.stat() if follow_links else path.lstat()
                except OSError as error:
                    found.add("layout-file-type", shown, f"it leads nowhere: {error.strerror}")
                    continue
                if stat.S_ISREG(status.st_mode):
                    self.names[shown] = path
                elif not stat.S_ISDIR(status.st_mode):
                    found.add("layout-file-type", shown, "it is no regular file")
                elif _identity(status) in entered:
                    found.add("layout-file-type", shown, "it leads to a directory of the layout")
                    again.add(name)
                else:
                    entered.add(_identity(status))
            directories[:] = sorted(set(directories) - again)

    def open(self, name: str) -> BinaryIO:
        """Opens one of `names`; raises StorageError."""
        try:
            return os.fdopen(os.open(self.names[name], self._flags), "rb")
        except OSError as error:
            raise StorageError(f"{name} cannot be read: {error.strerror}") from None


class TarFiles:
    """The files of a tar archive, which is read without unpacking it.

    An archive that is cut off has the files before the cut.

    Args:
        file: the open archive.
        found: where findings go.
    """

    def __init__(self, file: BinaryIO, found: Findings) -> None:
        self._number = file.fileno()
        self.names: dict[str, TarFile] = {}
        links: dict[str, str] = {}

        def report(rule: str, at: str, what: str) -> None:
            found.add(rule, "archive", what, at=at)

        size = os.fstat(self._number).st_size
        source = FileSource(self._number, 0, size, what="the archive")
        for entry in TarScanner(source, report):
            name = posixpath.normpath(entry.name.decode("utf-8", "backslashreplace"))
            if name.startswith("/"):
                report("tar-name-absolute", name, "an archive's names are relative")
            elif name.startswith("../") or name == "..":
                report("tar-name-parent", name, "it leaves the archive")
            elif entry.type == "5":
                continue
            elif name in self.names or name in links:
                report("tar-duplicate", name, "the path occurs a second time")
            elif entry.type == "0":
                self.names[name] = TarFile(entry.offset, entry.size)
            elif entry.type in ("1", "2"):
                base = posixpath.dirname(name) if entry.type == "2" else ""
                target = entry.link.decode("utf-8", "backslashreplace")
                links[name] = posixpath.normpath(posixpath.join(base, target))
            else:
                found.add("layout-file-type", name, f"its type is {entry.type!r}")
        for name, target in links.items():  # docker save once wrote repeated layers as links
            if target in self.names:
                self.names[name] = self.names[target]
            else:
                found.add("layout-file-type", name, f"it links to {target!r:.120}, no file of it")

    def open(self, name: str) -> BinaryIO:
        """Opens a file of the archive."""
        return window(self._number, self.names[name])


class LayoutContent:
    """The blobs of a layout, wherever its files are. It is a `Content`."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Opens a blob; raises NotFoundError."""
        name = layout.blob_name(descriptor.digest)
        if name not in self._files.names:
            raise NotFoundError(f"there is no {name}")
        return self._files.open(name)

    def path(self, descriptor: Descriptor) -> Path | None:
        """There is none to rely on."""
        return None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def read(files: Files, name: str, limit: int) -> bytes | None:
    """The first `limit` bytes of a file; None when it is not there."""
    if name not in files.names:
        return None
    try:
        with files.open(name) as stream:
            data = io.BytesIO()
            while data.tell() < limit and (more := stream.read(limit - data.tell())):
                data.write(more)
            return data.getvalue()
    except LadingError:
        return None
