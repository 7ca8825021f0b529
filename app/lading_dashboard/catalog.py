"""Every image of the places that the dashboard was given, read again only when one changed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lading.errors import InputError, LadingError, NotFoundError
from lading.oci import layout
from lading.oci.digest import Digest
from lading.oci.reference import check_repository
from lading_dashboard.disk import DiskLayout, Signature
from lading_dashboard.images import Image, Manifest, Problem
from lading_dashboard.reading import read_layout

__all__ = ["Catalog", "Found", "Snapshot"]

_MAX_DEPTH = 16
_MAX_LAYOUTS = 5000
#: Folders of a layout that hold no other layout.
_INNER = frozenset({"blobs", ".lading"})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was there at one moment: images newest first, and layouts that could not be read."""

    images: tuple[Image, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """An image that was asked for by digest.

    `image` is the root that has the digest, or contains the manifest that has it; `manifest` is
    that manifest, or None when the digest is the root's own. `elsewhere` are other roots with the
    same digest.
    """

    image: Image
    manifest: Manifest | None = None
    elsewhere: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    signature: Signature
    images: tuple[Image, ...]
    problems: tuple[Problem, ...]


class Catalog:
    """The images below `places`; safe to use from several threads.

    Args:
        places: directories; each is a store, with layouts somewhere below `layouts/`, or an OCI
            image layout itself. One that does not exist is an empty store.
    """

    def __init__(self, places: Sequence[Path]) -> None:
        self.places = tuple(places)
        self._entries: dict[Path, _Entry] = {}
        self._lock = threading.Lock()

    def snapshot(self) -> Snapshot:
        """What is there now. Never fails: what cannot be read is a problem of its layout."""
        images: list[Image] = []
        problems: list[Problem] = []
        with self._lock:
            entries: dict[Path, _Entry] = {}
            for directory, repository in self._layouts(problems):
                if directory not in entries:
                    entries[directory] = self._read(directory, repository)
            self._entries = entries
        for entry in entries.values():
            images += entry.images
            problems += entry.problems
        images.sort(key=lambda image: (image.repository, image.tags, str(image.digest)))
        images.sort(key=lambda image: image.stored.timestamp() if image.stored else 0, reverse=True)
        return Snapshot(tuple(images), tuple(problems))

    def find(self, digest: Digest, repository: str = "") -> Found:
        """The image or manifest with `digest`, preferably in `repository`.

        Raises NotFoundError.
        """
        images = self.snapshot().images
        roots = [image for image in images if image.digest == digest]
        roots.sort(key=lambda image: (image.repository != repository, bool(image.all_problems)))
        if roots:
            return Found(roots[0], elsewhere=tuple(roots[1:]))
        holders = sorted(images, key=lambda image: image.repository != repository)
        for image in holders:
            for manifest in image.manifests:
                if manifest.digest == digest:
                    return Found(image, manifest)
        raise NotFoundError(
            f"no image here has the digest {digest}",
            fix="it may have been removed or replaced; look at the list of images",
        )

    def _read(self, directory: Path, repository: str) -> _Entry:
        disk = DiskLayout(directory)
        # Taken before reading: a change in between makes the next request read again.
        signature = disk.signature()
        known = self._entries.get(directory)
        if known is not None and known.signature == signature:
            return known
        try:
            images, problems = read_layout(disk, repository)
        except LadingError as error:
            images, problems = (), (error.what,)
        return _Entry(signature, images, tuple(Problem(repository, text) for text in problems))

    def _layouts(self, problems: list[Problem]) -> Iterator[tuple[Path, str]]:
        """Directories of layouts with the repository that each stands for."""
        for place in self.places:
            if _is_layout(place):
                yield place, place.name or str(place)
                continue
            found = _below(place / "layouts", "", 0, problems)
            for number, (directory, repository) in enumerate(found):
                if number == _MAX_LAYOUTS:
                    problems.append(
                        Problem(str(place), f"more than {_MAX_LAYOUTS} layouts; the rest is hidden")
                    )
                    break
                yield directory, repository


def _is_layout(directory: Path) -> bool:
    return any(
        os.path.lexists(directory / name) for name in (layout.MARKER_FILE, layout.INDEX_FILE)
    )


def _below(
    directory: Path, repository: str, depth: int, problems: list[Problem]
) -> Iterator[tuple[Path, str]]:
    """Layouts in and below `directory`, whose name in the store is `repository`, sorted.

    Links are not followed: a store holds its own images only.
    """
    if repository and _is_layout(directory):
        yield directory, repository
    try:
        with os.scandir(directory) as found:
            names = sorted(item.name for item in found if item.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        where = repository or str(directory)
        problems.append(Problem(where, f"the directory cannot be read: {error.strerror or error}"))
        return
    for name in names:
        if name in _INNER:
            continue
        inner = f"{repository}/{name}" if repository else name
        try:
            check_repository(inner)
        except InputError as error:
            problems.append(Problem(inner, error.what))
            continue
        if depth < _MAX_DEPTH:
            yield from _below(directory / name, inner, depth + 1, problems)
