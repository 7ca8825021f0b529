"""Reads a tar archive as entries of a layer; whatever two readers might see differently is refused.

Content stays where it is: in the archive itself when it is not compressed, else in a scratch
file. Only ranges of it are remembered.
"""

from __future__ import annotations

import os

from lading.errors import CorruptError, InputError, LimitError, cannot_write
from lading.layer.decompress import FIRST, NO_TAR, uncompressed
from lading.layer.entries import DIRECTORY, FILE, SYMLINK, Entry, Meta, Slice
from lading.layer.reading import MAKE_AGAIN
from lading.scan.codec import CHUNK, sniff
from lading.scan.pax import ATTRIBUTE
from lading.scan.source import FileSource, StreamSource, file_chunks
from lading.scan.tar import Entry as Member
from lading.scan.tar import TarScanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import NoReturn

    from lading.scan.source import Source

__all__ = ["Scratch", "read_archive"]

#: Entries of one archive; no distribution comes near.
_MAX_ENTRIES = 4_000_000
#: Bytes of their names, link targets and extended attributes, which are held in memory.
_MAX_NAMES = 512 << 20
_WITHOUT_HOLES = "pack it with tar without --sparse, or with bsdtar --no-read-sparse"


class Scratch:
    """A scratch file that archives are unpacked to, one behind the other.

    What `checkpoint` raises ends the work; it is called again and again.
    """

    __slots__ = ("_checkpoint", "fd", "size")

    def __init__(self, fd: int, checkpoint: Callable[[], None] = lambda: None) -> None:
        self._checkpoint = checkpoint
        self.fd = fd
        self.size = 0

    def write(self, data: bytes) -> None:
        """Appends; raises StorageError."""
        self._checkpoint()
        try:
            view = memoryview(data)
            while view:
                count = os.write(self.fd, view)
                self.size += count
                view = view[count:]
        except OSError as error:
            raise cannot_write("the content of an archive", error) from None

    def passing(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks, each appended before it is handed on; raises as `write`."""
        for chunk in chunks:
            self.write(chunk)
            yield chunk


def read_archive(
    fd: int, offset: int, size: int, scratch: Scratch, *, what: str, keep_names: bool = True
) -> list[Entry]:
    """The entries of the archive in `size` bytes of `fd` from `offset`, in its order.

    Args:
        fd: an open file; it has to stay open as long as the entries are used.
        offset: where the archive begins.
        size: its bytes.
        scratch: takes the content of a compressed archive.
        what: names the archive in errors.
        keep_names: whether the names of owners are kept besides the numbers.

    Raises:
        CorruptError: it is no intact archive, or an ambiguous one.
        InputError: an entry has no place in a layer: a device, a name that escapes.
        LimitError, StorageError: it is too large.
    """
    source: Source
    first = next(file_chunks(fd, offset, min(size, CHUNK), what=what), b"")
    if sniff(first) == "none":
        base = offset
        source = FileSource(fd, offset, size, what=what)
    else:
        base = scratch.size
        chunks = uncompressed(file_chunks(fd, offset, size, what=what), size, what=what)
        source = StreamSource(scratch.passing(chunks))
        fd = scratch.fd

    def refuse(rule: str, at: str, problem: str) -> NoReturn:
        fix = NO_TAR if at == FIRST else MAKE_AGAIN
        if rule == "tar-sparse":
            fix = _WITHOUT_HOLES
        raise CorruptError(f"{what}: {at}: {problem} ({rule})", fix=fix)

    converter = _Converter(fd, base, what, keep_names=keep_names)
    for count, member in enumerate(TarScanner(source, refuse)):
        if count == _MAX_ENTRIES:
            raise LimitError(f"{what} has more than {_MAX_ENTRIES} entries")
        converter.add(member)
    return list(converter.entries.values())


class _Converter:
    """Turns members into entries and resolves hard links to the content they share."""

    def __init__(self, fd: int, base: int, what: str, *, keep_names: bool) -> None:
        self.entries: dict[str, Entry] = {}
        self._fd = fd
        self._base = base
        self._what = what
        self._keep_names = keep_names
        self._metas: dict[Meta, Meta] = {}
        self._left = _MAX_NAMES

    def add(self, member: Member) -> None:
        path = self._path(member.name)
        origin = f"{self._what} ({path})"
        if not path and member.type != DIRECTORY:
            raise CorruptError(f"{self._what}: a name is empty")
        self._left -= len(member.name) + len(member.link)
        if self._left < 0:
            raise LimitError(f"{self._what} has more than {_MAX_NAMES} bytes of names")
        if member.type == "1":
            target = self.entries.get(self._path(member.link))
            if target is None or target.kind == DIRECTORY:
                raise CorruptError(f"{origin}: no file {self._path(member.link)!r} comes before it")
            entry = Entry(
                path, target.kind, target.meta, target.source,
                link=target.link, size=target.size, origin=origin,
            )  # fmt: skip
        elif member.type == FILE:
            content = Slice(self._fd, self._base + member.offset, member.size, origin)
            entry = Entry(path, FILE, self._meta(member), content, size=member.size, origin=origin)
        elif member.type == SYMLINK:
            link = self._text(member.link, path)
            if not link:
                raise CorruptError(f"{origin}: a symbolic link without a target")
            entry = Entry(path, SYMLINK, self._meta(member, mode=0o777), link=link, origin=origin)
        elif member.type == DIRECTORY:
            entry = Entry(path, DIRECTORY, self._meta(member), origin=origin)
        else:
            raise InputError(
                f"{origin} is a device or a pipe", fix="a layer holds files, links and directories"
            )
        there = self.entries.setdefault(path, entry)
        if there is entry:
            return
        if not there.kind == entry.kind == DIRECTORY:
            raise CorruptError(f"{origin} occurs twice in the archive")
        # Whoever unpacks it gives the directory what is said last.
        there.meta = entry.meta

    def _path(self, name: bytes) -> str:
        text = self._text(name, repr(name))
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if ".." in parts or text[:1] == "/" or "\0" in text:
            raise InputError(
                f"{self._what}: the name {text!r:.200} leads out of the image",
                fix="names have to be relative, without '..'",
            )
        return "/".join(parts)

    def _text(self, data: bytes, path: str) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise InputError(f"{self._what}: {path:.200}: {data!r:.200} is not UTF-8") from None

    def _meta(self, member: Member, mode: int = -1) -> Meta:
        records = {
            self._text(key, "attribute"): value.decode("utf-8", "surrogateescape")
            for key, value in member.pax.items()
            if key.startswith(ATTRIBUTE)
        }
        self._left -= sum(map(len, records.values()))
        meta = Meta(
            member.mode & 0o7777 if mode < 0 else mode,
            member.uid,
            member.gid,
            self._text(member.uname, "owner") if self._keep_names else "",
            self._text(member.gname, "group") if self._keep_names else "",
            int(member.mtime // 1),
            tuple(sorted(records.items())),
        )
        return self._metas.setdefault(meta, meta)
