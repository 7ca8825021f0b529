"""What descriptors say of content. What one says, another may deny: each is verified."""

from __future__ import annotations

from typing import NamedTuple

from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.verify.toc import ANNOTATIONS

__all__ = ["Claim", "LayerClaim"]


class Claim(NamedTuple):
    """That some content has this type and size."""

    digest: Digest
    media_type: str
    size: int

    @staticmethod
    def of(descriptor: Descriptor) -> Claim:
        """What `descriptor` says."""
        return Claim(descriptor.digest, descriptor.media_type, descriptor.size)


class LayerClaim(NamedTuple):
    """The same of a layer; which table of contents it has, and how its diff_id is computed."""

    layer: Claim
    toc: tuple[str, ...]
    algorithm: str

    @staticmethod
    def of(layer: Descriptor, diff_id: Digest | None) -> LayerClaim:
        """What the descriptor `layer` and the config say."""
        toc = tuple(layer.annotations.get(key, "") for key in ANNOTATIONS)
        return LayerClaim(Claim.of(layer), toc, diff_id.algorithm if diff_id else "sha256")
