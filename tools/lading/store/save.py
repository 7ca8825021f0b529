"""Saving: an archive and its catalog entry, both or neither (requirements S1.5, S1.8).

The archive is written beside its name without any lock. Then, under the lock of the store, the
new catalog is written too, and only then both get their names: at that point no space can run
out any more. A crash between the two renames leaves a complete new archive beside a catalog about
the old one; a record says what the new catalog would have said (`publishing`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lading.errors import LadingError
from lading.oci import layout
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.store import archive as archives
from lading.store import (
    catalog,
    catalog_file,
    disk,
    entry,
    lease,
    places,
    sharing,
    stamp,
    tarball,
    writing,
)
from lading.store import image as images
from lading.store.catalog import Catalog
from lading.store.entry import Entry
from lading.store.image import Image
from lading.store.lock import locked
from lading.store.naming import Name

__all__ = ["Facts", "Progress", "Saved", "describe", "merged", "save"]

#: Called with bytes done and to do.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the image's bytes do not say about it. The name says os, compilers and variants."""

    name: Name
    docker_tag: str = ""
    packages: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    compilers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """An acknowledged save. `unchanged` means that this image was there under this name."""

    entry: Entry
    path: Path
    size: int
    unchanged: bool


def save(
    root: Path,
    content: Content,
    source: Descriptor,
    facts: Facts,
    *,
    platform: Platform | None = None,
    progress: Progress = lambda done, total: None,
) -> Saved:
    """Saves the image at `source` under its name, replacing an image of the same name.

    When this returns, archive and catalog are on the disk and survive a power cut.

    Args:
        root: the store, created if need be.
        content: where the image's bytes are.
        source: a manifest, or an index with one for `platform`.
        facts: the name and what else the catalog says.
        platform: needed when `source` is an index of several.
        progress: called with bytes done and to do.

    Raises:
        NotFoundError, CorruptError: the image is not complete; nothing changed.
        CorruptError: the catalog cannot be read; nothing changed.
        StorageError, DeniedError: the disk is full, read-only or failing.
        ConflictError: the store stayed locked.
    """
    image = images.read(content, source, platform)
    made = describe(image, facts)
    path = places.inside(root, made.file)
    with lease.taken(root, made.name, "save"), disk.guarded(path):
        # Under the lock: the entry must not be that of an image which another save replaces.
        with locked(root):
            old = catalog_file.read(root).find(made.name)
            if _is_there(root, path, image, old, made):
                size = path.stat().st_size
                return Saved(_register(root, made, size), path, size, unchanged=True)
        disk.make_directories(path.parent)
        with disk.draft(path) as draft:
            number = draft.file.fileno()
            placed = tarball.placed(_members(image, made))
            size = tarball.end_of(placed)
            shared = sharing.Sharing(root, number, content)
            share = shared if shared.offered else None
            wrote = _counted(image.size, progress)
            writing.write(number, placed, content, share=share, wrote=wrote)
            draft.seal()
            made = replace(made, size_mb=_megabytes(size))
            with locked(root):
                made = _publish(root, draft, path, made)
            stamp.make(root, made.name, number, image.manifest.digest)
            if shared.offered:
                sharing.note(root, made.file, _layers_of(placed))
    return Saved(made, path, size, unchanged=False)


def describe(image: Image, facts: Facts) -> Entry:
    """The catalog entry of a new image."""
    name, when = facts.name, entry.now()
    return Entry(
        name=name.text,
        file=places.archive_file(name),
        docker_tag=facts.docker_tag or f"{name.text}:latest",
        os=name.os,
        architecture=image.platform.architecture,
        compilers=name.compilers if facts.compilers is None else facts.compilers,
        packages=tuple(sorted(set(facts.packages))),
        tools=tuple(sorted(set(facts.tools))),
        variants=name.variants,
        created=when,
        last_used=when,
        digest=str(image.manifest.digest),
        image_id=str(image.config.digest),
    )


def merged(new: Entry, old: Entry | None) -> Entry:
    """`new` with what outlives an image: how often its name was used, and foreign keys."""
    if old is None:
        return new
    return replace(new, usage_count=old.usage_count, extra=old.extra)


def _layers_of(placed: Sequence[tarball.Placed]) -> list[tuple[Digest, int]]:
    found = ((one.member.source, one.data_at) for one in placed)
    return [(layer.digest, at) for layer, at in found if layer is not None]


def _counted(total: int, progress: Progress) -> Callable[[int], None]:
    done = 0

    def wrote(count: int) -> None:
        nonlocal done
        done += count
        progress(min(done, total), total)

    return wrote


def _publish(root: Path, draft: disk.Draft, path: Path, made: Entry) -> Entry:
    """Gives archive and catalog their names; the lock is held."""
    if not places.catalog(root).exists():
        # Otherwise a crash after the archive's rename would look like a lost catalog.
        catalog_file.update(root, lambda found: found)

    old: Entry | None = None

    def change(before: Catalog) -> Catalog:
        nonlocal old
        old = before.find(made.name)
        return catalog.put(before, merged(made, old))

    with catalog_file.prepare(root, change) as prepared:
        is_new = not path.exists()
        found = prepared.catalog.find(made.name)
        assert found is not None
        if old is not None:
            prepared.announce(draft.file.fileno(), found)
        draft.publish(path)
        try:
            prepared.publish()
        except BaseException:
            # Once the catalog has its name, failing to synchronise that takes nothing back.
            if is_new and not prepared.published:
                path.unlink(missing_ok=True)
            raise
    return found


def _register(root: Path, made: Entry, size: int) -> Entry:
    """Puts the entry of an archive that is there already; the lock is held."""

    def change(found: Catalog) -> Catalog:
        old = found.find(made.name)
        new = replace(merged(made, old), size_mb=_megabytes(size))
        if old is not None and old.digest == new.digest:
            new = replace(new, created=old.created)
        return catalog.put(found, new)

    found = catalog_file.update(root, change).find(made.name)
    assert found is not None
    return found


def _is_there(root: Path, path: Path, image: Image, old: Entry | None, made: Entry) -> bool:
    """Whether the archive is this image with these facts, and was verified as it is now."""
    if old is None or old.digest != made.digest or old.docker_tag != made.docker_tag:
        return False
    try:
        with archives.Archive(path) as archive:
            return (
                archive.root.digest == image.manifest.digest
                and archive.root.annotations.get(archives.ENTRY) == _embedded(made)
                and stamp.is_fresh(root, made.name, archive.fileno(), image.manifest.digest)
            )
    except LadingError:
        return False


def _members(image: Image, made: Entry) -> list[tarball.Member]:
    annotations = {
        archives.ENTRY: _embedded(made),
        layout.REF_NAME: made.docker_tag.rpartition(":")[2],
    }
    return tarball.members(image, [made.docker_tag], annotations)


def _embedded(made: Entry) -> str:
    """What the archive says about itself: all that neither changes with time nor with use."""
    volatile = {"created", "last_used", "usage_count", "size_mb", "file", "digest", "image_id"}
    values = {key: value for key, value in made.to_values().items() if key not in volatile}
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def _megabytes(size: int) -> float:
    return round(size / 1_000_000, 6)
