"""Objects of a Nix store in a layer, each checked against the hash that its closure says.

An object becomes what Nix's own store has: owner root, modes 0444 and 0555, and the time 1, not 0,
because compiled files in it were made for that time and count as stale with another.
"""

from __future__ import annotations

import hashlib
import os
import stat

from lading.errors import CorruptError, InputError
from lading.layer.entries import DIRECTORY, FILE, SYMLINK, Entry, Meta, Slice, check_name
from lading.layer.nar import MAGIC, NarReader
from lading.layer.reading import changed, open_file, read_error
from lading.scan.source import file_chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lading.layer.plan import Plan

__all__ = ["add_objects", "hash_object"]

_CHUNK = 1 << 20
#: Seconds since the epoch: what Nix dates everything in a store at.
_MTIME = 1
_FILE = Meta(0o444, mtime=_MTIME)
_PROGRAM = Meta(0o555, mtime=_MTIME)
_DIRECTORY = Meta(0o555, mtime=_MTIME)
_LINK = Meta(0o777, mtime=_MTIME)


def add_objects(
    plan: Plan,
    objects: Sequence[tuple[str, str, str]],
    changes: Mapping[str, object],
) -> None:
    """Adds the entries of each (kind, path in the image, source).

    Kind N is a Nix archive and O an object in a store on this machine, by their paths. Kind V is
    the hash that the object at the same path in the image has: `HEX:SIZE` of its archive.

    Raises:
        CorruptError: an object does not have its hash.
        LadingError: an object cannot be read, or is none that Nix makes.
    """
    expected = {place: source for kind, place, source in objects if kind == "V"}
    for kind, place, source in objects:
        if kind == "V":
            continue
        if place in expected:
            _verify(
                place, expected[place], *(_file(source) if kind == "N" else hash_object(source))
            )
        if kind == "N":
            _add_nar(source, place, plan.add, changes)
        else:
            _add_object(source, place, plan.add, changes)


def _verify(place: str, expected: str, digest: str, size: int) -> None:
    wanted, _, bytes_ = expected.partition(":")
    if len(wanted) != 64 or not bytes_.isdecimal():
        raise InputError(f"{expected!r:.200} is not HEX:SIZE")
    fix = f"run nix-store --verify-path /{place}, or export the closure again"
    if size != int(bytes_):
        raise CorruptError(
            f"/{place} has {size} bytes as a NAR, its closure says {bytes_}", fix=fix
        )
    if digest != wanted:
        raise CorruptError(
            f"/{place} has the NAR hash sha256:{digest}, its closure says sha256:{wanted}", fix=fix
        )


def _file(path: str) -> tuple[str, int]:
    """sha256 in hex, and size, of a file."""
    fd, size = open_file(path)
    digest = hashlib.sha256()
    try:
        for chunk in file_chunks(fd, 0, size, what=path):
            digest.update(chunk)
    finally:
        os.close(fd)
    return digest.hexdigest(), size


def _add_nar(
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
                check_name(link, origin=path)
                add(Entry(at, kind, metas[kind, False], link=link, origin=path))
        if reader.offset != size:
            raise reader.damaged("something follows it")
    finally:
        os.close(fd)


def _add_object(
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
            check_name(target, origin=source)
            add(Entry(at, kind, metas[kind, False], link=target, origin=source))


def hash_object(root: str) -> tuple[str, int]:
    """The sha256 in hex and the size in bytes of the archive that Nix makes of `root`.

    Raises:
        LadingError: something cannot be read, or is neither file, directory nor link.
    """
    digest = hashlib.sha256()
    size = 0

    def put(*words: bytes) -> None:
        nonlocal size
        for word in words:
            data = len(word).to_bytes(8, "little") + word + bytes(-len(word) % 8)
            digest.update(data)
            size += len(data)

    put(MAGIC)
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
                raise changed(path)
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
