"""What earlier pushes from this machine set, so that a push begins with the likelier question.

An unchanged image is found with one request by asking for its tag, a new tag for an image that is
there with two by asking for its digest; nothing but having been there before tells which it will
be. A memory that is wrong, old or missing costs requests and nothing else: what it says is a guess
at which question to ask first, never an answer.

One small file for each repository: a line for each image, its digest and its tags.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from lading.oci.digest import Digest
from lading.registry.repository import Repository

__all__ = ["NOTHING", "FileMemory", "Memory", "at_home"]

#: Images of one repository that are remembered; the latest count.
_IMAGES = 64
#: Repositories that are remembered, or somewhat fewer.
_REPOSITORIES = 2048
_MAX_BYTES = 1 << 20


class Memory(Protocol):
    """Remembers which tags an image got; shared between threads."""

    def tags(self, repository: Repository, digest: Digest) -> frozenset[str] | None:
        """The tags that `digest` had there, or None if it is not known to have been there."""
        ...

    def note(self, repository: Repository, digest: Digest, tags: Iterable[str]) -> None:
        """`tags` name `digest` now. Never fails: what cannot be kept is forgotten."""
        ...


class _Nothing:
    def tags(self, repository: Repository, digest: Digest) -> frozenset[str] | None:
        return None

    def note(self, repository: Repository, digest: Digest, tags: Iterable[str]) -> None:
        pass


#: Remembers nothing.
NOTHING: Memory = _Nothing()


class FileMemory:
    """Keeps what it remembers below `directory`, which is made when it is needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()

    def tags(self, repository: Repository, digest: Digest) -> frozenset[str] | None:
        return self._read(self._path(repository)).get(str(digest))

    def note(self, repository: Repository, digest: Digest, tags: Iterable[str]) -> None:
        path, now = self._path(repository), frozenset(tags)
        with self._lock:
            known = self._read(path)
            before = known.get(str(digest))
            if before is not None and now <= before:
                return
            # A tag names one image.
            known = {other: found - now for other, found in known.items()}
            known.pop(str(digest), None)
            known[str(digest)] = now | (before or frozenset())
            with contextlib.suppress(OSError):
                self._write(path, known)

    def _path(self, repository: Repository) -> Path:
        name = f"{repository.origin}/{repository.name}"
        return self._directory / hashlib.sha256(name.encode()).hexdigest()[:32]

    def _read(self, path: Path) -> dict[str, frozenset[str]]:
        try:
            with path.open("rb") as file:
                lines = file.read(_MAX_BYTES).decode(errors="replace").splitlines()
        except OSError:
            return {}
        words = [line.split(" ") for line in lines]
        return {digest: frozenset(tags) - {""} for digest, *tags in words}

    def _write(self, path: Path, known: dict[str, frozenset[str]]) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            self._make_room()
        latest = list(known.items())[-_IMAGES:]
        text = "".join(f"{' '.join([digest, *sorted(tags)])}\n" for digest, tags in latest)
        # As mkstemp would, without importing it: after the last byte nothing else goes on.
        temporary = self._directory / f".pushed-{os.urandom(8).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        number = os.open(temporary, flags, 0o600)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise

    def _make_room(self) -> None:
        """Forgets the repositories that were not pushed to for longest, and broken writes."""
        found = list(os.scandir(self._directory))
        if len(found) >= _REPOSITORIES:
            found.sort(key=lambda entry: entry.stat().st_mtime)
            for entry in found[: _REPOSITORIES // 4]:
                os.unlink(entry.path)


def at_home() -> Memory:
    """The user's: `$XDG_CACHE_HOME/lading/pushed`, or `~/.cache/lading/pushed`."""
    home = os.environ.get("HOME", "")
    cache = os.environ.get("XDG_CACHE_HOME", "") or (home and f"{home}/.cache")
    return FileMemory(Path(cache) / "lading" / "pushed") if os.path.isabs(cache) else NOTHING
