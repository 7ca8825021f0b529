"""Describes a layer in the mtree format (mtree(5)): one line an entry, with digests of content."""

from __future__ import annotations

import hashlib
import os

from lading.errors import CorruptError
from lading.layer.decompress import uncompressed
from lading.layer.reading import open_file
from lading.scan.rules import clean_name
from lading.scan.source import StreamSource, file_chunks
from lading.scan.tar import TarScanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from lading.scan.tar import Entry as Member

__all__ = ["describe"]

_TYPES = {"2": b"link", "3": b"char", "4": b"block", "5": b"dir", "6": b"fifo"}


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
        found: dict[bytes, bytes] = {}
        for member in scanner:
            name = clean_name(member.name)
            what = b"type=" + _TYPES.get(member.type, b"file")
            if member.type == "0":
                digest = hashlib.sha256()
                for piece in scanner.data():
                    digest.update(piece)
                what += b" size=%d sha256=%s" % (member.size, digest.hexdigest().encode())
            elif member.type == "1":
                what = found.get(clean_name(member.link), what)
            elif member.type == "2":
                what += b" link=" + _quoted(member.link)
            found[name] = what
            lines.append(_line(name, member, what))
    finally:
        os.close(fd)
    return b"\n".join(lines) + b"\n"


def _line(name: bytes, member: Member, what: bytes) -> bytes:
    kind, _, content = what.partition(b" ")
    words = [b"./" + _quoted(name) if name else b".", kind]
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
