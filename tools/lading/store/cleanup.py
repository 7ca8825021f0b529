"""Carrying out a plan: each image is looked at again under the lock, right before it goes.

The order of a removal is entry, then archive: a crash between the two leaves an archive without an
entry, which the next cleanup reaps and `repair` would take back. Only where a full disk has no room
for a new catalog, the archive makes it. Nothing is removed that a lease protects, and leases are
taken under the same lock.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lading.errors import DeniedError, LadingError
from lading.store import (
    catalog,
    catalog_file,
    disk,
    lease,
    naming,
    places,
    prepare,
    publishing,
    sharing,
    stamp,
)
from lading.store.catalog import Catalog
from lading.store.entry import Entry
from lading.store.lock import locked
from lading.store.prune import Item, Plan

__all__ = ["Leftover", "Measured", "carry_out", "leftovers", "measured", "reap", "snapshot"]

#: Seconds that an archive without an entry is left alone: its save may be about to enter it.
_GRACE = 3600.0


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that nobody needs: a file or an entry, the bytes it frees, and what it is."""

    path: Path
    size: int
    what: str


def snapshot(root: Path, used: Mapping[str, str]) -> list[Item]:
    """Every image whose archive is there, with who uses it.

    Args:
        root: the store.
        used: what runs from an image, by the digest of its manifest or config.
    """
    with locked(root):
        found = catalog_file.read(root)
        held = {holder.name: str(holder) for holder in lease.holders(root)}
    return [
        Item(
            one.entry,
            one.size,
            held.get(one.entry.name) or _user(root, one.entry, used),
            one.shared,
            one.elsewhere,
        )
        for one in measured(root, found.entries)
    ]


def _user(root: Path, entry: Entry, used: Mapping[str, str]) -> str:
    """What runs from an image, empty for nothing."""
    ids = [entry.digest, entry.image_id]
    if used and not any(ids):
        # Another program registered it without them; the archive says what it is.
        from lading.store.archive import Archive

        with (
            contextlib.suppress(LadingError),
            Archive(places.inside(root, entry.file)) as archive,
        ):
            image = archive.image()
            ids = [str(image.manifest.digest), str(image.config.digest)]
    return next((used[one] for one in ids if one in used), "")


class Measured(NamedTuple):
    """An entry and its archive: its bytes, where those are that other archives have too, and
    whether it has a name outside of the store, which keeps the bytes."""

    entry: Entry
    size: int
    shared: tuple[tuple[int, int], ...]
    elsewhere: bool


def measured(root: Path, entries: Iterable[Entry]) -> list[Measured]:
    """The entries whose archive is there."""
    found: list[tuple[Entry, Path, os.stat_result, bool]] = []
    names: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
    for entry in entries:
        path = places.inside(root, entry.file)
        try:
            status = path.lstat()
            is_link = stat.S_ISLNK(status.st_mode)
            status = path.stat() if is_link else status
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise DeniedError(f"{path} cannot be read: {error.strerror}") from None
        found.append((entry, path, status, is_link))
        names[status.st_dev, status.st_ino].add(os.fspath(path))
    shares = sharing.active(root)
    # Bytes of a file with several names here lie where no others do.
    nowhere = {file: -(number << 64) for number, file in enumerate(names, 1)}
    result = []
    for entry, path, status, is_link in found:
        file = status.st_dev, status.st_ino
        shared = sharing.extents(path) if shares else ()
        here = len(names[file])
        if here > 1:
            here = len({os.path.realpath(name) for name in names[file]})
            own = status.st_size - sum(end - start for start, end in shared)
            shared = (*shared, (nowhere[file], nowhere[file] + max(0, own)))
        elsewhere = is_link or status.st_nlink > here
        result.append(Measured(entry, status.st_size, shared, elsewhere))
    return result


def carry_out(root: Path, plan: Plan, removed: Callable[[Entry], None] | None = None) -> list[str]:
    """Removes the images of a plan that nobody has begun to use meanwhile.

    Calls `removed` after each; returns the names of those that stayed after all.
    """
    stayed = []
    for removal in plan.removals:
        entry = removal.item.entry
        with locked(root), disk.guarded(places.inside(root, entry.file)):
            entries = catalog_file.read(root).entries
            now = next((one for one in entries if one.name == entry.name), None)
            if now is None and places.gone(root, entry.file):
                continue  # another cleanup was faster
            if now is None or now.digest != entry.digest or now.last_used != entry.last_used:
                stayed.append(entry.name)
                continue
            if lease.holders(root, entry.name):
                stayed.append(entry.name)
                continue

            def without(found: Catalog, name: str = entry.name) -> Catalog:
                return catalog.drop(found, name)

            path, shared = places.inside(root, entry.file), _is_shared(root, entry, entries)
            try:
                catalog_file.update(root, without)
            except disk.FullError:
                if shared or not disk.remove(path):
                    raise
                catalog_file.update(root, without)
            if not shared:
                disk.remove(path)
            stamp.forget(root, entry.name)
        if removed is not None:
            removed(entry)
    return stayed


def _is_shared(root: Path, entry: Entry, entries: Iterable[Entry]) -> bool:
    """Whether another entry, written by hand, is about the same archive."""
    path = os.path.realpath(places.inside(root, entry.file))
    others = (one for one in entries if one.name != entry.name)
    return any(os.path.realpath(places.inside(root, one.file)) == path for one in others)


def leftovers(root: Path) -> list[Leftover]:
    """What `reap` would remove now."""
    return list(_leftovers(root, dry_run=True))


def reap(root: Path) -> list[Leftover]:
    """Removes temporary files of dead processes, archives without an entry and dead leases, and
    drops entries without an archive. Whatever somebody holds a lock or lease on stays, and while
    the catalog has an entry that cannot be read, so do archives: it may be about any of them."""
    return list(_leftovers(root, dry_run=False))


def _leftovers(root: Path, *, dry_run: bool) -> Iterator[Leftover]:
    # Not under the lock of the store: that of the builder counts, and it may take its time.
    with disk.guarded(root):
        for path, size in prepare.reap_work(root, dry_run=dry_run):
            yield Leftover(path, size, "what a dead builder left")
    with locked(root), disk.guarded(root):
        found = catalog_file.read(root)
        held = {holder.name for holder in lease.holders(root)}
        for path in lease.reap(root, dry_run=dry_run):
            yield Leftover(path, 0, "a lease whose holder is gone")
        if (record := places.publishing(root)).exists():
            yield Leftover(record, 0, "the record of a save that was cut off")
            if not dry_run:
                with contextlib.suppress(disk.FullError):
                    catalog_file.update(root, lambda catalog: catalog)  # what it says, if anything
                    publishing.withdraw(root)
        for path in sharing.reap(root, dry_run=dry_run):
            yield Leftover(path, 0, "a note about a layer that no archive has")
        for directory in (
            root,
            places.index(root).parent,
            places.stamp(root, "").parent,
            places.layers(root),
        ):
            for path, size in disk.reap_drafts(directory, dry_run=dry_run):
                yield Leftover(path, size, "a temporary file that nobody writes")
        entries = {os.fspath(places.inside(root, entry.file)): entry for entry in found.entries}
        there: set[str] = set()
        for place, _, files in os.walk(places.images(root)):
            for path, size in disk.reap_drafts(Path(place), files, dry_run=dry_run):
                yield Leftover(path, size, "a temporary file that nobody writes")
            there.update(os.path.join(place, file) for file in files if places.is_archive(file))
        for archive in sorted(there - entries.keys()) if not found.problems else ():
            path = Path(archive)
            status = path.lstat()
            # Of one that was copied with its time, only the second says how long it is here.
            age = time.time() - max(status.st_mtime, status.st_ctime)
            name = path.name.removesuffix(".tar")
            if name in held or age < _GRACE or not _is_in_place(root, path):
                continue
            if not dry_run:
                disk.remove(path)
            freed = status.st_size if status.st_nlink == 1 else 0
            yield Leftover(path, freed, "an archive without an entry")
        dangling = [
            entry.name
            for archive, entry in entries.items()
            if archive not in there and entry.name not in held and places.gone(root, entry.file)
        ]
        for name in dangling:
            yield Leftover(places.catalog(root), 0, f"the entry {name}, whose archive is gone")
        if dangling and not dry_run:

            def without(before: Catalog) -> Catalog:
                for name in dangling:
                    before = catalog.drop(before, name)
                return before

            # What waits for the next time costs nothing, and a full disk has to be cleaned now.
            with contextlib.suppress(disk.FullError):
                catalog_file.update(root, without)


def _is_in_place(root: Path, path: Path) -> bool:
    """Whether a save may have put the archive there; others are not lading's to remove (S0.9)."""
    with contextlib.suppress(LadingError):
        name = naming.parse(path.name.removesuffix(".tar"))
        return path == places.inside(root, places.archive_file(name))
    return False
