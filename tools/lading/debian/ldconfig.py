"""Which shared libraries the dynamic loader finds in an image, as ldconfig(8) would say.

/etc/ld.so.conf of the image is honoured. Directories of glibc-hwcaps are not looked into: the
loader falls back to the library beside them.
"""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterator

from lading.debian.elf import Library, read_library
from lading.debian.ld_cache import CachedLibrary
from lading.errors import InputError
from lading.layer.view import DIRECTORY, FILE, SYMLINK, Node, View

__all__ = ["find_libraries"]

_CONFIGURATION = "/etc/ld.so.conf"
_CONFIGURATION_LIMIT = 1 << 20
#: Where the loader looks without being told (ld.so(8)).
_TRUSTED = ("/lib", "/usr/lib")
_PREFIXES = ("lib", "ld-", "ld.so", "ld64.so")
_MOST_FILES = 64


def find_libraries(view: View) -> list[CachedLibrary]:
    """The libraries of an image; where several have a name, the one that the loader takes first.

    Raises:
        InputError: /etc/ld.so.conf includes itself.
        CorruptError, LimitError: a layer cannot be read, or a file is far too large.
    """
    places: dict[int, str] = {}
    candidates: list[tuple[str, str, Node, Node]] = []
    for directory in [*_configured(view), *_TRUSTED]:
        node = view.find(directory)
        if node is None or node.type != DIRECTORY or id(node) in places:
            continue
        places[id(node)] = directory
        for name, child in sorted(node.children.items()):
            if name.startswith(_PREFIXES) and ".so" in name:
                file = view.find(posixpath.join(directory, name))
                if file is not None and file.type == FILE:
                    candidates.append((directory, name, child, file))
    files = {id(file): file for *_, file in candidates}
    known = {id(node): read_library(data) for node, data in view.read_each(files.values())}
    found = []
    for directory, name, child, file in candidates:
        library = known[id(file)]
        if library is not None:
            key = _name(name, child, library)
            found.append(CachedLibrary(key, f"{directory}/{name}", library.machine))
    order = {directory: number for number, directory in enumerate(places.values())}
    # The link that is called like the soname before the file that it leads to.
    return sorted(
        found,
        key=lambda each: (
            order[posixpath.dirname(each.path)],
            posixpath.basename(each.path) != each.name,
        ),
    )


def _name(name: str, node: Node, library: Library) -> str:
    """What a file is found under: its soname, or a development link by its own name."""
    if node.type == SYMLINK and name.endswith(".so"):
        return name
    return library.soname or name


def _configured(view: View) -> Iterator[str]:
    """The directories of /etc/ld.so.conf, in its order."""
    pending, read = [_CONFIGURATION], 0
    while pending:
        path = pending.pop(0)
        node = view.find(path)
        if node is None or node.type != FILE:
            continue
        read += 1
        if read > _MOST_FILES:
            raise InputError(f"{_CONFIGURATION} includes more than {_MOST_FILES} files, or itself")
        included: list[str] = []
        for line in (
            view.read(node, limit=_CONFIGURATION_LIMIT).decode(errors="replace").split("\n")
        ):
            words = line.partition("#")[0].replace(",", " ").replace(":", " ").split()
            if words[:1] == ["include"]:
                for pattern in words[1:]:
                    included += _matches(view, posixpath.join(posixpath.dirname(path), pattern))
            else:
                yield from (word.partition("=")[0].rstrip("/") for word in words)
        pending = included + pending


def _matches(view: View, pattern: str) -> list[str]:
    """The files that a pattern of an include line names; wildcards are in its last part."""
    directory, _, name = pattern.rpartition("/")
    node = view.find(directory)
    if node is None:
        return []
    return [f"{directory}/{each}" for each in sorted(node.children) if fnmatch.fnmatch(each, name)]
