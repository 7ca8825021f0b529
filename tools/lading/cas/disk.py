"""Bazel's disk cache (`--disk_cache`): blobs in files named after their digest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from lading.errors import NotFoundError
from lading.oci.descriptor import Descriptor

__all__ = ["DiskCache"]


class DiskCache:
    """Reads from the directory of a disk cache; nothing is written to it.

    Files are handed out as streams only: whoever reads them checks the digest, which Bazel does
    not do for a file that is in the cache.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Raises NotFoundError if it is not there, or has another size."""
        digest = descriptor.digest
        where = self.directory / "cas"
        if digest.algorithm != "sha256":
            where = self.directory / digest.algorithm / "cas"
        path = where / digest.hex[:2] / digest.hex
        try:
            stream = path.open("rb")
        except OSError as error:
            raise NotFoundError(
                f"{path}, the content of {digest}, cannot be read: {error.strerror}"
            ) from None
        if os.fstat(stream.fileno()).st_size != descriptor.size:
            stream.close()
            raise NotFoundError(f"{path} does not have the {descriptor.size} bytes of {digest}")
        return stream

    def path(self, descriptor: Descriptor) -> Path | None:
        """None: see the class."""
        return None
