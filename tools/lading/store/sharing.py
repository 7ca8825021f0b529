"""Images with layers in common share their bytes, where the file system can (`reflink`).

Beside the store is noted, for each layer, which archives hold it and where. A note is a hint: what
it leads to is hashed before it counts, and losing it costs disk space, nothing else. There are
none on file systems that cannot share.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from lading.errors import LadingError
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.store import disk, places, reflink
from lading.store.tarball import ALIGNMENT, Placed

__all__ = ["Sharing", "active", "extents", "note", "possible", "reap"]

#: Archives that are noted for a layer, newest first.
_MOST = 8
#: What a note's file is called.
_NOTE = re.compile(r"[a-z0-9]+-[0-9a-f]{64,128}")


class Sharing:
    """Spares the copying of layers into one new file; see `writing.Share`.

    Args:
        root: the store.
        number: the new file, open and empty.
        content: where the layers come from; those in plain files can be shared too.
    """

    def __init__(self, root: Path, number: int, content: Content) -> None:
        self._root, self._number, self._content = root, number, content
        self.offered = reflink.offered(number)

    def __call__(self, place: Placed) -> bool:
        layer = place.member.source
        if layer is None or not self.offered or place.data_at % ALIGNMENT:
            return False
        for path, at in self._twins(layer):
            try:
                with disk.open_regular(path) as file:
                    if os.fstat(file.fileno()).st_size < at + layer.size:
                        continue
                    reflink.clone(file.fileno(), at, layer.size, self._number, place.data_at)
                    return True
            except (OSError, LadingError):
                continue  # gone, on another file system, no room: copying it will say
        return False

    def _twins(self, layer: Descriptor) -> Iterator[tuple[Path, int]]:
        for file, at in _noted(places.layer(self._root, layer.digest)):
            with contextlib.suppress(LadingError):
                yield places.inside(self._root, file), at
        path = self._content.path(layer)
        if path is not None:
            # Outputs of Bazel are reached by links; what is behind one is hashed anyway.
            yield Path(os.path.realpath(path)), 0


def note(root: Path, file: str, layers: Iterable[tuple[Digest, int]]) -> None:
    """Notes that the archive `file` holds these layers from these places on; may do nothing."""
    for digest, at in layers:
        path = places.layer(root, digest)
        others = [(other, place) for other, place in _noted(path) if other != file]
        disk.keep(path, json.dumps([(file, at), *others[: _MOST - 1]]).encode())


def active(root: Path) -> bool:
    """Whether archives of this store share bytes."""
    return places.layers(root).is_dir()


def possible(root: Path) -> bool:
    """Whether archives of this store could share bytes."""
    with contextlib.suppress(OSError), disk.draft(places.layers(root)) as draft:
        return active(root) or reflink.offered(draft.file.fileno())
    return False


def extents(path: Path) -> tuple[tuple[int, int], ...]:
    """Where on the disk an archive's bytes are that others have too; nowhere if it cannot say."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ()
    try:
        return tuple(reflink.shared_extents(number))
    finally:
        os.close(number)


def reap(root: Path, *, dry_run: bool = False) -> list[Path]:
    """Removes notes of layers that no archive holds any more; returns them."""
    gone = []
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(places.layers(root).iterdir()):
            if not _NOTE.fullmatch(path.name):
                continue  # a temporary file, or something that is not lading's
            if not any(_exists(root, file) for file, _ in _noted(path)):
                if not dry_run:
                    path.unlink(missing_ok=True)
                gone.append(path)
    return gone


def _exists(root: Path, file: str) -> bool:
    try:
        return places.inside(root, file).exists()
    except LadingError:
        return False


def _noted(path: Path) -> list[tuple[str, int]]:
    try:
        with disk.open_regular(path) as file:
            value = json.loads(file.read(16 * 1024))
        return [(str(name), int(at)) for name, at in value if int(at) >= 0]
    except (LadingError, OSError, ValueError, TypeError):
        return []
