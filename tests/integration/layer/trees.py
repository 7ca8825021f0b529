"""What a file system holds, in a form that can be compared: read from a directory or from a tar."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["Node", "of_directory", "of_tar"]

_XATTR = "SCHILY.xattr."
#: Attributes that an archive can give a file: those of users, and what it may do.
_KINDS = ("user.", "security.capability")


@dataclass(frozen=True)
class Node:
    """A file, directory or link. `links` are all names of a file with several."""

    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    content: str = ""
    links: tuple[str, ...] = ()
    xattrs: tuple[tuple[str, bytes], ...] = ()


def of_directory(root: Path) -> dict[str, Node]:
    """Everything below `root`, by path."""
    paths = [
        os.path.join(directory, name)
        for directory, names, files in os.walk(root)
        for name in [*names, *files]
    ]
    names: dict[int, list[str]] = {}
    for path in paths:
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            names.setdefault(status.st_ino, []).append(os.path.relpath(path, root))
    return {os.path.relpath(path, root): _node(path, names) for path in paths}


def _node(path: str, names: dict[int, list[str]]) -> Node:
    status = os.lstat(path)
    owner = status.st_uid, status.st_gid, int(status.st_mtime)
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Node("link", 0o777, *owner, os.readlink(path))
    names_of = [name for name in os.listxattr(path) if name.startswith(_KINDS)]
    xattrs = tuple((name, os.getxattr(path, name)) for name in sorted(names_of))
    if stat.S_ISDIR(status.st_mode):
        return Node("directory", mode, *owner, xattrs=xattrs)
    assert stat.S_ISREG(status.st_mode), path
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return Node("file", mode, *owner, digest, tuple(sorted(names.get(status.st_ino, ()))), xattrs)


def of_tar(stream: BinaryIO) -> dict[str, Node]:
    """Everything in an uncompressed archive, by path."""
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        members = {member.name: member for member in archive}
        groups: dict[str, list[str]] = {}
        for name, member in members.items():
            if member.islnk():
                groups.setdefault(member.linkname, [member.linkname]).append(name)
        return {name: _member(archive, members, member, groups) for name, member in members.items()}


def _member(
    archive: tarfile.TarFile,
    members: dict[str, tarfile.TarInfo],
    member: tarfile.TarInfo,
    groups: dict[str, list[str]],
) -> Node:
    target = members[member.linkname] if member.islnk() else member
    owner = target.uid, target.gid, int(target.mtime)
    if member.issym():
        return Node("link", 0o777, *owner, member.linkname)
    xattrs = tuple(_xattrs(target.pax_headers.items()))
    if member.isdir():
        return Node("directory", member.mode, *owner, xattrs=xattrs)
    stream = archive.extractfile(target)
    assert stream is not None, member.name
    digest = hashlib.sha256(stream.read()).hexdigest()
    links = tuple(sorted(groups.get(target.name, ())))
    return Node("file", target.mode, *owner, digest, links, xattrs)


def _xattrs(records: Iterable[tuple[str, str]]) -> Iterable[tuple[str, bytes]]:
    for key, text in sorted(records):
        name = key.removeprefix(_XATTR)
        if name != key and name.startswith(_KINDS):
            yield name, text.encode("utf-8", "surrogateescape")
