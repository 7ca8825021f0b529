"""The directory that a build reads, made of files that are elsewhere."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from lading.errors import ConflictError, InputError, NotFoundError, StorageError

__all__ = ["lay_out"]


def lay_out(directory: Path, sources: Iterable[tuple[str, Path]]) -> None:
    """Copies files and directories into `directory`.

    Modes and times are normal: 0755 for directories and programs, 0644 for other files, all of
    1970. A checkout's umask is nobody's business, and a file in it may be a link of Bazel's.

    Args:
        directory: an empty directory.
        sources: path in the context, and the file or directory that is to be there.

    Raises:
        NotFoundError: a source is missing.
        InputError: a path leads out of the context.
        ConflictError: two sources have one path.
        StorageError: no space left.
    """
    for place, source in sources:
        parts = place.split("/")
        if place.startswith("/") or ".." in parts or not place:
            raise InputError(
                f"{place!r:.200} is no path in the context", fix="paths are relative, without '..'"
            )
        target = directory.joinpath(*parts)
        try:
            _check_parents(directory, parts, place)
            target.parent.mkdir(parents=True, exist_ok=True)
            _put(source, target)
        except FileExistsError:
            raise ConflictError(
                f"{place!r:.200} is in the context twice", fix="give one of the two another path"
            ) from None
        except FileNotFoundError:
            raise NotFoundError(f"{source}, {place} in the context, does not exist") from None
        except OSError as error:
            raise StorageError(f"the context cannot be laid out: {error.strerror}") from None
    for root, directories, files in os.walk(directory, topdown=False):
        for name in (*directories, *files):
            os.utime(os.path.join(root, name), (0, 0), follow_symlinks=False)
        Path(root).chmod(0o755)
        os.utime(root, (0, 0))


def _check_parents(directory: Path, parts: list[str], place: str) -> None:
    """Nothing is written below a file, or through a link that another source has brought."""
    for depth in range(1, len(parts)):
        above = directory.joinpath(*parts[:depth])
        if above.is_symlink() or (above.exists() and not above.is_dir()):
            taken = "/".join(parts[:depth])
            raise ConflictError(
                f"{place!r:.200} is below {taken!r:.200}, which is a file or a link",
                fix="give one of the two another path",
            )


def _put(source: Path, target: Path) -> None:
    """Copies one source; links inside a directory stay links, that of Bazel to it does not."""
    if target.is_symlink():
        raise FileExistsError
    if source.is_dir():
        target.mkdir(exist_ok=True)
        for item in sorted(source.iterdir()):
            inner = target / item.name
            link = os.readlink(item) if item.is_symlink() else ""
            if link and not (os.path.isabs(link) and item.is_file()):
                inner.symlink_to(link)
            else:
                _put(item, inner)
        return
    mode = 0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644
    with source.open("rb") as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer, 1024 * 1024)
    target.chmod(mode)
