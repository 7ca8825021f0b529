"""Turns the sources that a rule names into the entries of a layer."""

from __future__ import annotations

import os
from itertools import repeat

from lading.errors import InputError
from lading.layer.entries import (
    DIRECTORY,
    FILE,
    LINK_META,
    NO_META,
    SYMLINK,
    Entry,
    Meta,
    check_name,
    parse_meta,
)
from lading.layer.paths import image_path
from lading.layer.plan import Plan
from lading.layer.reading import read_error
from lading.layer.sources import Sources
from lading.layer.tree import Defaults, walk_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from lading.layer.spool import Spool

__all__ = ["collect"]


def collect(
    lines: Sequence[str],
    *,
    spool: Spool,
    default_metadata: str = "",
    create_parent_directories: bool = True,
    deduplicate_trees: bool = False,
    expect_directories: bool = False,
) -> list[Entry]:
    """The entries of a layer, ordered and without conflicts.

    Args:
        lines: what goes into the layer, see `lading.layer.sources`.
        spool: where archives are unpacked to; it has to live as long as the entries.
        default_metadata: JSON of `file_metadata()` for whatever has no metadata of its own; its
            mode is that of files.
        create_parent_directories: whether directories that hold an entry become entries.
        deduplicate_trees: whether a tree at several paths is stored at the first of them, in
            their order, and symbolic links to it at the others.
        expect_directories: whether to look for directories among the files. Bazel does not tell
            for those in the source tree, and looking costs a few percent, so it is done only
            after `DirectoryError`.

    Raises:
        LadingError: a source is malformed, unreadable or in conflict with another.
    """
    changes = parse_meta(default_metadata, what="default_metadata")
    without_mode = {key: value for key, value in changes.items() if key != "mode"}
    defaults = Defaults(NO_META.replace(changes), LINK_META.replace(without_mode), without_mode)
    plan = Plan()
    overrides: list[tuple[str, str]] = []
    archives: list[tuple[str, str, str]] = []
    trees: dict[str, set[str]] = {}
    objects: list[tuple[str, str, str]] = []
    patterns: list[str] = []
    sources = Sources(lines)
    if expect_directories:
        _find_directories(sources)
    files = map(Entry, sources.names, repeat(FILE), repeat(defaults.file), sources.paths)
    plan.add_all(list(files))
    for kind, place, path in sources.others:
        if kind == "M":
            overrides.append((image_path(place, what="file_metadata"), path))
        elif kind in ("N", "O", "V"):
            objects.append((kind, image_path(place, what=path), path))
        elif kind in ("A", "P"):
            archives.append((kind, image_path(place or "/", what=path), path))
        elif kind == "X":
            patterns.append(place)
        elif kind == "T" and deduplicate_trees:
            trees.setdefault(path, set()).add(image_path(place, what=path))
        else:
            _add_other(plan, kind, place, path, defaults)
    for path, places in trees.items():
        _add_tree_once(plan, sorted(places), path, defaults)
    if archives:
        from lading.layer.unpack import add_archives

        add_archives(plan, archives, patterns, spool, changes)
    if objects:
        from lading.layer.objects import add_objects

        add_objects(plan, objects, without_mode)
    if "" in plan.entries and plan.entries[""].kind != DIRECTORY:
        raise InputError(f"{plan.entries[''].describe()} has no name in the image")
    plan.add_parents(create=create_parent_directories)
    for path, text in overrides:
        plan.override(path, parse_meta(text, what=f"metadata of /{path}"), what="file_metadata")
    return plan.ordered()


def _find_directories(sources: Sources) -> None:
    """Moves those of the files that are directories to the other sources."""
    names, paths = sources.names, sources.paths
    sources.names, sources.paths = [], []
    for name, path in zip(names, paths, strict=True):
        if os.path.isdir(path):
            sources.others.append(["F", f"/{name}", path])
        else:
            sources.names.append(name)
            sources.paths.append(path)


def _add_other(plan: Plan, kind: str, place: str, path: str, defaults: Defaults) -> None:
    if kind in ("T", "F"):
        target = image_path(place, what=path)
        # A directory of the source tree is what it is; one that an action made is what Bazel knows.
        walk_tree(path, target, plan.add, defaults, keep_empty=kind == "F")
    elif kind == "L":
        _add_link(plan, place, path, "", defaults.link)
    elif kind == "S":
        try:
            target = os.readlink(path)
        except OSError as error:
            if os.path.isfile(path):
                plan.add(Entry(image_path(place, what=path), FILE, defaults.file, path))
                return
            raise read_error(path, error) from None
        _add_link(plan, place, target, path, defaults.link)
    elif kind == "D":
        target = image_path(place, what="a directory")
        plan.add(Entry(target, DIRECTORY, defaults.directory(target)))
    elif kind == "E":
        target = image_path(place, what="an empty file")
        plan.add(Entry(target, FILE, defaults.file, b"", size=0))
    else:
        raise InputError(f"{kind!r:.40} is no kind of source")


def _add_tree_once(plan: Plan, places: list[str], path: str, defaults: Defaults) -> None:
    first = places[0]
    walk_tree(path, first, plan.add, defaults)
    for place in places[1:]:
        if place.startswith(f"{first}/") or not first:
            # A link from within the tree would lead in circles.
            walk_tree(path, place, plan.add, defaults)
        else:
            link = os.path.relpath(f"/{first}", f"/{place}/..")
            plan.add(Entry(place, SYMLINK, defaults.link, link=link, origin=path))


def _add_link(plan: Plan, place: str, link: str, origin: str, meta: Meta) -> None:
    what = f"the symbolic link {place!r:.200}"
    if not link:
        raise InputError(f"{what} has no target")
    check_name(link, origin=origin or what)
    plan.add(Entry(image_path(place, what=what), SYMLINK, meta, link=link, origin=origin))
