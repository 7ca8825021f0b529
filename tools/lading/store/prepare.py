"""An image for a requirement: the one that is there, or a new one, saved and registered (S1.4).

One process builds an image at a time. Others that want the same wait for its lock, look again,
and find what it made. A build that fails leaves the store as it was: only a complete image is
saved, and saving is atomic.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from lading.errors import CorruptError
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.store import access, catalog_file, disk, lease, match, places, save
from lading.store.access import Opened
from lading.store.match import Plan, Requirement, Scored
from lading.store.recipe import Recipe, recipe
from lading.store.save import Facts

__all__ = ["Build", "Prepared", "prepare", "reap_work", "workplaces"]

#: Makes an image. Gets the recipe, the opened base or None, and a directory of its own; yields
#: the content and root of the image, which it may take away afterwards.
Build = Callable[[Recipe, Opened | None, Path], AbstractContextManager[tuple[Content, Descriptor]]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The image that matches. `built` is false when it was there, or another process made it."""

    found: Scored
    path: Path
    built: bool


def prepare(
    root: Path,
    wanted: Requirement,
    build: Build,
    *,
    say: Callable[[str], None] = lambda text: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Prepared:
    """Returns the image that matches `wanted`, building it first if there is none.

    Args:
        root: the store.
        wanted: what it has to have.
        build: makes what is missing; not called when nothing is.
        say: told what happens, a line each.
        progress: called with bytes saved and to save.

    Raises:
        UsageError, InputError, ConflictError: see recipe.recipe.
        CorruptError: what was built does not match; it is a fault of lading.
        LadingError: the build or the save failed; what was in the store still is.
    """
    found = _plan(root, wanted)
    if found.best is not None:
        return _prepared(root, found.best, built=False)
    made = recipe(found, wanted)
    with _only_builder(root, made.name.text, say) as work:
        # Whoever had the lock before may have built it, or a better base for it.
        found = _plan(root, wanted)
        if found.best is not None:
            return _prepared(root, found.best, built=False)
        made = recipe(found, wanted)
        with disk.guarded(work), contextlib.ExitStack() as stack:
            base = None
            if found.base is not None:
                name = found.base.entry.name
                say(f"{made.name} is built on {name}: {', '.join(found.base.missing)}")
                base = stack.enter_context(access.opened(root, name, f"base of {made.name}"))
            else:
                say(f"{made.name} has no base in the store")
            content, source = stack.enter_context(build(made, base, work))
            facts = Facts(
                made.name, packages=made.packages, tools=made.tools, compilers=made.compilers
            )
            # A cleanup that is under way must not take it before it was looked at.
            stack.enter_context(lease.taken(root, made.name.text, "prepare"))
            save.save(root, content, source, facts, progress=progress)
            after = _plan(root, wanted)
            if after.best is None:
                raise CorruptError(f"{made.name} was built and saved, but it does not match")
            return _prepared(root, after.best, built=True)


def workplaces(root: Path) -> Path:
    """The directory with a lock and a scratch directory for each image that is being built."""
    return places.leases(root).parent / "building"


def reap_work(root: Path, *, dry_run: bool = False) -> list[tuple[Path, int]]:
    """Removes scratch directories whose builder is gone; returns each with its bytes."""
    reaped = []
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(workplaces(root).iterdir()):
            if path.suffix != ".work" or path.is_symlink():
                continue
            with path.with_suffix(".lock").open("ab") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                size = sum(one.lstat().st_size for one in path.rglob("*") if one.is_file())
                if not dry_run:
                    shutil.rmtree(path)
                reaped.append((path, size))
    return reaped


def _plan(root: Path, wanted: Requirement) -> Plan:
    return match.plan(catalog_file.read(root).entries, wanted)


def _prepared(root: Path, found: Scored, *, built: bool) -> Prepared:
    return Prepared(found, places.inside(root, found.entry.file), built)


@contextlib.contextmanager
def _only_builder(root: Path, name: str, say: Callable[[str], None]) -> Iterator[Path]:
    """Holds the lock of who builds `name`; yields an empty directory that is gone afterwards.

    The lock ends with the process. What a killed builder left goes with the next one.
    """
    directory = workplaces(root)
    work = directory / f"{name}.work"
    with disk.guarded(directory):
        disk.make_directories(directory)
        lock = (directory / f"{name}.lock").open("ab")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process builds {name}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        with disk.guarded(work):
            if work.exists():
                shutil.rmtree(work)
            work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
