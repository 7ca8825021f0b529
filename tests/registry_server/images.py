"""Small images, made in memory: the same arguments give the same bytes."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from lading.errors import NotFoundError
from lading.oci import document, media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform

__all__ = ["Image", "MemoryContent", "index", "manifest"]


@dataclass
class MemoryContent:
    """Content in memory. With a directory, blobs are files, as Bazel's outputs are."""

    blobs: dict[Digest, bytes] = field(default_factory=dict)
    directory: Path | None = None

    def open(self, descriptor: Descriptor) -> BinaryIO:
        if descriptor.digest not in self.blobs:
            raise NotFoundError(f"the content of {descriptor.digest} is not in memory")
        return io.BytesIO(self.blobs[descriptor.digest])

    def path(self, descriptor: Descriptor) -> Path | None:
        if self.directory is None or descriptor.digest not in self.blobs:
            return None
        path = self.directory / descriptor.digest.hex
        if not path.exists():
            path.write_bytes(self.blobs[descriptor.digest])
        return path

    def add(self, media_type: str, data: bytes) -> Descriptor:
        descriptor = Descriptor.of(media_type, data)
        self.blobs[descriptor.digest] = data
        return descriptor


@dataclass
class Image:
    root: Descriptor
    content: MemoryContent

    @property
    def data(self) -> bytes:
        return self.content.blobs[self.root.digest]


def manifest(
    *sizes: int,
    seed: str = "",
    platform: str = "linux/amd64",
    subject: Descriptor | None = None,
    artifact_type: str = "",
    directory: Path | None = None,
) -> Image:
    """An image with a layer of each of `sizes` bytes; a layer depends on size and place only.

    `seed` changes the config, so that images with the same layers differ.
    """
    content = MemoryContent(directory=directory)
    layers = [
        content.add(media_types.LAYER_GZIP, random.Random(f"{size} {place}").randbytes(size))
        for place, size in enumerate(sizes)
    ]
    os, architecture = platform.split("/")[:2]
    config = content.add(
        media_types.CONFIG,
        document.dumps(
            {
                "architecture": architecture,
                "os": os,
                "author": seed,
                "rootfs": {
                    "type": "layers",
                    "diff_ids": [str(layer.digest) for layer in layers],
                },
            }
        ),
    )
    value: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_types.MANIFEST,
        "config": config.to_json(),
        "layers": [layer.to_json() for layer in layers],
    }
    if artifact_type:
        value["artifactType"] = artifact_type
    if subject is not None:
        value["subject"] = subject.to_json()
    root = content.add(media_types.MANIFEST, document.dumps(value))
    described = Descriptor(
        root.media_type, root.digest, root.size, platform=Platform.parse(platform)
    )
    return Image(described, content)


def index(images: Sequence[Image]) -> Image:
    """An index of `images`."""
    content = MemoryContent(directory=images[0].content.directory if images else None)
    for image in images:
        content.blobs |= image.content.blobs
    value = {
        "schemaVersion": 2,
        "mediaType": media_types.INDEX,
        "manifests": [image.root.to_json() for image in images],
    }
    return Image(content.add(media_types.INDEX, document.dumps(value)), content)
