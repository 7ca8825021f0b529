"""Nix's archives (NAR) and the objects of a Nix store as entries of a layer.

A NAR holds what Nix knows of a file: its content, whether it can be run, and nothing else. An
object of a store becomes what Nix's own store has: owner root, modes 0444 and 0555, and the time
1, not 0, because compiled files in it were made for that time and count as stale with another.

https://nix.dev/manual/nix/latest/protocols/nix-archive/
"""

from __future__ import annotations

import hashlib
import os
import stat

from lading.errors import CorruptError, InputError
from lading.layer.entries import DIRECTORY, FILE, SYMLINK, Entry, Meta, Slice
from lading.layer.reading import open_file, read_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["MTIME", "NarReader", "add_nar", "add_object", "hash_object"]

#: Seconds since the epoch: what Nix dates everything in a store at.
MTIME = 1

_MAGIC = b"nix-archive-1"
_WINDOW = 1 << 16
_CHUNK = 1 << 20
#: Names and targets of links are no longer than Linux has them (PATH_MAX).
_LONGEST = 4096
_DEEPEST = 1024
#: No offset in a file is larger (off_t).
_LARGEST = (1 << 63) - 1

_FILE = Meta(0o444, mtime=MTIME)
_PROGRAM = Meta(0o555, mtime=MTIME)
_DIRECTORY = Meta(0o555, mtime=MTIME)
_LINK = Meta(0o777, mtime=MTIME)


class NarReader:
    """Reads one archive that begins at `offset` of an open file.

    Args:
        fd: an open file.
        offset: bytes.
        what: names the archive in errors.
    """

    __slots__ = ("_buffer", "_fd", "_start", "offset", "what")

    def __init__(self, fd: int, offset: int, *, what: str) -> None:
        self._fd = fd
        self._start = offset
        self._buffer = b""
        #: Where the next byte is read.
        self.offset = offset
        self.what = what

    def nodes(self) -> Iterator[tuple[str, str, bool, bytes, int, int]]:
        """Yields (path, kind, whether it can be run, target, offset, size) of each node.

        The path of the root is empty; `target` is that of a symbolic link; `offset` and `size`
        say where a file's content is.

        Raises:
            CorruptError: it is no archive, is cut off, or is not in the one form that Nix writes.
        """
        self._expect(_MAGIC)
        # Names of the directories that are open, and the last name seen in each.
        names: list[str] = []
        last: list[bytes] = []
        path = ""
        while True:
            self._expect(b"(")
            self._expect(b"type")
            kind = self.text()
            if kind == b"directory":
                yield path, DIRECTORY, False, b"", 0, 0
                if len(last) >= _DEEPEST:
                    raise self.damaged(f"more than {_DEEPEST} directories deep")
                names.append(path)
                last.append(b"")
            elif kind == b"regular":
                yield (path, FILE, *self._regular())
            elif kind == b"symlink":
                self._expect(b"target")
                target = self.text()
                if not target or b"\0" in target:
                    raise self.damaged(f"the symbolic link {path!r:.200} has no target")
                self._expect(b")")
                yield path, SYMLINK, False, target, 0, 0
            else:
                raise self.damaged(f"{kind!r:.40} is no type of file")
            if kind != b"directory" and not last:
                return
            if kind != b"directory":
                self._expect(b")")
            while (word := self.text()) == b")":
                names.pop()
                last.pop()
                if not last:
                    return
                self._expect(b")")
            if word != b"entry":
                raise self.damaged(f"{word!r:.40} where an entry belongs")
            self._expect(b"(")
            self._expect(b"name")
            name = self.text()
            if name in (b"", b".", b"..") or b"/" in name or b"\0" in name or name <= last[-1]:
                raise self.damaged(f"the name {name!r:.200} is not possible there")
            last[-1] = name
            path = f"{names[-1]}/{os.fsdecode(name)}" if names[-1] else os.fsdecode(name)
            if len(path) > _LONGEST:
                raise self.damaged(f"the path {path!r:.200} is too long")
            self._expect(b"node")

    def number(self) -> int:
        """The next 64-bit number."""
        return int.from_bytes(self._take(8), "little")

    def text(self) -> bytes:
        """The next string, of at most 4096 bytes."""
        length = self.number()
        if length > _LONGEST:
            raise self.damaged(f"a word of {length} bytes")
        text = self._take(length)
        if self._take(-length % 8).strip(b"\0"):
            raise self.damaged("padding that is not zero")
        return text

    def damaged(self, problem: str) -> CorruptError:
        return CorruptError(
            f"{self.what} is no Nix archive: {problem} (near byte {self.offset})",
            fix="make it again with nix-store --dump or --export",
        )

    def _regular(self) -> tuple[bool, bytes, int, int]:
        word = self.text()
        runs = word == b"executable"
        if runs:
            self._expect(b"")
            word = self.text()
        if word == b")":
            return runs, b"", self.offset, 0
        if word != b"contents":
            raise self.damaged(f"{word!r:.40} where contents belong")
        size = self.number()
        offset = self.offset
        self._skip(size)
        if self._take(-size % 8).strip(b"\0"):
            raise self.damaged("padding that is not zero")
        self._expect(b")")
        return runs, b"", offset, size

    def _expect(self, word: bytes) -> None:
        found = self.text()
        if found != word:
            raise self.damaged(f"{found!r:.40} where {word.decode()!r} belongs")

    def _take(self, count: int) -> bytes:
        start = self.offset - self._start
        data = self._buffer[start : start + count]
        if len(data) < count:
            try:
                self._buffer = os.pread(self._fd, max(_WINDOW, count), self.offset)
            except OSError as error:
                raise read_error(self.what, error) from None
            self._start = self.offset
            data = self._buffer[:count]
            if len(data) < count:
                raise self.damaged("it is cut off")
        self.offset += count
        return data

    def _skip(self, count: int) -> None:
        if self.offset + count > _LARGEST:
            raise self.damaged(f"a file of {count} bytes")
        self.offset += count
        if count and not os.pread(self._fd, 1, self.offset - 1):
            raise self.damaged("it is cut off")


def add_nar(
    path: str, place: str, add: Callable[[Entry], None], changes: Mapping[str, object]
) -> None:
    """Adds what the archive in the file `path` holds as entries at `place`.

    Args:
        path: a file that holds one archive and nothing else.
        place: path in the image, without slashes at either end.
        add: takes each entry.
        changes: for the metadata, without a mode.

    Raises:
        CorruptError: see `NarReader.nodes`.
    """
    metas = _metas(changes)
    fd, size = open_file(path)
    try:
        reader = NarReader(fd, 0, what=path)
        for inner, kind, runs, target, offset, length in reader.nodes():
            at = f"{place}/{inner}" if inner else place
            if kind == FILE:
                content = Slice(-1, offset, length, path)
                add(Entry(at, FILE, metas[FILE, runs], content, size=length, origin=path))
            else:
                link = os.fsdecode(target)
                add(Entry(at, kind, metas[kind, False], link=link, origin=path))
        if reader.offset != size:
            raise reader.damaged("something follows it")
    finally:
        os.close(fd)


def add_object(
    root: str, place: str, add: Callable[[Entry], None], changes: Mapping[str, object]
) -> None:
    """Adds the object `root` of a Nix store on this machine as entries at `place`.

    Raises:
        LadingError: something cannot be read, or is neither file, directory nor link.
    """
    metas = _metas(changes)
    for inner, kind, runs, target in _walk(root):
        at = f"{place}/{inner}" if inner else place
        source = f"{root}/{inner}" if inner else root
        if kind == FILE:
            add(Entry(at, FILE, metas[FILE, runs], source))
        else:
            add(Entry(at, kind, metas[kind, False], link=target, origin=source))


def hash_object(root: str) -> tuple[str, int]:
    """The sha256 in hex and the size in bytes of the archive that Nix makes of `root`.

    Raises:
        LadingError: as `add_object`.
    """
    digest = hashlib.sha256()
    size = 0

    def put(*words: bytes) -> None:
        nonlocal size
        for word in words:
            data = len(word).to_bytes(8, "little") + word + bytes(-len(word) % 8)
            digest.update(data)
            size += len(data)

    put(_MAGIC)
    depth: list[str] = []
    for inner, kind, runs, target in _walk(root):
        parent, _, name = inner.rpartition("/")
        while depth and depth[-1] != parent:
            depth.pop()
            put(b")", b")")
        if inner:
            put(b"entry", b"(", b"name", os.fsencode(name), b"node")
        put(b"(", b"type")
        if kind == DIRECTORY:
            put(b"directory")
            depth.append(inner)
            continue
        if kind == SYMLINK:
            put(b"symlink", b"target", os.fsencode(target))
        else:
            put(*(b"regular", b"executable", b"") if runs else (b"regular",))
            put(b"contents")
            size += _hash_content(f"{root}/{inner}" if inner else root, digest.update)
        put(b")", b")") if inner else put(b")")
    for place in reversed(depth):
        put(b")", b")") if place else put(b")")
    return digest.hexdigest(), size


def _hash_content(path: str, update: Callable[[bytes], None]) -> int:
    """Hashes a file as a string of the archive; returns how many bytes that takes."""
    fd, size = open_file(path)
    try:
        update(size.to_bytes(8, "little"))
        left = size
        while left:
            data = os.read(fd, min(_CHUNK, left))
            if not data:
                raise InputError(f"{path} changed while it was read")
            update(data)
            left -= len(data)
    except OSError as error:
        raise read_error(path, error) from None
    finally:
        os.close(fd)
    update(bytes(-size % 8))
    return 8 + size + -size % 8


def _walk(root: str) -> Iterator[tuple[str, str, bool, str]]:
    """(path, kind, whether it can be run, target) of everything, in the order of an archive."""
    pending = [""]
    while pending:
        inner = pending.pop()
        path = f"{root}/{inner}" if inner else root
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                yield inner, SYMLINK, False, os.readlink(path)
            elif stat.S_ISREG(mode):
                yield inner, FILE, bool(mode & 0o100), ""
            elif stat.S_ISDIR(mode):
                yield inner, DIRECTORY, False, ""
                names = sorted(os.listdir(path), key=os.fsencode, reverse=True)
                pending += [f"{inner}/{name}" if inner else name for name in names]
            else:
                raise InputError(f"{path} is a special file", fix="a Nix store holds none")
        except OSError as error:
            raise read_error(path, error) from None


def _metas(changes: Mapping[str, object]) -> dict[tuple[str, bool], Meta]:
    return {
        (FILE, False): _FILE.replace(changes),
        (FILE, True): _PROGRAM.replace(changes),
        (DIRECTORY, False): _DIRECTORY.replace(changes),
        (SYMLINK, False): _LINK.replace(changes),
    }
