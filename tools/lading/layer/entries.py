"""The nouns of a layer: an entry, its metadata, and where its content comes from."""

from __future__ import annotations

import os

from lading.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DIRECTORY",
    "FILE",
    "LINK",
    "LINK_META",
    "NO_META",
    "SYMLINK",
    "Content",
    "Entry",
    "Meta",
    "Slice",
    "apply",
    "check_name",
    "parse_meta",
]

#: Kinds of entries, spelled as the typeflag of a tar header (POSIX ustar, "typeflag").
FILE = "0"
LINK = "1"
SYMLINK = "2"
DIRECTORY = "5"

#: Keys that a header field carries already; a PAX record for one of them could contradict it.
_RESERVED = frozenset(
    {"path", "linkpath", "size", "uid", "gid", "uname", "gname", "mtime", "hdrcharset"}
)
#: Records that make an entry another file: sparse, or of another name or size.
_OTHER_FILES = ("GNU.", "SCHILY.realsize")
_MAX_ID = 2**32 - 2
_MAX_MTIME = 2**55


class Meta:
    """Ownership, permissions and time of an entry; immutable and shared between entries.

    `mode` has permission bits only (0 to 0o7777), `mtime` is in seconds since the epoch, `pax`
    holds extra records sorted by key.
    """

    __slots__ = ("_hash", "gid", "gname", "mode", "mtime", "pax", "uid", "uname")

    def __init__(
        self,
        mode: int,
        uid: int = 0,
        gid: int = 0,
        uname: str = "",
        gname: str = "",
        mtime: int = 0,
        pax: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.uname = uname
        self.gname = gname
        self.mtime = mtime
        self.pax = pax
        self._hash = hash((mode, uid, gid, mtime))

    def key(self) -> tuple[object, ...]:
        """Everything the metadata says, for comparison."""
        return self.mode, self.uid, self.gid, self.uname, self.gname, self.mtime, self.pax

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Meta) and self.key() == other.key())

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Meta{self.key()}"

    def replace(self, changes: Mapping[str, object]) -> Meta:
        """A copy with the fields in `changes`, which `parse_meta` made, set."""
        if not changes:
            return self
        fields = {
            "mode": self.mode,
            "uid": self.uid,
            "gid": self.gid,
            "uname": self.uname,
            "gname": self.gname,
            "mtime": self.mtime,
            **changes,
        }
        extra = fields.pop("pax", ())
        merged = {**dict(self.pax), **dict(extra)}  # type: ignore[call-overload]
        return Meta(pax=tuple(sorted(merged.items())), **fields)  # type: ignore[arg-type]


#: Metadata of what has none of its own: Bazel keeps no modes, so a file may be a program.
NO_META = Meta(0o755)
LINK_META = Meta(0o777)


class Slice:
    """Content that is a range of bytes of a file, such as a member of an archive.

    `fd` is the open file; with -1 the file at the path `origin` is opened while it is read, so
    that a layer of thousands of archives needs no descriptor for each.
    """

    __slots__ = ("fd", "offset", "origin", "size")

    def __init__(self, fd: int, offset: int, size: int, origin: str) -> None:
        self.fd = fd
        self.offset = offset
        self.size = size
        self.origin = origin


Content = str | bytes | Slice
"""A file's path, the bytes themselves, or a range of a file."""


class Entry:
    """One entry of a layer.

    `path` is relative to the image's root, without slashes at either end. `source` is the content
    of a FILE. `link` is the target of a SYMLINK, verbatim, or the path of the entry that a LINK
    shares its content with. `size` is the content's bytes, -1 when only reading will tell.
    `origin` names the source in errors. `implied` marks a directory that nobody asked for by
    name.
    """

    __slots__ = ("implied", "kind", "link", "meta", "origin", "path", "size", "source")

    def __init__(
        self,
        path: str,
        kind: str,
        meta: Meta,
        source: Content = b"",
        *,
        link: str = "",
        size: int = -1,
        origin: str = "",
        implied: bool = False,
    ) -> None:
        self.path = path
        self.kind = kind
        self.meta = meta
        self.source = source
        self.link = link
        self.size = size
        self.origin = origin
        self.implied = implied

    def describe(self) -> str:
        """Names the source of this entry for a person."""
        if self.origin:
            return self.origin
        if isinstance(self.source, str) and self.kind == FILE:
            return self.source
        if self.kind == SYMLINK:
            return f"a symbolic link to {self.link}"
        return "a directory" if self.kind == DIRECTORY else "an empty file"

    def __repr__(self) -> str:
        return f"Entry({self.path!r}, {self.kind}, {self.meta}, {self.source!r}, {self.link!r})"


def parse_meta(text: str, *, what: str) -> dict[str, object]:
    """Reads the JSON of `file_metadata()` into changes for `Meta.replace`.

    Args:
        text: a JSON object with any of mode (octal text), uid, gid, uname, gname, mtime (seconds,
            as a number or text, or RFC 3339), pax_records; empty text means no changes.
        what: names the value in errors.

    Raises:
        InputError: not such an object.
    """
    if not text:
        return {}
    import json

    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"{what}: {text!r:.80} is not metadata", fix="use file_metadata(…)")
    changes: dict[str, object] = {}
    for said, given in value.items():
        key, item = said, given
        if item is None:
            continue
        good = False
        if key == "mode":
            good = isinstance(item, str) and 0 < len(item) < 6 and not item.strip("01234567")
            item = int(item, 8) if good else item
            good = good and item <= 0o7777
        elif key in ("uid", "gid", "mtime"):
            limit = _MAX_MTIME if key == "mtime" else _MAX_ID
            if key == "mtime" and isinstance(item, str):
                item = _seconds(item, what=f"{what}: mtime")
            good = type(item) is int and 0 <= item <= limit
        elif key in ("uname", "gname"):
            good = isinstance(item, str) and _is_text(item) and not {"\0", "\n"} & set(item)
        elif key == "pax_records":
            good = isinstance(item, dict) and all(map(_is_record, item, item.values()))
            key = "pax"
            item = tuple(sorted(item.items())) if good else item
        if not good:
            raise InputError(
                f"{what}: {said} cannot be {given!r:.80}",
                fix="mode is octal text, uid, gid and mtime are numbers of 0 or more, mtime may be "
                "RFC 3339, pax_records are extra records such as SCHILY.xattr.user.key",
            )
        changes[key] = item
    return changes


def _is_record(name: str, value: object) -> bool:
    """Whether a PAX record says the same to every reader."""
    if not (isinstance(value, str) and _is_text(value) and name and _is_text(name, "strict")):
        return False
    if {"=", "\0", "\n"} & set(name) or name in _RESERVED or name.startswith(_OTHER_FILES):
        return False
    # Go's reader refuses an archive in which they are malformed.
    number = value.removeprefix("-").replace(".", "", 1)
    return name not in ("atime", "ctime") or (number.isascii() and number.isdecimal())


def _is_text(text: str, errors: str = "surrogateescape") -> bool:
    """Whether it can be written, by default with bytes that are no UTF-8."""
    try:
        text.encode(errors=errors)
    except UnicodeEncodeError:
        return False
    return True


def _seconds(text: str, *, what: str) -> int:
    """Seconds since the epoch, of a time as text; a fraction is dropped."""
    from datetime import datetime

    from lading.oci.timestamp import canonical

    return int(datetime.fromisoformat(canonical(text, what=what)[:19] + "+00:00").timestamp())


def apply(entry: Entry, changes: Mapping[str, object]) -> None:
    """Changes the metadata of `entry`; the mode of a symbolic link stays 0777."""
    if entry.kind == SYMLINK and "mode" in changes:
        changes = {key: value for key, value in changes.items() if key != "mode"}
    entry.meta = entry.meta.replace(changes)


def check_name(path: str, *, origin: str) -> None:
    """Raises InputError if `path` cannot be written as UTF-8 or holds a NUL."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"the name {os.fsencode(path)!r} from {origin} is not UTF-8", fix="rename the file"
        ) from None
    if "\0" in path:
        raise InputError(f"the name {path!r} from {origin} holds a NUL")
