"""The files of a Debian package, for the actions that pick some of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from lading.layer.archive import Scratch
from lading.layer.deb import read_data
from lading.layer.entries import FILE, SYMLINK, Slice
from lading.layer.reading import open_file
from lading.layer.spool import Spool
from lading.scan.source import file_chunks

__all__ = ["Member", "members"]


@dataclass(frozen=True, slots=True)
class Member:
    """A file, directory or symbolic link that the package installs.

    `path` is absolute and normalised; `link` is the target of a symbolic link, otherwise empty;
    `mode` is the permission bits.
    """

    path: str
    kind: str
    mode: int
    data: bytes = b""
    link: str = ""


def members(deb: str) -> Iterator[Member]:
    """What a package installs, in its own order; `kind` is `file`, `directory` or `symlink`.

    Hard links come as files.

    Raises:
        NotFoundError: there is no such file.
        LadingError: it cannot be read, or is not a whole Debian package; see `read_deb`.
    """
    with Spool(tempfile.gettempdir()) as spool:
        fd, size = open_file(deb)
        spool.adopt(fd)
        for entry in read_data(fd, size, Scratch(spool.scratch()), what=deb):
            path = "/" + entry.path
            if entry.kind == SYMLINK:
                yield Member(path, "symlink", entry.meta.mode, link=entry.link)
            elif entry.kind == FILE:
                content = entry.source
                assert isinstance(content, Slice)
                data = file_chunks(content.fd, content.offset, content.size, what=deb)
                yield Member(path, "file", entry.meta.mode, b"".join(data))
            else:
                yield Member(path, "directory", entry.meta.mode)
