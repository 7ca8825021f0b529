"""Walks a tree artifact: a directory that an action made and whose contents only a tool sees."""

from __future__ import annotations

import os
from stat import S_ISDIR, S_ISREG

from lading.errors import InputError
from lading.layer.entries import DIRECTORY, FILE, SYMLINK, Entry, Meta, check_name
from lading.layer.paths import parent_meta
from lading.layer.reading import read_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Defaults", "walk_tree"]


class Defaults:
    """Metadata of sources that have none of their own."""

    __slots__ = ("_changes", "_directories", "file", "link")

    def __init__(self, file: Meta, link: Meta, changes: Mapping[str, object]) -> None:
        self.file = file
        self.link = link
        self._changes = changes
        self._directories: dict[Meta, Meta] = {}

    def directory(self, path: str) -> Meta:
        """Directories keep the mode that is standard for their path."""
        meta = parent_meta(path)
        return self._directories.get(meta) or self._directories.setdefault(
            meta, meta.replace(self._changes)
        )


def walk_tree(
    root: str,
    path: str,
    add: Callable[[Entry], None],
    defaults: Defaults,
    *,
    keep_empty: bool = False,
) -> None:
    """Adds everything below the directory `root` as entries below `path`.

    A directory below which there is no file and no link is left out, unless `keep_empty`: for
    Bazel it is no input. It is there when the tree was made on this machine, and not when the
    tree comes from a cache, in a sandbox, or elsewhere; a layer must not depend on that.

    A link is stored as a link, dangling or not, unless it is one that Bazel's sandbox put in
    place of a file: those point at an absolute path that ends in the very path of the link. A
    link to elsewhere in Bazel's execution root is content too, for that place is gone afterwards.

    Raises:
        LadingError: something cannot be read, or is neither file, directory nor link.
    """
    root = _outside_the_sandbox(root)
    file, link = defaults.file, defaults.link
    add(Entry(path, DIRECTORY, defaults.directory(path), origin=root))
    # Directories that nothing has been found in so far, by place.
    waiting: dict[str, Entry] = {}

    def put(entry: Entry, directory: str) -> None:
        while directory in waiting:
            add(waiting.pop(directory))
            directory = directory.rpartition("/")[0]
        add(entry)

    pending = [(root, path)]
    while pending:
        here, base = pending.pop()
        try:
            with os.scandir(here) as scan:
                items = list(scan)
        except OSError as error:
            raise read_error(here, error) from None
        for item in items:
            source = f"{here}/{item.name}"
            place = f"{base}/{item.name}" if base else item.name
            if item.is_symlink():
                source, target = _resolve(source)
                if target is not None:
                    if not target.isascii():
                        check_name(target, origin=source)
                    put(Entry(place, SYMLINK, link, link=target, origin=source), base)
                    continue
                mode = _mode(source, item.path)
                is_directory, is_file = S_ISDIR(mode), S_ISREG(mode)
            else:
                is_directory, is_file = item.is_dir(), item.is_file()
            if is_directory:
                waiting[place] = Entry(place, DIRECTORY, defaults.directory(place), origin=source)
                pending.append((source, place))
            elif is_file:
                put(Entry(place, FILE, file, source), base)
            else:
                raise InputError(f"{source} is a special file", fix="a layer holds files only")
    if keep_empty:
        for entry in waiting.values():
            add(entry)


def _mode(source: str, link: str) -> int:
    """The mode of what `link` was put in place of; raises InputError if that holds the link."""
    try:
        mode = os.stat(source).st_mode
    except OSError as error:
        raise read_error(source, error) from None
    if S_ISDIR(mode) and _holds(source, os.path.dirname(link)):
        raise InputError(
            f"{link} is a loop of links: it leads to a directory that it is in",
            fix="remove the link, or make it relative to keep it as a link",
        )
    return mode


def _outside_the_sandbox(root: str) -> str:
    """The tree that a sandbox shows at `root`, or `root` itself.

    Bazel's sandbox has a link for each file, and a directory in place of a link to one. That
    every file is such a link, the first one tells.
    """
    pending = [root]
    while pending:
        here = pending.pop()
        try:
            with os.scandir(here) as scan:
                items = list(scan)
        except OSError as error:
            raise read_error(here, error) from None
        for item in items:
            if item.is_symlink():
                target = os.readlink(item.path)
                within = item.path[len(root) :]
                real = target[: -len(within)] if target.endswith(within) else ""
                own = root if root[:1] != "/" else root.rpartition("/execroot/")[2]
                return real if real[:1] == "/" and real.endswith(f"/{own}") else root
            if item.is_file(follow_symlinks=False):
                return root
            if item.is_dir(follow_symlinks=False):
                pending.append(item.path)
    return root


def _holds(directory: str, inner: str) -> bool:
    """Whether `inner` is `directory` or somewhere below it."""
    outer = os.path.realpath(directory)
    return (os.path.realpath(inner) + "/").startswith(outer.rstrip("/") + "/")


def _resolve(link: str) -> tuple[str, str | None]:
    """(the path the link was put in place of, its target as an entry, or None for content)."""
    # Each round takes off one layer of sandboxing; a loop of links ends as a link.
    for _ in range(8):
        try:
            target = os.readlink(link)
        except OSError as error:
            raise read_error(link, error) from None
        if target[:1] != "/":
            return link, target
        relative = link if link[:1] != "/" else link.rpartition("/execroot/")[2]
        if target.endswith("/" + relative) or "/execroot/" in target:
            if not os.path.islink(target):
                return (target, None) if os.path.lexists(target) else (link, target)
            link = target
            continue
        return link, target
    return link, target
