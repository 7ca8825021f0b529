"""A registry's repository as a place that content comes from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, cast

from lading.oci import media_types
from lading.oci.descriptor import Descriptor
from lading.registry import blobs, manifests
from lading.registry.repository import Repository

__all__ = ["RegistryContent"]

_DOCUMENTS = media_types.INDEX_TYPES | media_types.MANIFEST_TYPES


class RegistryContent:
    """Reads from a repository; what is read to its end is verified."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Starts a download. The descriptor's `urls` are never followed."""
        if descriptor.media_type in _DOCUMENTS:
            return io.BytesIO(manifests.get(self.repository, descriptor.digest)[1])
        reader = blobs.BlobReader(self.repository, descriptor)
        reader.start()
        return cast("BinaryIO", reader)

    def path(self, descriptor: Descriptor) -> Path | None:
        """There is no file."""
        return None
