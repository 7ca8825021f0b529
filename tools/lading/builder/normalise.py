"""What a builder made, written again so that it depends on nothing but its content.

Layers of a base stay the blobs that they are. Every other layer is packed anew by the code that
packs all of lading's layers: sorted, whiteouts first, times at the epoch, no names of owners, one
pinned compressor. Of the config, what tells of the builder and its clock goes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lading.errors import NotFoundError, cannot_write
from lading.layer.archive import Scratch, read_archive
from lading.layer.compress import Compression
from lading.layer.entries import FILE, Entry, Meta, apply
from lading.layer.frames import Cutter
from lading.layer.lay import lay
from lading.layer.outputs import Output
from lading.layer.paths import WHITEOUT
from lading.layer.plan import Plan
from lading.layer.reading import open_file
from lading.layer.spool import Spool
from lading.layer.writer import Blob, write_blob
from lading.oci import document, layout, media_types
from lading.oci import manifest as manifests
from lading.oci.content import Content, copy_blob
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.store import image as images
from lading.store.image import Image
from lading.store.layout_directory import Layout

__all__ = ["Result", "image", "layer", "order", "whiteout"]

_WHITEOUT = Meta(0)
#: The time of all that a builder made, which is that of SOURCE_DATE_EPOCH=0.
_EPOCH = "1970-01-01T00:00:00Z"
#: Fields of a config that describe the build and not the image.
_NOISE = frozenset({"container", "container_config", "docker_version", "id", "parent"})


@dataclass(frozen=True, slots=True)
class Result:
    """The documents of the image; its layers are in the layout that was written."""

    manifest: bytes
    config: bytes
    descriptor: Mapping[str, Any]
    digest: Digest
    platform: Platform


@dataclass(frozen=True, slots=True)
class _Base:
    image: Image
    content: Content


def image(
    content: Content,
    found: Image,
    bases: Sequence[Path],
    output: Path,
    *,
    what: str,
    compression: Compression | None = None,
) -> Result:
    """Writes the layers of an image to `output`/blobs and returns its new documents.

    Args:
        content: where the built image's bytes are.
        found: the built image.
        bases: OCI layouts that it may have been built from.
        output: a directory, made when it does not exist.
        what: names the image in errors.
        compression: of new layers; gzip when left out.

    Raises:
        CorruptError: the image is not what it says, or has a layer that cannot be read.
        NotFoundError: a base has a layer that is not here.
        StorageError: no space left.
    """
    compression = compression or Compression("gzip")
    lent = _bases(bases, found)
    known = {
        diff_id: (descriptor, base.content)
        for base in lent
        for descriptor, diff_id in zip(base.image.layers, base.image.diff_ids, strict=True)
    }
    descriptors: list[Descriptor] = []
    diff_ids: list[str] = []
    try:
        (output / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        for descriptor, diff_id in zip(found.layers, found.diff_ids, strict=True):
            if diff_id in known:
                base_layer, source = known[diff_id]
                _copy(source, base_layer, output / layout.blob_name(base_layer.digest), what)
                descriptors.append(base_layer)
                diff_ids.append(str(diff_id))
                continue
            blob = layer(content, descriptor, output, compression, what=what)
            digest = Digest.parse(blob.digest)
            descriptors.append(Descriptor(compression.media_type, digest, blob.size))
            diff_ids.append(blob.diff_id)
    except OSError as error:
        raise cannot_write(what, error) from None
    history = max((len(_history(base.image)) for base in lent if _below(base, found)), default=0)
    config = _config(found, diff_ids, history)
    manifest = manifests.assemble(
        config=Descriptor.of(media_types.CONFIG, config).to_json(),
        layers=[_plain(descriptor) for descriptor in descriptors],
        annotations={},
        artifact_type="",
        subject=None,
        what=what,
    )
    root = Descriptor.of(media_types.MANIFEST, manifest)
    described = root.to_json() | {"platform": found.platform.to_json()}
    return Result(manifest, config, described, root.digest, found.platform)


def layer(
    content: Content,
    descriptor: Descriptor,
    output: Path,
    compression: Compression,
    *,
    what: str,
    change: Callable[[list[Entry]], list[Entry]] = lambda entries: entries,
) -> Blob:
    """Packs one layer anew, into the blobs of `output`, and says what it became.

    Args:
        content: where its bytes are; they are checked.
        descriptor: the layer as it was built.
        output: a layout's directory.
        compression: how it is compressed.
        what: names the image in errors.
        change: what becomes of its entries.

    Raises CorruptError, InputError or StorageError.
    """
    directory = output / "blobs" / "sha256"
    name = directory / f".{os.urandom(8).hex()}"
    _copy(content, descriptor, name, what)
    try:
        with Spool(str(directory)) as spool:
            fd, size = open_file(str(name))
            spool.adopt(fd)
            scratch = Scratch(spool.scratch())
            entries = read_archive(
                fd, 0, size, scratch, what=f"a layer of {what}", keep_names=False
            )
            plan = Plan()
            for entry in change(entries):
                if _is_whiteout(entry.path):
                    entry = whiteout(entry.path)  # drivers give theirs different modes
                apply(entry, {"mtime": 0})
                plan.add(entry)
            packed = directory / f"{name.name}.packed"
            cutter = Cutter(compression.target)
            with Output(str(packed)) as file:
                blob = write_blob(
                    file.fd,
                    lambda take: lay(order(plan.ordered()), cutter, take),
                    compression,
                    cutter.capacity,
                )
    finally:
        name.unlink(missing_ok=True)
    packed.replace(directory / blob.digest.partition(":")[2])
    return blob


def _is_whiteout(path: str) -> bool:
    """Whether an entry hides something of the layers below."""
    return path.rpartition("/")[2].startswith(WHITEOUT)


def whiteout(path: str) -> Entry:
    """The whiteout at `path`: an empty file of which only the name counts."""
    return Entry(path, FILE, _WHITEOUT, b"", size=0)


def order(entries: list[Entry]) -> list[Entry]:
    """Parents before children, and in each directory whiteouts before what is new.

    image-spec 1.1, layer.md, "Whiteouts": they hide what lower layers have, never a sibling of
    their own layer; a reader that goes by the order alone must see the same.
    """
    return sorted(
        entries,
        key=lambda entry: [
            (not part.startswith(WHITEOUT), part.encode("utf-8", "surrogateescape"))
            for part in entry.path.split("/")
            if part
        ],
    )


def _bases(layouts: Sequence[Path], found: Image) -> list[_Base]:
    result = []
    for directory in layouts:
        content = Layout(directory, follow_links=True)
        for root in {item.digest: item for item in content.index().manifests}.values():
            try:
                result.append(_Base(images.read(content, root, found.platform), content))
            except NotFoundError:
                continue  # of a base for several platforms, only this one was used
    return result


def _below(base: _Base, found: Image) -> bool:
    depth = len(base.image.diff_ids)
    return found.diff_ids[:depth] == base.image.diff_ids


def _history(found: Image) -> list[dict[str, Any]]:
    value = document.loads_object(found.config_bytes, what=f"the config {found.config.digest}")
    history = value.get("history")
    return [item for item in history or () if isinstance(item, dict)]


def _config(found: Image, diff_ids: list[str], kept: int) -> bytes:
    """The config: the history that the base brought stays, what the builder added is dated."""
    value = document.loads_object(found.config_bytes, what=f"the config {found.config.digest}")
    value = {
        key: item
        for key, item in value.items()
        if key not in _NOISE and not key.startswith("moby.")
    }
    history = _history(found)
    for entry in history[kept:]:
        entry["created"] = _EPOCH
        if str(entry.get("comment", "")).startswith("FROM "):
            del entry["comment"]  # buildah: a path in a temporary directory
    filled = sum(not entry.get("empty_layer") for entry in history)
    value["created"] = _EPOCH
    value["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
    value.pop("history", None)
    if history and filled == len(diff_ids):
        value["history"] = history
    return document.dumps(dict(sorted(value.items())))


def _plain(descriptor: Descriptor) -> dict[str, Any]:
    """A layer's descriptor, with an OCI media type whatever its base was pulled with."""
    value = descriptor.to_json()
    value["mediaType"] = media_types.promote(descriptor.media_type)
    return value


def _copy(content: Content, descriptor: Descriptor, target: Path, what: str) -> None:
    layer = f"{what}: the layer {descriptor.digest}"
    copy_blob(content, descriptor, target, what=layer, fix="build again")
