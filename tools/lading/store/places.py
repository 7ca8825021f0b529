"""Where things are in a store, and how a user may write down a path in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from lading.errors import InputError
from lading.oci.digest import Digest
from lading.store.naming import Name

__all__ = [
    "archive_file",
    "archives",
    "catalog",
    "check_inside",
    "gone",
    "images",
    "index",
    "inside",
    "is_archive",
    "layer",
    "layers",
    "layouts",
    "leases",
    "lock",
    "publishing",
    "stamp",
]

_TAR = re.compile(r"(?s:.*)[^/]\.tar")


def catalog(root: Path) -> Path:
    """The catalog, for people and for lading."""
    return root / "image-registry.yml"


def images(root: Path) -> Path:
    """The directory of the archives, one directory for each project below it."""
    return root / "images"


def archives(root: Path) -> Iterator[Path]:
    """Every archive below `images`, sorted in each directory."""
    for directory, directories, files in os.walk(images(root)):
        directories.sort()
        yield from (Path(directory, file) for file in sorted(files) if is_archive(file))


def is_archive(file: str) -> bool:
    """Whether a file of that name is an archive, and none that is being written."""
    return file.endswith(".tar") and not file.startswith(".")


def archive_file(name: Name) -> str:
    """The path of an archive relative to the store, as the catalog says it."""
    return f"images/{name.project}/{name.text}.tar"


def inside(root: Path, file: str) -> Path:
    """The path of a catalog entry's `file`; raises InputError when that leaves the store."""
    check_inside(file)
    return root / file


def check_inside(file: str) -> None:
    """Raises InputError when a catalog entry's `file` leaves the store, or is no archive."""
    if file[:1] == "/" or ".." in file.split("/") or "\0" in file or not _TAR.fullmatch(file):
        raise InputError(
            f"{file!r:.200} is not an archive inside the store",
            fix="write a path such as images/capy/capy-ubuntu-24.04-gcc14.tar",
        )


def gone(root: Path, file: str) -> bool:
    """Whether a catalog entry's `file` is there no more; False where that cannot be told."""
    path = inside(root, file)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        # What a directory leads to may be on a disk that is not mounted now.
        return not any(os.path.islink(one) and not os.path.exists(one) for one in path.parents)
    except OSError:
        pass
    return False


def lock(root: Path) -> Path:
    """The file whose lock a change of the catalog holds."""
    return root / ".lading" / "lock"


def publishing(root: Path) -> Path:
    """What is recorded while a save gives its archive and the catalog their names."""
    return root / ".lading" / "publishing.json"


def layouts(root: Path) -> Path:
    """The directory of the layouts that stand for repositories of no registry."""
    return root / "layouts"


def leases(root: Path) -> Path:
    """The directory of the leases, one file for each."""
    return root / ".lading" / "leases"


def index(root: Path) -> Path:
    """What was last read from the catalog, in a form that is read faster."""
    return root / ".lading" / "catalog-index.json"


def layers(root: Path) -> Path:
    """The directory of notes on which archives hold which layers, where bytes are shared."""
    return root / ".lading" / "layers"


def layer(root: Path, digest: Digest) -> Path:
    """Which archives hold a layer, and where in them."""
    return layers(root) / f"{digest.algorithm}-{digest.hex}"


def stamp(root: Path, name: str) -> Path:
    """What was found out when the archive of an image was last verified."""
    return root / ".lading" / "verified" / f"{name}.json"
