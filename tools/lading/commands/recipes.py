"""Compact layers: no file has their bytes, they are made from their recipe while they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from lading.errors import NotFoundError
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest

__all__ = ["Recipes"]


class Recipes:
    """Content that is made when it is opened; whoever reads it checks its digest.

    Args:
        files: the recipe of each digest.
        root: directory that the paths in recipes are relative to.
    """

    def __init__(self, files: Mapping[Digest, Path], root: Path) -> None:
        self._files = dict(files)
        self._root = root

    def __bool__(self) -> bool:
        return bool(self._files)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Raises NotFoundError if there is no recipe for it."""
        recipe = self._files.get(descriptor.digest)
        if recipe is None:
            raise NotFoundError(f"{descriptor.digest} has no recipe")
        # The compressors are imported by the push that needs them.
        from lading.layer.recipe import open_layer

        return open_layer(recipe, self._root)

    def path(self, descriptor: Descriptor) -> Path | None:
        """There is no file."""
        return None
