"""The catalog on disk: read fast, changed under the lock, never half written, never guessed.

Reading YAML takes a millisecond for five entries, so what was read is kept beside in an index,
which counts only for the very bytes it was made from (sha256). It is a cache: losing it costs
time, nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lading.errors import CorruptError, LimitError, NotFoundError
from lading.store import catalog as catalogs
from lading.store import disk, places, publishing
from lading.store.catalog import Catalog
from lading.store.entry import Entry

__all__ = ["MAX_BYTES", "Change", "prepare", "read", "update"]

#: Largest catalog that is read, in bytes: some 50,000 images.
MAX_BYTES = 32 * 1024 * 1024
#: Changes with what is indexed and how.
_FORMAT = 2
_REPAIR = (
    "bazel run @lading//images:store -- repair rebuilds it from the archives, and keeps this copy"
)


def read(root: Path) -> Catalog:
    """The catalog of the store at `root`; an empty one when nothing was ever stored there.

    Raises:
        CorruptError: it is no catalog, or it is gone while archives are there.
        LimitError: it is larger than MAX_BYTES.
        DeniedError: it may not be read.
    """
    return _read(root)[0]


def _read(root: Path) -> tuple[Catalog, str, bool]:
    """The catalog, the sha256 of its file, and whether it says more: a save was cut off."""
    path = places.catalog(root)
    try:
        with disk.guarded(path), disk.open_regular(path) as file:
            data = file.read(MAX_BYTES + 1)
    except NotFoundError:
        if any(places.archives(root)):
            raise CorruptError(
                f"{path} is gone, while there are archives in {places.images(root)}", fix=_REPAIR
            ) from None
        return catalogs.EMPTY, "", False
    if len(data) > MAX_BYTES:
        raise LimitError(f"{path} is larger than {MAX_BYTES} bytes", fix=_REPAIR)
    digest = hashlib.sha256(data).hexdigest()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorruptError(f"{path} is not UTF-8 text: {error.reason}", fix=_REPAIR) from None
    found = _from_index(root, digest, text)
    if found is None:
        found = catalogs.parse(text, what=str(path))
        _to_index(root, digest, found)
    late = publishing.announced(root, digest)
    return (found, digest, False) if late is None else (catalogs.put(found, late), digest, True)


class Change:
    """A new catalog, written and synchronised, that only has to be given its name."""

    def __init__(
        self, root: Path, draft: disk.Draft | None, catalog: Catalog, replaced: str
    ) -> None:
        self._root, self._draft, self.catalog = root, draft, catalog
        self._replaced = replaced

    @property
    def published(self) -> bool:
        """Whether the catalog is this one now."""
        return self._draft is None or self._draft.published

    def announce(self, number: int, entry: Entry) -> None:
        """Before the open archive gets its name: records what this catalog says of it, `entry`."""
        if self._draft is not None:
            publishing.announce(self._root, self._replaced, number, entry)

    def publish(self) -> None:
        """Makes it the catalog. Between this and the preparation no space can run out."""
        if self._draft is None:
            return
        self._draft.publish(places.catalog(self._root))
        data = self.catalog.text.encode()
        _to_index(self._root, hashlib.sha256(data).hexdigest(), self.catalog)
        publishing.withdraw(self._root)


@contextlib.contextmanager
def prepare(root: Path, change: Callable[[Catalog], Catalog]) -> Iterator[Change]:
    """Yields the Change that replaces the catalog by `change` of it; nothing if not published.

    The lock of the store has to be held. Raises as `read`, LimitError when the new one could not
    be read any more, StorageError and DeniedError.
    """
    before, digest, is_late = _read(root)
    after = change(before)
    path = places.catalog(root)
    if after.text == before.text and not is_late and path.exists():
        yield Change(root, None, after, digest)
        return
    data = after.text.encode()
    if len(data) > max(MAX_BYTES, len(before.text.encode())):
        raise LimitError(f"{path} would be larger than {MAX_BYTES} bytes", fix="run a cleanup")
    with disk.guarded(path):
        disk.make_directories(root)
        with disk.draft(path) as draft:
            draft.file.write(data)
            # Who may read it does not depend on the umask of who changed it last.
            with contextlib.suppress(OSError):
                os.fchmod(draft.file.fileno(), path.stat().st_mode & 0o666)
            draft.seal()
            yield Change(root, draft, after, digest)


def update(root: Path, change: Callable[[Catalog], Catalog]) -> Catalog:
    """Replaces the catalog by `change` of it, under the lock that the caller holds."""
    with prepare(root, change) as prepared:
        prepared.publish()
        return prepared.catalog


_FIELDS = (
    *("name", "file", "docker_tag", "os", "architecture", "compilers", "packages", "tools"),
    *("variants", "size_mb", "created", "last_used", "usage_count", "digest", "image_id", "extra"),
)


def _to_index(root: Path, digest: str, catalog: Catalog) -> None:
    """Keeps what was read; that this fails, on a read-only store for one, harms nobody."""
    value = {
        "format": _FORMAT,
        "fields": _FIELDS,
        "sha256": digest,
        "entries": [[getattr(entry, key) for key in _FIELDS] for entry in catalog.entries],
        "spans": catalog.spans,
        "insert_at": catalog.insert_at,
        "indent": catalog.indent,
        "problems": catalog.problems,
    }
    # What a power cut leaves of it does not read, or is of no catalog.
    disk.keep(places.index(root), json.dumps(value, separators=(",", ":")).encode())


def _from_index(root: Path, digest: str, text: str) -> Catalog | None:
    try:
        with disk.open_regular(places.index(root)) as file:
            value = json.loads(file.read(4 * MAX_BYTES))
        if (value["format"], value["sha256"]) != (_FORMAT, digest):
            return None
        if tuple(value["fields"]) != _FIELDS:
            return None
        return Catalog(
            text,
            tuple(_entry(row) for row in value["entries"]),
            tuple((start, end) for start, end in value["spans"]),
            value["insert_at"],
            value["indent"],
            tuple(value["problems"]),
        )
    except Exception:  # noqa: BLE001 - a cache that is damaged in any way is no cache
        return None


def _entry(row: list[Any]) -> Entry:
    for place in (5, 6, 7, 8):
        row[place] = tuple(row[place])
    return Entry(*row)
