"""Adds archives and Debian packages to a plan, unpacking several at a time."""

from __future__ import annotations

import os

from lading.layer.archive import Scratch, read_archive
from lading.layer.entries import Slice
from lading.layer.reading import changed, open_file, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lading.layer.entries import Entry
    from lading.layer.plan import Plan
    from lading.layer.spool import Spool

__all__ = ["add_archives"]


def add_archives(
    plan: Plan,
    archives: Sequence[tuple[str, str, str]],
    patterns: Sequence[str],
    spool: Spool,
    changes: Mapping[str, object],
) -> None:
    """Adds the entries of each (kind, prefix, path): kind A is a tar archive, P a package.

    Entries whose path in the image `patterns` leave out are not added, see `filters.excluder`.

    Raises:
        LadingError: one of them is damaged, hostile, or in conflict with something else.
    """
    packages = False
    excluded = None
    if patterns:
        from lading.layer.filters import excluder

        excluded = excluder(patterns)
    for (kind, prefix, _), entries in zip(archives, _read(archives, spool, changes), strict=True):
        packages = packages or kind == "P"
        for entry in entries:
            if prefix:
                entry.path = f"{prefix}/{entry.path}" if entry.path else prefix
            if excluded is None or not excluded(entry.path):
                plan.add(entry)
    if packages:
        from lading.layer.deb import usr_merge_links

        paths = {"/".join(path.split("/", 2)[:2]) for path in plan.entries if path[:4] == "usr/"}
        for link in usr_merge_links(paths):
            plan.add(link)


def _read(
    archives: Sequence[tuple[str, str, str]], spool: Spool, changes: Mapping[str, object]
) -> list[list[Entry]]:
    """The entries of each archive. Decompression releases the GIL, so threads help."""
    from lading.layer.writer import processors

    threads = min(processors(), len(archives))
    scratches = [Scratch(spool.scratch(), spool.checkpoint) for _ in range(threads)]
    if threads == 1:
        return [_read_one(archive, scratches[0], spool, changes) for archive in archives]
    from concurrent.futures import ThreadPoolExecutor
    from queue import SimpleQueue

    free: SimpleQueue[Scratch] = SimpleQueue()
    for scratch in scratches:
        free.put(scratch)

    def work(archive: tuple[str, str, str]) -> list[Entry]:
        scratch = free.get()
        try:
            return _read_one(archive, scratch, spool, changes)
        finally:
            free.put(scratch)

    with ThreadPoolExecutor(threads) as executor:
        futures = [executor.submit(work, archive) for archive in archives]
        try:
            return [future.result() for future in futures]
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise


def _read_one(
    archive: tuple[str, str, str], scratch: Scratch, spool: Spool, changes: Mapping[str, object]
) -> list[Entry]:
    kind, _, path = archive
    fd, size = open_file(path)
    before = state(fd)
    kept = False
    try:
        if kind == "A":
            entries = read_archive(fd, 0, size, scratch, what=path)
        else:
            from lading.layer.deb import read_deb

            entries = read_deb(fd, size, scratch, changes, what=path)
        # Content that was not compressed is still in the archive itself.
        kept = any(isinstance(entry.source, Slice) and entry.source.fd == fd for entry in entries)
        if kept:
            spool.adopt_input(fd, path, before)
        elif state(fd) != before:
            raise changed(path)
    finally:
        if not kept:
            os.close(fd)
    return entries
