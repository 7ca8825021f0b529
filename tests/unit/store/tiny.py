"""Real images of a few hundred bytes, as content in memory, for tests."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from lading.errors import NotFoundError
from lading.oci import document, media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform

__all__ = ["AMD64", "Layer", "MemoryContent", "image", "index", "layer"]

AMD64 = Platform("linux", "amd64")


class MemoryContent:
    """Content in a dictionary."""

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}

    def add(self, media_type: str, data: bytes) -> Descriptor:
        descriptor = Descriptor.of(media_type, data)
        self.blobs[descriptor.digest] = data
        return descriptor

    def open(self, descriptor: Descriptor) -> BinaryIO:
        if descriptor.digest not in self.blobs:
            raise NotFoundError(f"{descriptor.digest} is not in memory")
        return io.BytesIO(self.blobs[descriptor.digest])

    def path(self, descriptor: Descriptor) -> Path | None:
        return None


@dataclass(frozen=True)
class Layer:
    media_type: str
    blob: bytes
    diff_id: Digest
    files: Mapping[str, bytes] = field(default_factory=dict)


def layer(files: Mapping[str, bytes], compression: str = "gzip") -> Layer:
    """A layer of plain files with the mode 0755."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
    raw = out.getvalue()
    if compression == "gzip":
        return Layer(media_types.LAYER_GZIP, gzip.compress(raw, mtime=0), Digest.of(raw), files)
    if compression == "zstd":
        import zstandard

        return Layer(media_types.LAYER_ZSTD, zstandard.compress(raw), Digest.of(raw), files)
    return Layer(media_types.LAYER, raw, Digest.of(raw), files)


def image(
    content: MemoryContent,
    layers: Sequence[Layer],
    platform: Platform = AMD64,
    config: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Descriptor:
    """An image with `layers`; `changes` replace fields of its configuration document."""
    document_of_config = {
        **platform.to_json(),
        "config": dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": [str(item.diff_id) for item in layers]},
        "history": [{"created_by": f"layer {number}"} for number, _ in enumerate(layers)],
        **changes,
    }
    described = [content.add(item.media_type, item.blob).to_json() for item in layers]
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_types.MANIFEST,
        "config": content.add(media_types.CONFIG, document.dumps(document_of_config)).to_json(),
        "layers": described,
    }
    return content.add(media_types.MANIFEST, document.dumps(manifest))


def index(content: MemoryContent, manifests: Sequence[Descriptor]) -> Descriptor:
    """An index of `manifests`."""
    value = {
        "schemaVersion": 2,
        "mediaType": media_types.INDEX,
        "manifests": [item.to_json() for item in manifests],
    }
    return content.add(media_types.INDEX, document.dumps(value))
