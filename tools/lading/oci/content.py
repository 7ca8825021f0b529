"""Where the bytes behind descriptors are: a mapping from digest to something that opens."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from lading.errors import CorruptError, LimitError, NotFoundError
from lading.oci import document, media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest

__all__ = [
    "Content",
    "FilesContent",
    "FirstOf",
    "checked",
    "children",
    "copy_blob",
    "read_document",
    "walk",
]

_CHUNK = 1 << 20


class Content(Protocol):
    """Read access to content-addressed bytes. Callers verify what they read."""

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Opens the content at its first byte; raises NotFoundError if it is not here."""
        ...

    def path(self, descriptor: Descriptor) -> Path | None:
        """The plain file that holds exactly this content, when there is one (for sendfile)."""
        ...


class FilesContent:
    """Content in plain files, one per digest: what Bazel outputs are."""

    def __init__(self, files: Mapping[Digest, Path]) -> None:
        self._files = dict(files)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        path = self._files.get(descriptor.digest)
        if path is None:
            raise NotFoundError(f"the content of {descriptor.digest} is not among the inputs")
        try:
            return path.open("rb")
        except FileNotFoundError:
            raise NotFoundError(f"{path}, the content of {descriptor.digest}, is gone") from None

    def path(self, descriptor: Descriptor) -> Path | None:
        path = self._files.get(descriptor.digest)
        return path if path is not None and os.path.isfile(path) else None


class FirstOf:
    """Several places, asked in order: the first that has the content counts."""

    def __init__(self, places: Sequence[Content]) -> None:
        self._places = places

    def open(self, descriptor: Descriptor) -> BinaryIO:
        missing: NotFoundError | None = None
        for place in self._places:
            try:
                return place.open(descriptor)
            except NotFoundError as error:
                missing = missing or error
        raise missing or NotFoundError(f"the content of {descriptor.digest} is nowhere")

    def path(self, descriptor: Descriptor) -> Path | None:
        return next((path for place in self._places if (path := place.path(descriptor))), None)


def read_document(content: Content, descriptor: Descriptor) -> bytes:
    """Reads a manifest, index or config whole and checks it against its descriptor.

    Raises NotFoundError, CorruptError (wrong size or digest) or LimitError (over 4 MiB).
    """
    limit = document.MAX_DOCUMENT_BYTES
    if descriptor.size > limit:
        raise LimitError(f"{descriptor.digest} is {descriptor.size} bytes, more than {limit}")
    parts, left = [], descriptor.size + 1
    with content.open(descriptor) as stream:
        # A stream from a network gives what has arrived.
        while left and (part := stream.read(left)):
            parts.append(part)
            left -= len(part)
    data = b"".join(parts)
    found = Digest.of(data, descriptor.digest.algorithm)
    if len(data) != descriptor.size or found != descriptor.digest:
        raise CorruptError(f"the content of {descriptor.digest} does not match its digest and size")
    return data


def checked(
    source: BinaryIO, descriptor: Descriptor, *, what: str, fix: str = "", block: int = _CHUNK
) -> Iterator[bytes]:
    """The bytes of an open stream in blocks, the last one only when all are as described.

    Args:
        source: at the first byte.
        descriptor: says size and digest.
        what: the content, in errors.
        fix: what to do when it is damaged.
        block: most bytes at a time.

    Raises CorruptError.
    """
    hasher, size, last = hashlib.new(descriptor.digest.algorithm), 0, b""
    while data := source.read(block):
        size += len(data)
        if size > descriptor.size:
            break
        if last:
            yield last
        hasher.update(data)
        last = data
    if size != descriptor.size:
        told = "at least " if size > descriptor.size else ""
        raise CorruptError(
            f"{what} has {told}{size} bytes, its descriptor says {descriptor.size}", fix=fix
        )
    found = Digest(descriptor.digest.algorithm, hasher.hexdigest())
    if found != descriptor.digest:
        raise CorruptError(f"{what} is not what its digest says: it is {found}", fix=fix)
    yield last


def copy_blob(
    content: Content, descriptor: Descriptor, target: Path, *, what: str, fix: str
) -> None:
    """Copies a blob to the file `target` and checks it against its descriptor.

    Args:
        content: has the blob.
        descriptor: of the blob.
        target: in a directory that exists; gone again when the blob is not what it should be.
        what: the blob, in errors.
        fix: what to do when it is damaged.

    Raises NotFoundError, CorruptError (wrong size or digest) or OSError.
    """
    with content.open(descriptor) as source, target.open("wb") as file:
        try:
            file.writelines(checked(source, descriptor, what=what, fix=fix))
        except CorruptError:
            target.unlink(missing_ok=True)
            raise


def children(media_type: str, data: bytes, *, what: str) -> list[Descriptor]:
    """The descriptors an index or manifest points at, in the document's order.

    A config or layer has none. Raises CorruptError for a malformed document, including one
    that has both `manifests` and `layers` (CVE-2021-41190).
    """
    if media_type not in media_types.INDEX_TYPES | media_types.MANIFEST_TYPES:
        return []
    value = document.loads_object(data, what=what)
    if "manifests" in value and ("layers" in value or "config" in value):
        raise CorruptError(f"{what} claims to be an index and a manifest at once")
    stated = value.get("mediaType", media_type)
    if stated != media_type:
        raise CorruptError(f"{what} is described as {media_type} but says {stated}")
    if media_type in media_types.INDEX_TYPES:
        items = value.get("manifests")
        if not isinstance(items, list):
            raise CorruptError(f"{what} has no list of manifests")
        return [Descriptor.from_json(item, what=f"{what}, a manifest") for item in items]
    layers = value.get("layers")
    if not isinstance(layers, list):
        raise CorruptError(f"{what} has no list of layers")
    config = Descriptor.from_json(value.get("config"), what=f"{what}, config")
    return [config, *(Descriptor.from_json(item, what=f"{what}, a layer") for item in layers)]


def walk(content: Content, root: Descriptor) -> Iterator[tuple[Descriptor, bytes | None]]:
    """Yields everything below `root`, each digest once, children before parents.

    Manifests and indexes come with their bytes, already verified; blobs come with None. This is
    the order in which content has to be written for a reader never to find a dangling pointer.
    """
    seen: set[Digest] = set()

    def visit(descriptor: Descriptor, depth: int) -> Iterator[tuple[Descriptor, bytes | None]]:
        if descriptor.digest in seen:
            return
        seen.add(descriptor.digest)
        if descriptor.media_type in media_types.INDEX_TYPES | media_types.MANIFEST_TYPES:
            if depth > 8:
                raise CorruptError(f"{root.digest} nests indexes deeper than 8 levels")
            data = read_document(content, descriptor)
            for child in children(descriptor.media_type, data, what=str(descriptor.digest)):
                yield from visit(child, depth + 1)
            yield descriptor, data
        else:
            yield descriptor, None

    return visit(root, 0)
