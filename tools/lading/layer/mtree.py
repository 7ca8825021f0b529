"""Describes a layer in the mtree format (mtree(5)): one line an entry, with digests of content."""

from __future__ import annotations

import hashlib
import os

from lading.errors import CorruptError
from lading.layer.decompress import uncompressed
from lading.layer.reading import open_file
from lading.scan.source import StreamSource, file_chunks
from lading.scan.tar import TarScanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from lading.scan.tar import Entry as Member

__all__ = ["describe"]

_TYPES = {"0": "file", "1": "file", "2": "link", "3": "char", "4": "block", "5": "dir", "6": "fifo"}


def describe(path: str) -> bytes:
    """The mtree description of the layer blob at `path`, in the order of the blob.

    A hard link is described as the file it is a name of. Raises LadingError when the blob cannot
    be read or is damaged.
    """

    def refuse(rule: str, at: str, problem: str) -> NoReturn:
        raise CorruptError(f"{path}: {at}: {problem} ({rule})")

    fd, size = open_file(path)
    try:
        chunks = uncompressed(file_chunks(fd, 0, size, what=path), size, what=path)
        scanner = TarScanner(StreamSource(chunks), refuse)
        lines = [b"#mtree"]
        contents: dict[bytes, bytes] = {}
        for member in scanner:
            name = member.name.strip(b"/")
            if member.type == "0":
                digest = hashlib.sha256()
                for piece in scanner.data():
                    digest.update(piece)
                contents[name] = b"size=%d sha256=%s" % (member.size, digest.hexdigest().encode())
                content = contents[name]
            elif member.type == "1":
                content = contents[name] = contents.get(member.link.strip(b"/"), b"")
            elif member.type == "2":
                content = b"link=" + _quoted(member.link)
            else:
                content = b""
            lines.append(_line(name, member, content))
    finally:
        os.close(fd)
    return b"\n".join(lines) + b"\n"


def _line(name: bytes, member: Member, content: bytes) -> bytes:
    kind = _TYPES.get(member.type, "file").encode()
    words = [b"./" + _quoted(name) if name else b".", b"type=" + kind]
    words.append(
        b"mode=%04o uid=%d gid=%d time=%d.0"
        % (member.mode, member.uid, member.gid, int(member.mtime // 1))
    )
    if member.uname:
        words.append(b"uname=" + _quoted(member.uname))
    if member.gname:
        words.append(b"gname=" + _quoted(member.gname))
    if content:
        words.append(content)
    return b" ".join(words)


def _quoted(text: bytes) -> bytes:
    """As vis(3) with VIS_OCTAL: what is not plain ASCII becomes a backslash and three digits."""
    return b"".join(
        b"%c" % byte if 0x21 <= byte <= 0x7E and byte not in b"#\\=*?[" else b"\\%03o" % byte
        for byte in text
    )
