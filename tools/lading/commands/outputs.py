"""Outputs of a build that are no runfiles: there when Bazel made them here, checked before use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from lading.errors import NotFoundError
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest

__all__ = ["Outputs"]


class Outputs:
    """Content in files of `bazel-out`, which may be missing, or left from an earlier build.

    Nothing makes Bazel keep such a file in step with the target that names it, so it counts only
    if its bytes are those of its digest.
    """

    def __init__(self, files: Mapping[Digest, Path]) -> None:
        self._files = dict(files)
        self._checked: dict[Digest, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._files)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Raises NotFoundError if it is not there, or not what it was."""
        path = self.path(descriptor)
        if path is None:
            raise NotFoundError(f"{descriptor.digest} is not among Bazel's outputs")
        return path.open("rb")

    def path(self, descriptor: Descriptor) -> Path | None:
        """The file, if it has the right content; read once to find out."""
        digest = descriptor.digest
        path = self._files.get(digest)
        if path is None:
            return None
        # Two threads may both read a file; neither waits while the other reads another one.
        if digest not in self._checked:
            self._checked[digest] = _matches(path, descriptor)
        return path if self._checked[digest] else None


def _matches(path: Path, descriptor: Descriptor) -> bool:
    try:
        if path.stat().st_size != descriptor.size:
            return False
        with path.open("rb") as file:
            found = hashlib.file_digest(file, descriptor.digest.algorithm)
    except OSError:
        return False
    return found.hexdigest() == descriptor.digest.hex
