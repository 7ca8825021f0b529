"""Fetching an image's documents, and its layers when asked for, into a directory.

A build on a base needs the base's manifest and config and no layer: these are fetched where the
image is pushed or loaded, if the receiver does not have them already.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from lading.errors import CorruptError, LadingError, LimitError, StorageError, cannot_write
from lading.oci import document, media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.registry import blobs, manifests
from lading.registry.repository import Repository
from lading.registry.threads import Threads

__all__ = ["Manifest", "Pulled", "fetch_blob", "pull", "resolve"]

_CHUNK = 1024 * 1024
_THREADS = 4
_MAX_MANIFESTS = 256
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image of what was pulled: its descriptor, those of config and layers, diff_ids.

    `platform` is that of the descriptor, or the config's own. `diff_ids` is empty for what is no
    image.
    """

    descriptor: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]
    diff_ids: tuple[str, ...]
    platform: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pulled:
    """What was pulled: the root, and every image below it in the index's order."""

    root: Descriptor
    manifests: tuple[Manifest, ...]


def resolve(repositories: Sequence[Repository], tag: str) -> Digest:
    """The digest that `tag` names at the first repository that answers; raises LadingError."""
    descriptor, _ = _first(repositories, lambda repository: manifests.get(repository, tag))
    return descriptor.digest


def pull(
    repositories: Sequence[Repository], digest: Digest, directory: Path, *, layers: bool
) -> Pulled:
    """Fetches the image `digest` into `directory`, one file per blob, named by its hex.

    Args:
        repositories: places to ask, in order: a mirror that fails is passed over.
        digest: of a manifest or index.
        directory: exists; a file is there complete or not at all.
        layers: whether to fetch layers too.

    Raises:
        LadingError: no repository has it, or it is damaged.
    """
    root, data = _first(repositories, lambda repository: manifests.get(repository, digest))
    _keep(directory, digest, data)
    is_index = root.media_type in media_types.INDEX_TYPES
    listed = _children(data, digest) if is_index else [root]

    def one(descriptor: Descriptor) -> Manifest:
        return _manifest(repositories, descriptor, directory)

    with Threads(_THREADS) as threads:
        found = tuple(threads.each(one, listed))
        if layers:
            wanted = {layer.digest: layer for image in found for layer in image.layers}
            threads.each(lambda item: _fetch(repositories, item, directory), wanted.values())
    return Pulled(root, found)


def fetch_blob(repositories: Sequence[Repository], descriptor: Descriptor, target: Path) -> None:
    """Fetches one blob to `target`, verified; raises LadingError."""

    def fetch(repository: Repository) -> None:
        reader = blobs.BlobReader(repository, descriptor)
        try:
            with _new(target) as file:
                while chunk := reader.read(_CHUNK):
                    file.write(chunk)
        finally:
            reader.close()

    _first(repositories, fetch)


def _children(data: bytes, digest: Digest) -> list[Descriptor]:
    value = document.loads_object(data, what=f"the index {digest}")
    items = value.get("manifests")
    if not isinstance(items, list) or "layers" in value or "config" in value:
        raise CorruptError(f"the index {digest} has no list of manifests, or claims to be both")
    if len(items) > _MAX_MANIFESTS:
        raise LimitError(
            f"the index {digest} lists {len(items)} images, more than {_MAX_MANIFESTS}"
        )
    found = [Descriptor.from_json(item, what=f"the index {digest}") for item in items]
    for item in found:
        if item.media_type not in media_types.MANIFEST_TYPES:
            raise CorruptError(
                f"the index {digest} lists a {item.media_type:.80}",
                fix="pull the image of one platform by its own digest",
            )
    return list({item.digest: item for item in found}.values())


def _manifest(
    repositories: Sequence[Repository], descriptor: Descriptor, directory: Path
) -> Manifest:
    what = f"the manifest {descriptor.digest}"
    path = directory / descriptor.digest.hex
    if not path.exists():
        found, data = _first(
            repositories, lambda repository: manifests.get(repository, descriptor.digest)
        )
        if (found.media_type, found.size) != (descriptor.media_type, descriptor.size):
            raise CorruptError(
                f"{what} is {found.size} bytes of {found.media_type}, its index describes"
                f" {descriptor.size} bytes of {descriptor.media_type:.120}"
            )
        _keep(directory, descriptor.digest, data)
    value = document.loads_object(path.read_bytes(), what=what)
    items = value.get("layers")
    if not isinstance(items, list) or "manifests" in value:
        raise CorruptError(f"{what} has no list of layers")
    config = Descriptor.from_json(value.get("config"), what=f"{what}, config")
    layers = tuple(Descriptor.from_json(item, what=f"{what}, layers") for item in items)
    if config.size > document.MAX_DOCUMENT_BYTES:
        raise LimitError(f"the config of {what} has {config.size} bytes")
    _fetch(repositories, config, directory)
    own: dict[str, Any] = {}
    if media_types.promote(config.media_type) == media_types.CONFIG:
        data = (directory / config.digest.hex).read_bytes()
        own = document.loads_object(data, what=f"the config of {what}")
    stated = descriptor.platform or Platform.from_json(own, what=f"the config of {what}")
    if descriptor.is_artifact:
        # What belongs to an image is no image for its platform, whatever the index says.
        stated = Platform("unknown", "unknown")
    platform = {
        "os": stated.os,
        "architecture": stated.architecture,
        "variant": stated.variant,
    }
    diff_ids = _diff_ids(own, what)
    if diff_ids and len(diff_ids) != len(layers):
        raise CorruptError(f"{what} has {len(layers)} layers, its config {len(diff_ids)} diff_ids")
    return Manifest(descriptor, config, layers, diff_ids, platform)


def _diff_ids(config: dict[str, Any], what: str) -> tuple[str, ...]:
    rootfs = config.get("rootfs")
    listed = (rootfs.get("diff_ids") if isinstance(rootfs, dict) else None) or []
    if not isinstance(listed, list):
        raise CorruptError(f"the config of {what} has no list of diff_ids")
    named = f"the config of {what}, diff_ids"
    return tuple(str(Digest.from_json(item, what=named)) for item in listed)


def _fetch(repositories: Sequence[Repository], descriptor: Descriptor, directory: Path) -> None:
    target = directory / descriptor.digest.hex
    if not target.exists():
        fetch_blob(repositories, descriptor, target)


def _first(repositories: Sequence[Repository], ask: Callable[[Repository], _T]) -> _T:
    """The first answer; where there is none, the last failure, with the others in its fix."""
    failures: list[LadingError] = []
    for repository in repositories:
        try:
            return ask(repository)
        except StorageError:
            raise
        except LadingError as error:
            failures.append(error)
    last = failures[-1]
    if len(failures) > 1:
        last.fix = "; ".join([*(f"mirror: {error.what}" for error in failures[:-1]), last.fix])
    raise last


def _keep(directory: Path, digest: Digest, data: bytes) -> None:
    with _new(directory / digest.hex) as file:
        file.write(data)


@contextlib.contextmanager
def _new(target: Path) -> Iterator[BinaryIO]:
    """A file that is there complete, or not at all; raises StorageError."""
    name = ""
    try:
        number, name = tempfile.mkstemp(dir=target.parent, prefix=".pull-")
        with os.fdopen(number, "wb") as file:
            yield file
            os.fchmod(number, 0o644)
        os.replace(name, target)
    except BaseException as error:
        if name:
            Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise cannot_write(target, error) from None
        raise
