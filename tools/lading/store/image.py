"""One image, its documents read and checked: what is needed to archive it or to load it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lading.errors import CorruptError, NotFoundError
from lading.oci import content as contents
from lading.oci import document, media_types
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform

__all__ = ["Image", "choose", "manifests", "read"]

#: Variants that a machine of the first also runs, best first (image-spec 1.1, image-index.md).
_RUNS = {
    ("arm", "v8"): ("v8", "v7", "v6", "v5"),
    ("arm", "v7"): ("v7", "v6", "v5"),
    ("arm", "v6"): ("v6", "v5"),
}
#: What an unstated variant means.
_DEFAULT_VARIANT = {"arm64": "v8", "arm": "v7", "amd64": "v1"}


@dataclass(frozen=True, slots=True)
class Image:
    """An image of one platform: its descriptors and its two documents, all consistent."""

    manifest: Descriptor
    manifest_bytes: bytes
    config: Descriptor
    config_bytes: bytes
    layers: tuple[Descriptor, ...]
    diff_ids: tuple[Digest, ...]
    platform: Platform

    @property
    def size(self) -> int:
        """Bytes of all its layers as they are stored, each layer once."""
        return sum({layer.digest: layer.size for layer in self.layers}.values())


def read(content: Content, root: Descriptor, platform: Platform | None = None) -> Image:
    """Reads the image at `root`, or the one for `platform` when `root` is an index.

    Raises:
        NotFoundError: the image is for another platform, or a document is missing.
        CorruptError: a document is malformed, or contradicts its descriptor.
    """
    manifest = choose(content, root, platform)
    data = contents.read_document(content, manifest)
    parts = contents.children(manifest.media_type, data, what=f"the manifest {manifest.digest}")
    config, layers = parts[0], tuple(parts[1:])
    config_bytes = contents.read_document(content, config)
    what = f"the config {config.digest}"
    value = document.loads_object(config_bytes, what=what)
    found = Platform.from_json(value, what=what)
    if platform is not None and _rank(found, platform) is None:
        raise _no_platform(root, platform, [found])
    rootfs = value.get("rootfs")
    listed = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(listed, list) or len(listed) != len(layers):
        raise CorruptError(
            f"the image {manifest.digest} has {len(layers)} layers, but its config does not list "
            "as many diff_ids"
        )
    diff_ids = tuple(Digest.from_json(item, what=f"{what}, diff_ids") for item in listed)
    return Image(manifest, data, config, config_bytes, layers, diff_ids, found)


def choose(content: Content, root: Descriptor, platform: Platform | None) -> Descriptor:
    """The descriptor of the manifest to use: `root` itself, or the best one of an index.

    With no platform given, an index has to hold exactly one image.

    Raises NotFoundError, listing the platforms there are.
    """
    if root.media_type in media_types.MANIFEST_TYPES:
        return root
    if root.media_type not in media_types.INDEX_TYPES:
        raise CorruptError(f"{root.digest} is no image: its media type is {root.media_type}")
    images = [(_platform_of(content, item), item) for item in manifests(content, root)]
    images = [(found, item) for found, item in images if found.os != "unknown"]
    if platform is None:
        if len(images) == 1:
            return images[0][1]
        raise NotFoundError(
            f"the index {root.digest} holds {len(images)} images: {_list(images)}",
            fix="say which one: --platform=os/architecture",
        )
    ranked = [(_rank(found, platform), place) for place, (found, _) in enumerate(images)]
    best = min(((rank, place) for rank, place in ranked if rank is not None), default=None)
    if best is None:
        raise _no_platform(root, platform, [found for found, _ in images])
    return images[best[1]][1]


def manifests(content: Content, root: Descriptor) -> Iterator[Descriptor]:
    """The manifest at `root`, or those of images in an index and in the indexes in it.

    Raises NotFoundError or CorruptError.
    """
    if root.media_type in media_types.MANIFEST_TYPES:
        yield root
        return
    # The recursion is bounded by read_document: a digest cannot contain itself.
    data = contents.read_document(content, root)
    for item in contents.children(root.media_type, data, what=f"the index {root.digest}"):
        if item.media_type in media_types.INDEX_TYPES:
            yield from manifests(content, item)
        elif item.media_type in media_types.MANIFEST_TYPES and not item.is_artifact:
            yield item


def _platform_of(content: Content, manifest: Descriptor) -> Platform:
    """The platform in the descriptor, else in the config: image-spec makes the former optional."""
    if manifest.platform is not None:
        return manifest.platform
    data = contents.read_document(content, manifest)
    config = contents.children(manifest.media_type, data, what=str(manifest.digest))[0]
    what = f"the config {config.digest}"
    value = document.loads_object(contents.read_document(content, config), what=what)
    return Platform.from_json(value, what=what)


def _rank(found: Platform, wanted: Platform) -> int | None:
    """How far `found` is from what a `wanted` machine likes best; None when it cannot run it."""
    if (found.os, found.architecture) != (wanted.os, wanted.architecture):
        return None
    default = _DEFAULT_VARIANT.get(wanted.architecture, "")
    have, want = found.variant or default, wanted.variant or default
    runs = _RUNS.get((wanted.architecture, want), (want,))
    if wanted.architecture == "amd64" and want[:1] == "v" and want[1:].isdigit():
        runs = tuple(f"v{level}" for level in range(int(want[1:]), 0, -1))
    return runs.index(have) if have in runs else None


def _no_platform(root: Descriptor, platform: Platform, found: list[Platform]) -> NotFoundError:
    have = ", ".join(sorted(str(item) or "no platform" for item in found)) or "no image at all"
    return NotFoundError(
        f"{root.digest} has no image for {platform}: it holds {have}",
        fix=f"build it for {platform}, or choose one that is there: --platform=os/architecture",
    )


def _list(images: list[tuple[Platform, Descriptor]]) -> str:
    return ", ".join(str(found) for found, _ in images) or "none"
