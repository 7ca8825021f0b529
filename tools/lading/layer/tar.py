"""Tar headers, built by hand: USTAR, with PAX records only where USTAR cannot say it.

POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header". Bytes depend on the
entry alone.
"""

from __future__ import annotations

from zlib import adler32

from lading.errors import InputError, LimitError
from lading.layer.entries import DIRECTORY, FILE, LINK, SYMLINK, Entry, Meta

__all__ = ["BLOCK", "END", "MAX_HEADER", "Headers", "padding"]

BLOCK = 512
#: Two zero blocks end an archive.
END = bytes(2 * BLOCK)
#: Largest header accepted, with its PAX records, in bytes.
MAX_HEADER = 64 * 1024
#: Bytes of a component of a path, and of a path, that Linux takes (NAME_MAX, PATH_MAX less a NUL).
_MAX_NAME, _MAX_PATH = 255, 4095

_MAX_OCTAL_7 = 0o7777777
_MAX_OCTAL_11 = 0o77777777777
_SPACES = 8 * ord(" ")

#: Mode, uid and gid; NUL and mtime; what follows the checksum; the sum of all that; whether a short
#: name in ASCII is all that is missing.
_Template = tuple[bytes, bytes, bytes, int, bool]


def padding(size: int) -> int:
    """Bytes that fill `size` bytes of content up to a whole block."""
    return -size % BLOCK


class Headers:
    """Makes headers; remembers the constant part for each kind and metadata it has seen."""

    __slots__ = ("_templates",)

    def __init__(self) -> None:
        self._templates: dict[tuple[str, Meta], _Template] = {}

    def header(self, entry: Entry, size: int, link: str = "") -> bytes:
        """The header of `entry`, a whole number of blocks.

        Args:
            entry: the entry; for a FILE that is to be a hard link, give `link`.
            size: bytes of content that follow.
            link: path of the entry whose content this FILE shares.

        Raises:
            InputError: a name that no file system takes.
            LimitError: the PAX records are larger than MAX_HEADER.
        """
        kind = LINK if link else entry.kind
        template = self._templates.get((kind, entry.meta))
        if template is None:
            template = self._templates[kind, entry.meta] = _template(kind, entry.meta)
        middle, mtime, tail, base, plain = template
        if plain and size <= _MAX_OCTAL_11:
            path = entry.path if kind == FILE else entry.path + "/"
            name = path.encode()
            if len(name) <= 100 and len(name) == len(path):
                digits = b"%011o" % size
                # The low half of Adler-32 from 0 is the sum of up to 256 bytes.
                check = b"%06o\0 " % (base + (adler32(name + digits, 0) & 0xFFFF))
                return b"".join((name.ljust(100, b"\0"), middle, digits, mtime, check, tail))
        return _general(entry, kind, size, link or entry.link)


def _template(kind: str, meta: Meta) -> _Template:
    """What headers of entries of that kind with that metadata have in common."""
    middle = b"%07o\0%07o\0%07o\0" % (
        meta.mode,
        meta.uid if meta.uid <= _MAX_OCTAL_7 else 0,
        meta.gid if meta.gid <= _MAX_OCTAL_7 else 0,
    )
    mtime = b"\0%011o\0" % (meta.mtime if 0 <= meta.mtime <= _MAX_OCTAL_11 else 0)
    tail = _tail(kind, b"", _fit(meta.uname, 31), _fit(meta.gname, 31), b"")
    plain = kind in (FILE, DIRECTORY) and not _pax(meta)
    return middle, mtime, tail, sum(middle) + sum(mtime) + sum(tail) + _SPACES, plain


def _tail(kind: str, link: bytes, uname: bytes, gname: bytes, prefix: bytes) -> bytes:
    return b"".join(
        (
            kind.encode(),
            link.ljust(100, b"\0"),
            b"ustar\x0000",
            uname.ljust(32, b"\0"),
            gname.ljust(32, b"\0"),
            b"0000000\x000000000\0",
            prefix.ljust(167, b"\0"),
        )
    )


def _fit(text: str, limit: int) -> bytes:
    """`text` when it is short ASCII, else nothing: a PAX record says it."""
    return text.encode() if len(text) <= limit and text.isascii() else b""


def _pax(meta: Meta) -> dict[str, str]:
    records = dict(meta.pax)
    if meta.uid > _MAX_OCTAL_7:
        records["uid"] = str(meta.uid)
    if meta.gid > _MAX_OCTAL_7:
        records["gid"] = str(meta.gid)
    if not 0 <= meta.mtime <= _MAX_OCTAL_11:
        records["mtime"] = str(meta.mtime)
    if len(meta.uname) > 31 or not meta.uname.isascii():
        records["uname"] = meta.uname
    if len(meta.gname) > 31 or not meta.gname.isascii():
        records["gname"] = meta.gname
    return records


def _general(entry: Entry, kind: str, size: int, link: str) -> bytes:
    """The header of any entry, with a PAX header before it when USTAR is not enough."""
    meta = entry.meta
    records = _pax(meta)
    path = entry.path + "/" if kind == DIRECTORY else entry.path
    points_to = link if kind == SYMLINK else ""
    if len(path) > _MAX_NAME or len(points_to) > _MAX_NAME or not path.isascii():
        _check_length(entry, points_to)
    split = _split(path)
    if split is None:
        records["path"] = path
        split = "", _stand_in(path)
    target = b""
    if kind in (LINK, SYMLINK):
        if len(link) <= 100 and link.isascii():
            target = link.encode()
        else:
            records["linkpath"] = link
            target = _stand_in(link).encode()
    if size > _MAX_OCTAL_11:
        records["size"] = str(size)
    plain = _plain(kind, *split, size, target, meta)
    if not records:
        return plain
    body = b"".join(_record(key, value) for key, value in sorted(records.items()))
    if len(body) > MAX_HEADER - 3 * BLOCK:
        raise LimitError(
            f"the extended attributes of /{entry.path} take {len(body)} bytes, "
            f"more than the {MAX_HEADER} allowed"
        )
    name = "PaxHeaders/" + _stand_in(path.rstrip("/").rpartition("/")[2])[:80]
    extended = _plain("x", "", name, len(body), b"", Meta(0o644))
    return b"".join((extended, body, bytes(padding(len(body))), plain))


def _check_length(entry: Entry, link: str) -> None:
    """Raises InputError for a name or a target of a symbolic link that no file system takes."""
    if entry.implied:
        return  # what lies in it comes later, and has a source to be named
    data = entry.path.encode()
    longest = max(map(len, data.split(b"/")))
    what = f"{entry.describe():.400}: the path /{entry.path[:100]}…"
    fix = "give it a shorter path in the image"
    if longest > _MAX_NAME:
        raise InputError(
            f"{what} has a part of {longest} bytes, longer than the {_MAX_NAME} of a file's name",
            fix=fix,
        )
    if len(data) >= _MAX_PATH:
        raise InputError(f"{what} is longer than the {_MAX_PATH} bytes of a path", fix=fix)
    if len(link) > _MAX_PATH // 4 and len(link.encode()) > _MAX_PATH:
        raise InputError(
            f"{what} has a target that is longer than the {_MAX_PATH} bytes of a path",
            fix="let it point elsewhere",
        )


def _plain(kind: str, prefix: str, name: str, size: int, link: bytes, meta: Meta) -> bytes:
    middle, mtime, _, _, _ = _template(kind, meta)
    tail = _tail(kind, link, _fit(meta.uname, 31), _fit(meta.gname, 31), prefix.encode())
    digits = b"%011o" % (size if size <= _MAX_OCTAL_11 else 0)
    first = name.encode().ljust(100, b"\0")
    total = sum(first) + sum(middle) + sum(digits) + sum(mtime) + sum(tail) + _SPACES
    return b"".join((first, middle, digits, mtime, b"%06o\0 " % total, tail))


def _split(path: str) -> tuple[str, str] | None:
    """(prefix, name) that fit USTAR's 155 and 100 bytes, or None."""
    if not path.isascii():
        return None
    if len(path) <= 100:
        return "", path
    # The name must not be empty, so the slash at the end of a directory is no place to split.
    slash = path.find("/", len(path) - 101, len(path) - 1)
    if 0 < slash <= 155:
        return path[:slash], path[slash + 1 :]
    return None


def _stand_in(text: str) -> str:
    """What readers without PAX see in place of a long or non-ASCII name."""
    return text.encode("ascii", "replace").decode().replace("?", "_")[-100:]


def _record(key: str, value: str) -> bytes:
    """`length key=value newline`, where length counts its own digits."""
    # Values such as capabilities are binary and come in as surrogates.
    data = b" %s=%s\n" % (key.encode(), value.encode("utf-8", "surrogateescape"))
    length = len(data) + 1
    while length != len(data) + len(str(length)):
        length = len(data) + len(str(length))
    return b"%d%s" % (length, data)
