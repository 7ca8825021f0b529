"""Where the files of an archive are. What two readers could read differently is refused.

The rules are those for layers (lading.scan): cut archives, contradicting sizes
(CVE-2025-62518), a missing end, something behind it. Duplicate names are refused here.
"""

from __future__ import annotations

import io
import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

from lading.errors import CorruptError, LimitError
from lading.scan.codec import sniff
from lading.scan.source import FileSource
from lading.scan.tar import Entry, TarScanner

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["UNPACK", "TarFile", "scan", "window"]

#: Most entries of an archive: an image has at most a few hundred.
_MAX_ENTRIES = 20_000
_BUFFER = 1024 * 1024
#: What unpacks an archive, by how it is compressed.
UNPACK = {"gzip": "gunzip", "zstd": "unzstd", "xz": "unxz", "bzip2": "bunzip2"}


@dataclass(frozen=True, slots=True)
class TarFile:
    """A regular file of a tar: its bytes are `size` bytes from `offset`."""

    offset: int
    size: int


def scan(number: int, *, what: str) -> dict[str, TarFile]:
    """The regular files of the tar that is open as file descriptor `number`, by name.

    Links are followed to the files they name. Names are without a leading `./`.

    Raises:
        CorruptError: not a tar, cut short, contradictory, with something behind its end.
        LimitError: more entries than an image can have.
    """
    _check_start(os.pread(number, 512, 0), what)
    files: dict[str, TarFile] = {}
    links: dict[str, str] = {}

    def report(rule: str, at: str, fault: str) -> NoReturn:
        if rule in ("tar-truncated", "tar-end"):
            raise CorruptError(
                f"{what} is truncated at {at}: {fault}",
                fix="save the image again, or copy the file again",
            )
        raise CorruptError(f"{what} is corrupt at {at}: {fault} ({rule})")

    source = FileSource(number, 0, os.fstat(number).st_size, what=what)
    for entry in TarScanner(source, report):
        if entry.index >= _MAX_ENTRIES:
            raise LimitError(f"{what} has more than {_MAX_ENTRIES} entries")
        name = _name(entry.name, what)
        if entry.type == "5":
            continue
        if name in files or name in links:
            raise CorruptError(f"{what} is ambiguous: it holds {name!r:.200} twice")
        if entry.type == "0":
            files[name] = TarFile(entry.offset, entry.size)
        elif entry.type in ("1", "2"):
            links[name] = _target(name, entry, what)
        else:
            raise CorruptError(f"{what} is no image: {name!r:.200} is no file or directory")
    return {**files, **_followed(links, files, what)}


def _check_start(start: bytes, what: str) -> None:
    if not start:
        raise CorruptError(f"{what} is empty")
    kind = sniff(start)
    if kind != "none":
        raise CorruptError(
            f"{what} is compressed as a whole", fix=f"unpack it first: {UNPACK[kind]} FILE"
        )
    if start[257:262] != b"ustar" and start.count(0) != len(start):
        raise CorruptError(f"{what} is not a tar archive")


def _name(name: bytes, what: str) -> str:
    text = posixpath.normpath(name.decode("utf-8", "backslashreplace"))
    if text.startswith(("/", "../")) or text == "..":
        raise CorruptError(f"{what} is no image: the name {text!r:.200} leaves the archive")
    return text


def _target(name: str, entry: Entry, what: str) -> str:
    """The name that a link leads to; a symbolic one is relative to its own directory."""
    directory = posixpath.dirname(name) if entry.type == "2" else ""
    return _name(os.fsencode(posixpath.join(directory, os.fsdecode(entry.link))), what)


def _followed(
    links: Mapping[str, str], files: Mapping[str, TarFile], what: str
) -> dict[str, TarFile]:
    """The files that links lead to; old `docker save` writes a repeated layer as a link."""
    found: dict[str, TarFile] = {}
    for name, target in links.items():
        for _ in range(8):
            if target not in links:
                break
            target = links[target]
        if target not in files:
            raise CorruptError(f"{what} is corrupt: the link {name!r:.200} leads nowhere")
        found[name] = files[target]
    return found


def window(number: int, found: TarFile) -> BinaryIO:
    """A part of an open file as a file of its own, with a place of its own."""
    return cast("BinaryIO", io.BufferedReader(_Window(os.dup(number), found), _BUFFER))


class _Window(io.RawIOBase):
    def __init__(self, number: int, found: TarFile) -> None:
        super().__init__()
        self._number, self._place, self._left = number, found.offset, found.size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)[: self._left]
        count = os.preadv(self._number, [view], self._place) if view else 0
        self._place += count
        self._left -= count
        return count

    def close(self) -> None:
        if not self.closed:
            os.close(self._number)
        super().close()
