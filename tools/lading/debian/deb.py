"""Reads files out of a Debian package (deb(5)): an ar archive that holds a tar archive."""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from lading.errors import CorruptError, NotFoundError

__all__ = ["Member", "members"]

_MAGIC = b"!<arch>\n"
_HEADER = 60  # bytes of an ar member's header: name 16, date 12, uid 6, gid 6, mode 8, size 10, end


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

    Hard links come as files; other kinds do not occur in what lading reads, and are left out.

    Raises:
        NotFoundError: the file cannot be read.
        CorruptError: it is not a whole Debian package.
    """
    try:
        with open(deb, "rb") as stream:
            data = _data_archive(stream.read(), deb)
    except OSError as error:
        raise NotFoundError(f"{deb} cannot be read: {error.strerror}") from error
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
            for entry in archive:
                path = "/" + entry.name.removeprefix("./").strip("/")
                if entry.isdir():
                    yield Member(path, "directory", entry.mode)
                elif entry.issym():
                    yield Member(path, "symlink", entry.mode, link=entry.linkname)
                elif entry.isfile() or entry.islnk():
                    content = archive.extractfile(entry)
                    assert content is not None
                    yield Member(path, "file", entry.mode, content.read())
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, KeyError) as error:
        raise CorruptError(f"{deb}: data.tar cannot be read: {error}") from error


def _data_archive(content: bytes, deb: str) -> bytes:
    """The bytes of the member data.tar.*, still compressed."""
    offset = len(_MAGIC)
    if content.startswith(_MAGIC):
        while len(header := content[offset : offset + _HEADER]) == _HEADER:
            name = header[:16].rstrip(b" ").rstrip(b"/")
            size = header[48:58].strip()
            offset += _HEADER
            if header[58:] != b"`\n" or not size.isdigit():
                break
            data = content[offset : offset + int(size)]
            if name.startswith(b"data.tar") and len(data) == int(size):
                return data
            offset += int(size) + int(size) % 2
    raise CorruptError(f"{deb} is not a whole Debian package")
