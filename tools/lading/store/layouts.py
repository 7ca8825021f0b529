"""OCI image layout directories on disk: what a push without a registry writes.

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
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lading.errors import (
    CorruptError,
    DeniedError,
    InputError,
    LadingError,
    NotFoundError,
    StorageError,
)
from lading.oci import document, layout
from lading.oci.content import Content, walk
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.layout import LayoutIndex
from lading.oci.reference import check_repository
from lading.registry.progress import SILENT, Progress

__all__ = ["Layout", "Written", "directory_of", "rewrite_index", "untag", "write"]

_CHUNK = 1024 * 1024
_WORKERS = 4
_OWN = ".lading"
#: Repository components that would fall among the files of a layout one level up.
_RESERVED = frozenset({"blobs", layout.INDEX_FILE, layout.MARKER_FILE})


def directory_of(store: Path, repository: str) -> Path:
    """The layout that stands for `repository` below `store`; raises InputError."""
    check_repository(repository)
    if reserved := _RESERVED.intersection(repository.split("/")[1:]):
        raise InputError(
            f"the repository {repository!r} cannot be a directory below the store",
            fix=f"choose a name without the component {min(reserved)!r}, or give --registry",
        )
    return store / "layouts" / repository


class Layout:
    """A layout directory, read. It is a `Content`.

    Args:
        directory: the directory that holds `oci-layout`.
        follow_links: read blobs through symbolic links, as layouts inside Bazel's output tree
            need; never for a layout that somebody else may write to (CVE-2024-3727).

    Raises:
        NotFoundError: there is no layout.
        CorruptError: `oci-layout` is not one.
    """

    def __init__(self, directory: Path, *, follow_links: bool = False) -> None:
        self.directory = directory
        self._flags = os.O_RDONLY | os.O_CLOEXEC | (0 if follow_links else os.O_NOFOLLOW)
        marker = directory / layout.MARKER_FILE
        layout.check_marker(self._read(marker), what=str(marker))

    def index(self) -> LayoutIndex:
        """The layout's `index.json` as it is now; raises NotFoundError or CorruptError."""
        path = self.directory / layout.INDEX_FILE
        return LayoutIndex.parse(self._read(path), what=str(path))

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Opens a blob; raises NotFoundError, or CorruptError if it is no regular file."""
        path = self.directory / layout.blob_name(descriptor.digest)
        try:
            stream = self._open(path)
        except FileNotFoundError:
            raise NotFoundError(f"{path} does not exist: the layout is incomplete") from None
        return stream

    def path(self, descriptor: Descriptor) -> Path | None:
        """The blob's file, if it is a regular one and no link."""
        path = self.directory / layout.blob_name(descriptor.digest)
        try:
            return path if stat.S_ISREG(path.lstat().st_mode) else None
        except OSError:
            return None

    def _open(self, path: Path) -> BinaryIO:
        try:
            stream = os.fdopen(os.open(path, self._flags), "rb")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise CorruptError(f"{path} cannot be read: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            stream.close()
            raise CorruptError(f"{path} is not a regular file")
        return stream

    def _read(self, path: Path) -> bytes:
        try:
            with self._open(path) as stream:
                return stream.read(document.MAX_DOCUMENT_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(
                f"{self.directory} is not an OCI image layout: there is no {path.name}"
            ) from None


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

    Raises:
        NotFoundError: a part of the image is nowhere in `content`.
        CorruptError: a part does not match its descriptor.
        StorageError, DeniedError: the disk is full, read-only or failing.
    """
    with _storage(directory), _writing(directory) as temporary:
        parts = list(walk(content, root))
        writer = _Writer(directory, temporary, content, progress)
        blobs = [descriptor for descriptor, data in parts if data is None]
        if len(blobs) > 1:
            with ThreadPoolExecutor(_WORKERS) as pool:
                results = [pool.submit(writer.blob, blob) for blob in blobs]
                try:
                    sizes = [result.result() for result in results]
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
        else:
            sizes = [writer.blob(blob) for blob in blobs]
        sizes += [writer.document(item, data) for item, data in parts if data is not None]
        for algorithm in {item.digest.algorithm for item, _ in parts}:
            _sync_directory(directory / "blobs" / algorithm)
        new = [size for size in sizes if size is not None]
        changed = _update(directory, temporary, lambda index: index.with_root(root, tags))
        return Written(len(new), sum(new), len(sizes) - len(new), changed)


def untag(directory: Path, tag: str) -> None:
    """Removes `tag` from a layout; its content stays. Raises NotFoundError."""
    Layout(directory)
    with _storage(directory), _writing(directory) as temporary:
        _update(directory, temporary, lambda index: index.without_tag(tag))


def rewrite_index(directory: Path, index: LayoutIndex) -> None:
    """Replaces `index.json`; the caller holds the lock that keeps writers out."""
    temporary = directory / _OWN / "tmp"
    with _storage(directory):
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
        with _storage(target):
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
        hasher, size = hashlib.new(descriptor.digest.algorithm), 0
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > descriptor.size:
                break
            hasher.update(chunk)
            file.write(chunk)
            self._progress.advance(descriptor, len(chunk))
        found = Digest(descriptor.digest.algorithm, hasher.hexdigest())
        if size != descriptor.size or found != descriptor.digest:
            told = f"at least {size}" if size > descriptor.size else str(size)
            raise CorruptError(
                f"the content of {descriptor.digest} is not what its descriptor says: "
                f"{told} bytes of {descriptor.size}, digest {found}"
            )


@contextlib.contextmanager
def _writing(directory: Path) -> Iterator[Path]:
    """Makes the directory a layout and keeps cleaners out; yields where temporary files go."""
    own = directory / _OWN
    temporary = own / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    with (own / "blobs.lock").open("ab") as lock:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Alone: whatever is here was left by a writer that was killed.
            for leftover in temporary.iterdir():
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
    with (directory / _OWN / "index.lock").open("ab") as lock:
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
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
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
        _sync_directory(target.parent)


def _publish(file: BinaryIO, path: Path, target: Path) -> None:
    """Gives a complete file its name. A failed fsync is a failure."""
    file.flush()
    os.fsync(file.fileno())
    path.replace(target)


def _sync_directory(directory: Path) -> None:
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextlib.contextmanager
def _storage(path: Path) -> Iterator[None]:
    """Turns an OSError into the error a user reads."""
    try:
        yield
    except LadingError:
        raise
    except PermissionError as error:
        raise DeniedError(
            f"{error.filename or path} cannot be written: {error.strerror}",
            fix="choose another place with --store or LADING_STORE",
        ) from None
    except OSError as error:
        raise StorageError(
            f"{error.filename or path} cannot be written: {error.strerror or error}",
            fix="free some space, or choose another place with --store or LADING_STORE",
        ) from None
