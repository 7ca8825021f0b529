"""The catalog and the archives brought together, archive by archive.

An archive that lading wrote says itself what it is (`archive.ENTRY`), so the catalog can be made
from the archives alone. Of others the name tells os, compilers and variants.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lading.errors import ConflictError, CorruptError, LadingError, LimitError, StorageError
from lading.store import (
    access,
    catalog,
    catalog_file,
    disk,
    entry,
    lease,
    naming,
    places,
    sharing,
    stamp,
)
from lading.store import archive as archives
from lading.store.archive import Archive
from lading.store.catalog import Catalog
from lading.store.entry import Entry
from lading.store.lock import locked
from lading.store.save import Facts, Progress, describe, merged

__all__ = ["Repaired", "disagreements", "register", "repair", "unregister"]


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did: names entered and dropped, files refused with the reason, a kept copy."""

    entered: tuple[str, ...]
    dropped: tuple[str, ...]
    refused: dict[str, str]
    kept: Path | None


def register(root: Path, facts: Facts, *, progress: Progress = lambda done, total: None) -> Entry:
    """Enters the archive that lies in its place already; every byte of it is read.

    What it is called in engines is not for the archive to say, which may be from anywhere.
    `progress` is called with bytes read and to read.

    Raises:
        NotFoundError: there is no archive at images/<project>/<name>.tar.
        CorruptError: it is not one whole image, or the catalog is gone; the latter is as before.
    """
    named = replace(facts, docker_tag=facts.docker_tag or f"{facts.name}:latest")
    path = places.inside(root, places.archive_file(facts.name))
    with lease.taken(root, facts.name.text, "register"), disk.guarded(path):
        while True:
            identity = _identity(path) if path.exists() else None
            made = _read(root, path, named, progress)
            with locked(root):
                if _identity(path) == identity:
                    return _enter(root, made, keep_tag=not facts.docker_tag)
                # Somebody saved another image meanwhile, or copied one there.


def unregister(root: Path, name: str) -> None:
    """Takes an entry out of the catalog; raises NotFoundError. The archive stays."""
    with locked(root):
        access.find(catalog_file.read(root), name)
        catalog_file.update(root, lambda found: catalog.drop(found, name))


def repair(root: Path, *, progress: Progress = lambda done, total: None) -> Repaired:
    """Makes catalog and archives agree; see the module. Nothing is removed.

    Archives whose entry is sound are not read. The others are read without the lock of the store,
    so that nobody waits for that; what changes meanwhile is looked at again. `progress` is called
    with bytes read and to read, for each archive by itself.
    """
    seen: dict[Path, tuple[_Identity, Entry | LadingError]] = {}
    while True:
        with locked(root):
            unread = _unread(root, seen)
            if not unread:
                return _agree(root, seen)
        for path in unread:
            with contextlib.suppress(FileNotFoundError), disk.guarded(path):
                identity = _identity(path)
                seen[path] = (identity, _entered(root, path, progress))


#: Tells a file from one that took its name: device, inode, size and time of change.
_Identity = tuple[int, int, int, int]


def _identity(path: Path) -> _Identity:
    status = path.lstat()
    return status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns


def _unread(root: Path, seen: Mapping[Path, tuple[_Identity, Entry | LadingError]]) -> list[Path]:
    """The archives without an entry that nobody read as they are now."""
    known = {places.inside(root, item.file) for item in _readable(root).entries}
    return [
        path
        for path in places.archives(root)
        if path not in known and (path not in seen or seen[path][0] != _identity(path))
    ]


def _entered(root: Path, path: Path, progress: Progress) -> Entry | LadingError:
    """The entry for an archive that has none, or why there can be none."""
    try:
        name = naming.parse(path.name.removesuffix(".tar"))
        if path != places.inside(root, places.archive_file(name)):
            raise CorruptError(f"{path} is not in the directory of its project")
        with lease.taken(root, name.text, "repair"):
            made = _read(root, path, Facts(name), progress)
        catalog.put(catalog.EMPTY, made)  # it may hold what no catalog can
        return made
    except (ConflictError, StorageError):
        raise  # says nothing about the archive
    except LadingError as error:
        return error


def _agree(root: Path, seen: Mapping[Path, tuple[_Identity, Entry | LadingError]]) -> Repaired:
    """Changes the catalog; the lock is held, and every archive without an entry was read."""
    kept = _set_aside(root)
    found = catalog_file.read(root) if kept is None else catalog.EMPTY
    known = {places.inside(root, item.file) for item in found.entries}
    dropped = tuple(item.name for item in found.entries if places.gone(root, item.file))
    results = [(path, seen[path][1]) for path in places.archives(root) if path not in known]
    made = [one for _, one in results if isinstance(one, Entry)]
    refused = {str(path): one.what for path, one in results if isinstance(one, LadingError)}

    def change(before: Catalog) -> Catalog:
        after = before
        for name in dropped:
            after = catalog.drop(after, name)
        for item in made:
            after = catalog.put(after, item)
        return after

    if kept is not None or made or dropped:
        # After setting aside, there is no file, and reading one would be refused.
        if kept is not None:
            _start_anew(root)
        catalog_file.update(root, change)
    return Repaired(tuple(item.name for item in made), dropped, refused, kept)


def _readable(root: Path) -> Catalog:
    """The catalog; an empty one where it cannot be read."""
    try:
        return catalog_file.read(root)
    except (CorruptError, LimitError):
        return catalog.EMPTY


def disagreements(root: Path, found: Catalog) -> Iterator[tuple[str, LadingError]]:
    """Entries that cannot be used and archives that no entry is about, each with its name."""
    for problem in found.problems:
        yield "", CorruptError(f"{places.catalog(root)} has a bad entry: {problem}")
    known = {places.inside(root, item.file) for item in found.entries}
    for path in places.archives(root):
        if path not in known:
            yield (
                path.name.removesuffix(".tar"),
                CorruptError(f"{path} is not in the catalog", fix="store repair enters it"),
            )


def _read(root: Path, path: Path, facts: Facts, progress: Progress) -> Entry:
    """The entry for an archive, all of which is read."""
    with Archive(path) as archive:
        image = archive.image()
        archives.verify(archive, image, progress=progress)
        stamp.make(root, facts.name.text, archive.fileno(), image.manifest.digest)
        size = os.fstat(archive.fileno()).st_size
        if sharing.possible(root):
            sharing.note(root, os.fspath(path.relative_to(root)), archive.layer_places(image))
        said = archives.said(archive, facts.name.text)
    made = describe(image, facts)
    if said is not None:
        made = replace(
            made,
            docker_tag=facts.docker_tag or said.docker_tag,
            packages=tuple(sorted({*made.packages, *said.packages})),
            tools=tuple(sorted({*made.tools, *said.tools})),
            compilers=said.compilers if facts.compilers is None else made.compilers,
            extra=said.extra,
        )
    return replace(made, size_mb=round(size / 1_000_000, 6))


def _enter(root: Path, made: Entry, *, keep_tag: bool) -> Entry:
    def change(found: Catalog) -> Catalog:
        old = found.find(made.name)
        new = merged(made, old)
        if old is not None and keep_tag:
            new = replace(new, docker_tag=old.docker_tag)
        if old is not None and old.digest == new.digest:
            new = replace(new, created=old.created, last_used=old.last_used)
        return catalog.put(found, new)

    others = (path for path in places.archives(root) if path != places.inside(root, made.file))
    if not places.catalog(root).exists() and not any(others):
        _start_anew(root)  # otherwise it was lost, and reading it says so
    found = catalog_file.update(root, change).find(made.name)
    assert found is not None
    return found


def _start_anew(root: Path) -> None:
    """Writes an empty catalog where there is none: reading one that is gone is an error."""
    path = places.catalog(root)
    with disk.guarded(path), disk.draft(path) as draft:
        draft.file.write(catalog.EMPTY.text.encode())
        draft.seal()
        draft.publish(path)


def _set_aside(root: Path) -> Path | None:
    """Moves a catalog that cannot be read out of the way; a gone one leaves nothing to keep."""
    path = places.catalog(root)
    try:
        catalog_file.read(root)
    except (CorruptError, LimitError):
        if not path.exists():
            _start_anew(root)
            return None
        kept = path.with_name(f"{path.name}.{entry.now().replace(':', '')}.unreadable")
        with disk.guarded(path):
            path.rename(kept)
        return kept
    return None
