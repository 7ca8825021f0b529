"""Writes OCI image layout directories: what a push without a registry does.

A layout is written blobs first and `index.json` last, each file complete and on disk before its
name appears, so that a reader finds the old image or the new one and never half of either.
Beside what the specification names, a layout holds `.lading/`: locks, and temporary files that
the next writer removes when nobody else writes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lading.errors import NotFoundError
from lading.oci import layout
from lading.oci.content import Content, checked, walk
from lading.oci.descriptor import Descriptor
from lading.oci.layout import LayoutIndex
from lading.registry.progress import SILENT, Progress
from lading.registry.threads import Threads
from lading.store import disk
from lading.store.layout_directory import OWN, Layout, blobs_lock

__all__ = ["Written", "rewrite_index", "write"]

_WORKERS = 4
_TEMPORARY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Written:
    """What `write` did: how much of the content was new, and whether a tag moved."""

    sent: int
    sent_bytes: int
    existing: int
    changed: bool


def write(
    directory: Path,
    root: Descriptor,
    content: Content,
    tags: Sequence[str] = (),
    *,
    progress: Progress = SILENT,
) -> Written:
    """Writes the image `root` and everything below it into a layout, then tags it.

    Blobs are streamed and checked against digest and size; one that is there already and still
    matches is kept, one that does not match is replaced. Memory does not grow with sizes.

    Args:
        directory: the layout; created with its parents when it does not exist.
        root: the manifest or index.
        content: where its bytes are.
        tags: names for it; without any, the root is listed untagged.
        progress: is told about every blob.

    Raises:
        NotFoundError: a part of the image is nowhere in `content`.
        CorruptError: a part does not match its descriptor.
        StorageError, DeniedError: the disk is full, read-only or failing.
    """
    with disk.guarded(directory), _writing(directory) as temporary:
        parts = list(walk(content, root))
        writer = _Writer(directory, temporary, content, progress)
        blobs = [descriptor for descriptor, data in parts if data is None]
        if len(blobs) > 1:
            with Threads(_WORKERS) as threads:
                try:
                    sizes = threads.each(writer.blob, blobs)
                except BaseException:
                    writer.stop()
                    raise
        else:
            sizes = [writer.blob(blob) for blob in blobs]
        sizes += [writer.document(item, data) for item, data in parts if data is not None]
        for algorithm in {item.digest.algorithm for item, _ in parts}:
            disk.sync_directory(directory / "blobs" / algorithm)
        new = [size for size in sizes if size is not None]
        changed = _update(directory, temporary, lambda index: index.with_root(root, tags))
        return Written(len(new), sum(new), len(sizes) - len(new), changed)


def rewrite_index(directory: Path, index: LayoutIndex) -> None:
    """Replaces `index.json`; the caller holds the lock that keeps writers out."""
    temporary = directory / OWN / "tmp"
    with disk.guarded(directory):
        temporary.mkdir(parents=True, exist_ok=True)
        _replace(directory / layout.INDEX_FILE, temporary, index.dumps())


class _Writer:
    """Puts single blobs into a layout whose locks are held."""

    def __init__(
        self, directory: Path, temporary: Path, content: Content, progress: Progress
    ) -> None:
        self._directory = directory
        self._temporary = temporary
        self._content = content
        self._progress = progress
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ends what other threads write, for somebody else failed: no file of theirs is left."""
        self._stopped.set()

    def document(self, descriptor: Descriptor, data: bytes) -> int | None:
        """Writes a manifest or index; returns its size, or None if it was there."""
        target = self._directory / layout.blob_name(descriptor.digest)
        if _holds(target, descriptor):
            return None
        _replace(target, self._temporary, data)
        return descriptor.size

    def blob(self, descriptor: Descriptor) -> int | None:
        """Streams a blob into its place; returns its size, or None if it was there."""
        target = self._directory / layout.blob_name(descriptor.digest)
        with disk.guarded(target):
            self._progress.begin(descriptor)
            if _holds(target, descriptor):
                self._progress.end(descriptor, "exists")
                return None
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._content.open(descriptor) as source, _new(self._temporary) as (file, path):
                self._copy(source, file, descriptor)
                _publish(file, path, target)
            self._progress.end(descriptor, "sent")
            return descriptor.size

    def _copy(self, source: BinaryIO, file: BinaryIO, descriptor: Descriptor) -> None:
        for block in checked(source, descriptor, what=f"the content of {descriptor.digest}"):
            if self._stopped.is_set():
                raise InterruptedError
            file.write(block)
            self._progress.advance(descriptor, len(block))


@contextlib.contextmanager
def _writing(directory: Path) -> Iterator[Path]:
    """Makes the directory a layout and keeps cleaners out; yields where temporary files go."""
    temporary = directory / OWN / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    # For reading too: without that, NFS has no lock to share.
    with blobs_lock(directory).open("a+b") as lock:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Alone: whatever is here was left by a writer that was killed.
            for leftover in temporary.iterdir():
                if _TEMPORARY.fullmatch(leftover.name):
                    leftover.unlink(missing_ok=True)
        fcntl.flock(lock, fcntl.LOCK_SH)
        (directory / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        marker = directory / layout.MARKER_FILE
        if not marker.exists():
            _replace(marker, temporary, layout.MARKER)
        yield temporary


def _update(directory: Path, temporary: Path, change: Callable[[LayoutIndex], LayoutIndex]) -> bool:
    """Replaces `index.json` by a changed one under its lock; returns whether it differs."""
    path = directory / layout.INDEX_FILE
    with (directory / OWN / "index.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            before = Layout(directory).index()
        except NotFoundError:
            before = None
        after = change(before or LayoutIndex())
        if before == after:
            return False
        _replace(path, temporary, after.dumps())
        return True


def _holds(path: Path, descriptor: Descriptor) -> bool:
    """Whether `path` is a regular file with exactly the content described."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(number, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size != descriptor.size:
            return False
        digest = hashlib.file_digest(file, descriptor.digest.algorithm).hexdigest()
    return digest == descriptor.digest.hex


@contextlib.contextmanager
def _new(temporary: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file with an unguessable name, gone again unless it was renamed.

    Not mkstemp: the file keeps its mode when it gets its name, so it has to honour the umask.
    """
    path = temporary / secrets.token_hex(16)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o666), "wb") as file:
        try:
            yield file, path
        finally:
            path.unlink(missing_ok=True)


def _replace(target: Path, temporary: Path, data: bytes) -> None:
    with _new(temporary) as (file, path):
        target.parent.mkdir(parents=True, exist_ok=True)
        file.write(data)
        _publish(file, path, target)
        disk.sync_directory(target.parent)


def _publish(file: BinaryIO, path: Path, target: Path) -> None:
    """Gives a complete file its name. A failed fsync is a failure."""
    file.flush()
    os.fsync(file.fileno())
    path.replace(target)
