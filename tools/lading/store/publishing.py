"""The moment of a save in which an archive has its name already and its entry does not.

Two files cannot be renamed at once. Before the first of them is, it is recorded what the second
will say, so that whoever reads the old catalog beside the new archive knows better. A record is
about one catalog, by its sha256, and one archive file: once the catalog is written again, or
another archive is there, it says nothing, and nobody has to take it back in time.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from lading.store import disk, places
from lading.store.entry import Entry

__all__ = ["announce", "announced", "withdraw"]

#: Longest record that is read, in bytes.
_MOST = 4 * 1024 * 1024


def announce(root: Path, catalog: str, number: int, entry: Entry) -> None:
    """Records durably what the catalog will say of the archive that is about to get its name.

    Args:
        root: the store, whose lock is held.
        catalog: sha256 of the catalog as it is before.
        number: the open archive, written to its end.
        entry: what will be in the catalog.
    """
    value = {"catalog": catalog, "archive": _seen(os.fstat(number)), "entry": entry.to_values()}
    with disk.draft(places.publishing(root)) as made:
        made.file.write(json.dumps(value).encode())
        made.publish(places.publishing(root))


def announced(root: Path, catalog: str) -> Entry | None:
    """The entry that a catalog with that sha256 lacks, because a save was cut off before it."""
    try:
        with disk.open_regular(places.publishing(root)) as file:
            value = json.loads(file.read(_MOST))
        if value["catalog"] != catalog:
            return None
        entry = Entry.from_values(value["entry"])
        status = places.inside(root, entry.file).lstat()
        return entry if value["archive"] == _seen(status) else None
    except Exception:  # noqa: BLE001 - a record that is damaged in any way is none
        return None


def withdraw(root: Path) -> None:
    """Removes the record; what is left of one harms nobody."""
    with contextlib.suppress(OSError):
        places.publishing(root).unlink()


def _seen(status: os.stat_result) -> list[int]:
    """Tells a file from others; renaming changes none of it, and neither does a new start."""
    return [status.st_ino, status.st_size, status.st_mtime_ns]
