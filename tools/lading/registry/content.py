"""A registry's repository as a place that content comes from."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

from lading.errors import NotFoundError
from lading.oci import media_types
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.registry import blobs, manifests
from lading.registry.session import Repository

__all__ = ["Layered", "RegistryContent"]

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


class Layered:
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
