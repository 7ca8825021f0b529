"""Layout directories without what no tag leads to (the embedded push destination)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from lading.errors import LadingError
from lading.oci import document, layout
from lading.oci.content import read_document, walk
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.record import replace
from lading.store import disk, layouts, places
from lading.store.layout_directory import OWN, Layout, blobs_lock

__all__ = ["collect", "directories"]


def directories(root: Path) -> Iterator[Path]:
    """Every layout below the store's embedded push destination."""
    for place, names, files in os.walk(places.layouts(root)):
        if layout.MARKER_FILE in files:
            names[:] = [name for name in names if name not in ("blobs", OWN)]
            yield Path(place)


def collect(directory: Path, *, dry_run: bool = False) -> tuple[int, int]:
    """Removes blobs that no tag leads to; returns how many, and their bytes.

    What refers to a kept manifest by `subject` stays with it. Nothing happens while somebody writes
    to the layout.

    A layout that lading did not write, which has no locks, is left alone (S0.9).

    Raises:
        CorruptError, NotFoundError: the layout cannot be read; nothing was removed.
        StorageError, DeniedError: it cannot be written; what tags lead to is there.
    """
    with disk.guarded(directory):
        return _collect(directory, dry_run=dry_run)


def _collect(directory: Path, *, dry_run: bool) -> tuple[int, int]:
    lock_file = blobs_lock(directory)
    if not lock_file.exists():
        return 0, 0
    with lock_file.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0, 0
        found = Layout(directory)
        index = found.index()
        kept = [one for one in index.manifests if one.annotations.get(layout.REF_NAME)]
        reached = {item.digest for one in kept for item, _ in walk(found, one)}
        others = [one for one in index.manifests if one not in kept]
        grown = True
        while grown:
            grown = False
            for one in list(others):
                if _subject(found, one) in reached:
                    kept.append(one)
                    others.remove(one)
                    reached |= {item.digest for item, _ in walk(found, one)}
                    grown = True
        gone = [
            (path, path.stat().st_size)
            for digest, path in layout.blob_files(directory)
            if digest not in reached
        ]
        if not dry_run:
            if others:
                manifests = tuple(one for one in index.manifests if one in kept)
                layouts.rewrite_index(directory, replace(index, manifests=manifests))
            for path, _ in gone:
                path.unlink(missing_ok=True)
        return len(gone), sum(size for _, size in gone)


def _subject(found: Layout, one: Descriptor) -> Digest | None:
    try:
        value = document.loads_object(read_document(found, one), what=str(one.digest))
        subject = value.get("subject")
        return Digest.parse(subject["digest"]) if isinstance(subject, dict) else None
    except (LadingError, KeyError):
        return None
