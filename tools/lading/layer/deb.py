"""Reads a Debian package as entries of a layer (deb(5), ar(5)).

The package is unpacked, not installed: maintainer scripts do not run. Its control file goes to
/var/lib/dpkg/status.d, where scanners look for packages of images without dpkg.
"""

from __future__ import annotations

import os

from lading.errors import CorruptError
from lading.layer.archive import Scratch, read_archive
from lading.layer.entries import DIRECTORY, FILE, SYMLINK, Entry, Meta, Slice
from lading.scan.source import file_chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["merged", "read_data", "read_deb", "usr_merge_links"]

_MAGIC = b"!<arch>\n"
_HEADER = 60
_MAX_CONTROL = 16 << 20
_STATUS = "var/lib/dpkg/status.d/"
#: Directories that are links into /usr (UsrMerge; Debian 12 and later have no other layout).
_MERGED = ("bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin")
_PLAIN = Meta(0o644)


def read_deb(
    fd: int, size: int, scratch: Scratch, changes: Mapping[str, object], *, what: str
) -> list[Entry]:
    """The entries of the package in `fd`, and its record for the package database.

    Args:
        fd: an open file of `size` bytes; it has to stay open as long as the entries are used.
        size: bytes.
        scratch: takes unpacked content.
        changes: for the metadata; owners, modes and attributes are the package's own, times are
            zero unless changed.
        what: names the package in errors.

    Raises:
        CorruptError, InputError, LimitError, StorageError: see `read_archive`.
    """
    control, data = _archives(fd, size, what)
    entries = _record(fd, *control, scratch, what)
    for entry in read_archive(fd, *data, scratch, what=what, keep_names=False):
        entry.path = merged(entry.path, is_directory=entry.kind == DIRECTORY)
        if entry.kind == SYMLINK and _points_to_itself(entry):
            continue
        entry.meta = entry.meta.replace({"mtime": 0})
        entries.append(entry)
    if "mtime" in changes:
        for entry in entries:
            entry.meta = entry.meta.replace({"mtime": changes["mtime"]})
    return entries


def read_data(fd: int, size: int, scratch: Scratch, *, what: str) -> list[Entry]:
    """What the package in `fd` installs, where it says and as it says; arguments as `read_deb`."""
    _, data = _archives(fd, size, what)
    return read_archive(fd, *data, scratch, what=f"{what}, data.tar", keep_names=False)


def merged(path: str, *, is_directory: bool = False) -> str:
    """Where `path` lies once the top-level program and library directories are links."""
    head, slash, _ = path.partition("/")
    return f"usr/{path}" if (slash or is_directory) and head in _MERGED else path


def usr_merge_links(paths: set[str]) -> list[Entry]:
    """The links that make unmerged paths work, for those of /usr's directories in `paths`."""
    return [
        Entry(name, SYMLINK, Meta(0o777), link=f"usr/{name}", origin="the usr-merge of a package")
        for name in _MERGED
        if f"usr/{name}" in paths
    ]


def _points_to_itself(entry: Entry) -> bool:
    """A compatibility link between what is now one directory: /usr/bin/x -> /bin/x."""
    path = entry.link
    if path[:1] != "/":
        path = entry.path.rpartition("/")[0] + "/" + path
    return merged(os.path.normpath("/" + path)[1:].lstrip("/")) == entry.path


def _archives(fd: int, size: int, what: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """(offset, size) of control.tar and of data.tar, however they are compressed."""
    members = _members(fd, size, what)
    control = [place for name, place in members.items() if name.startswith("control.tar")]
    data = [place for name, place in members.items() if name.startswith("data.tar")]
    if len(control) != 1 or len(data) != 1 or "debian-binary" not in members:
        raise CorruptError(
            f"{what} is not a Debian package: it has to have one control.tar and one data.tar"
        )
    offset, length = members["debian-binary"]
    version = _read(fd, offset, min(length, 16), what)
    if not version.startswith(b"2."):
        raise CorruptError(f"{what} has the package format {version!r}, which is not known")
    return control[0], data[0]


def _members(fd: int, size: int, what: str) -> dict[str, tuple[int, int]]:
    """Name to (offset, size) of the members of the ar archive."""
    if size < len(_MAGIC) or _read(fd, 0, len(_MAGIC), what) != _MAGIC:
        raise CorruptError(f"{what} is not a Debian package")
    members: dict[str, tuple[int, int]] = {}
    offset = len(_MAGIC)
    while offset < size:
        header = _read(fd, offset, min(_HEADER, size - offset), what)
        digits = header[48:58].strip()
        if len(header) < _HEADER or header[58:] != b"`\n" or not digits.isdigit():
            raise CorruptError(f"{what} is damaged: no member header at byte {offset}")
        name = header[:16].decode("ascii", "replace").strip().removesuffix("/")
        length = int(digits)
        offset += _HEADER
        if name in members or offset + length > size:
            raise CorruptError(f"{what} is damaged: member {name!r} is cut off or there twice")
        members[name] = offset, length
        offset += length + length % 2
    return members


def _read(fd: int, offset: int, size: int, what: str) -> bytes:
    return b"".join(file_chunks(fd, offset, size, what=what))


def _record(fd: int, offset: int, size: int, scratch: Scratch, what: str) -> list[Entry]:
    """Entries of the package database for this package."""
    texts: dict[str, bytes] = {}
    for entry in read_archive(fd, offset, size, scratch, what=f"{what}, control"):
        content = entry.source
        if entry.kind == FILE and entry.path in ("control", "md5sums"):
            assert isinstance(content, Slice)
            if content.size > _MAX_CONTROL:
                raise CorruptError(f"{what}: {entry.path} has {content.size} bytes")
            texts[entry.path] = _read(content.fd, content.offset, content.size, what)
    control = texts.get("control", b"")
    name = ""
    for line in control.split(b"\n"):
        if line.startswith(b"Package:"):
            name = line[8:].strip().decode("ascii", "replace")
    if not name or not name.replace("+", "a").replace("-", "a").replace(".", "a").isalnum():
        raise CorruptError(f"{what}: the control file names no package")
    # One stanza, ended like those of dpkg's own database.
    entries = [_text(_STATUS + name, control.strip(b"\n") + b"\n", what)]
    if "md5sums" in texts:
        entries.append(_text(f"{_STATUS}{name}.md5sums", texts["md5sums"], what))
    return entries


def _text(path: str, data: bytes, what: str) -> Entry:
    return Entry(path, FILE, _PLAIN, data, size=len(data), origin=f"{what} ({path})")
