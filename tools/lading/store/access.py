"""Using a stored image: found by name, leased, its archive checked, its use noted."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lading.errors import ConflictError, CorruptError, DeniedError, NotFoundError, StorageError
from lading.store import catalog, catalog_file, entry, lease, places, stamp
from lading.store.catalog import Catalog
from lading.store.entry import Entry
from lading.store.lock import locked

if TYPE_CHECKING:
    from lading.store.archive import Archive
    from lading.store.image import Image

__all__ = ["Opened", "find", "note_use", "opened"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A stored image, verified and kept from removal as long as it is open."""

    entry: Entry
    archive: Archive
    image: Image


def find(found: Catalog, name: str) -> Entry:
    """The entry called `name`; raises NotFoundError with the names that are close."""
    item = found.find(name)
    if item is None:
        names = [one.name for one in found.entries]
        close = difflib.get_close_matches(name, names, n=3)
        fix = f"did you mean {' or '.join(close)}?" if close else "list shows what is there"
        raise NotFoundError(f"the store has no image {name!r:.160}", fix=fix)
    return item


@contextlib.contextmanager
def opened(
    root: Path,
    name: str,
    purpose: str,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Opened]:
    """Opens a stored image under a lease, after every byte of it was verified once.

    An archive that did not change since it was verified is not read again in full.

    Raises:
        NotFoundError: no such image, or its archive is gone.
        CorruptError: the archive is damaged, or holds another image than was registered.
    """
    # Whoever only looks into the catalog starts 20 ms sooner without these.
    from lading.store import archive as archives

    with _leased(root, name, purpose) as item:
        path = places.inside(root, item.file)
        try:
            archive = archives.Archive(path)
        except NotFoundError:
            raise NotFoundError(
                f"{path}, the archive of {name}, does not exist",
                fix=f"save it again, or: store unregister {name}",
            ) from None
        with archive:
            image = archive.image()
            digest = image.manifest.digest
            # Of a save that was cut off before its last step, the archive knows more.
            is_other = item.digest and str(digest) != item.digest
            if is_other and not archives.said(archive, name):
                raise CorruptError(
                    f"{path} is not the image that was registered as {name}: it is {digest}, "
                    f"not {item.digest}",
                    fix=f"save the right image, or accept this one: store register {name}",
                )
            if not stamp.is_fresh(root, name, archive.fileno(), digest):
                archives.verify(archive, image, progress=progress)
                stamp.make(root, name, archive.fileno(), digest)
            yield Opened(item, archive, image)


def note_use(root: Path, name: str) -> None:
    """Counts one more use, now. A store that cannot be written, or is busy, keeps no count."""

    def change(found: Catalog) -> Catalog:
        item = found.find(name)
        return found if item is None else catalog.put(found, item.used(entry.now()))

    with contextlib.suppress(ConflictError, DeniedError, StorageError), locked(root):
        catalog_file.update(root, change)


@contextlib.contextmanager
def _leased(root: Path, name: str, purpose: str) -> Iterator[Entry]:
    """The entry, and a lease on it taken at the same moment.

    Where the store is read-only for us there is no lease; the open file is then all that keeps
    the archive, and it is enough for reading it.
    """
    held: lease.Lease | None = None
    try:
        with locked(root):
            item = find(catalog_file.read(root), name)
            held = lease.take(root, name, purpose)
    except (DeniedError, StorageError):
        item = find(catalog_file.read(root), name)
    try:
        yield item
    finally:
        if held is not None:
            held.release()
