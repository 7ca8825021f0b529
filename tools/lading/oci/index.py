"""Image indexes (image-spec 1.1, image-index.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lading.errors import InputError, LimitError
from lading.oci import document, media_types

__all__ = ["assemble"]

_KNOWN_TYPES = media_types.INDEX_TYPES | media_types.MANIFEST_TYPES
_REFERENCE = ("mediaType", "digest", "size")


def assemble(
    *,
    manifests: Sequence[Mapping[str, Any]],
    artifacts: Sequence[Mapping[str, Any]] = (),
    annotations: Mapping[str, str],
    subject: Mapping[str, Any] | None,
    what: str,
) -> bytes:
    """The bytes of an index that lists `manifests` in their order.

    Args:
        manifests: descriptors, with their platforms.
        artifacts: descriptors of what belongs to these images, listed behind them.
        annotations: of the index itself.
        subject: descriptor of the manifest or index that this one refers to.
        what: names the target in an error.

    Raises:
        InputError: an image without a platform, two for one platform, or no image at all.
        LimitError: an index of more than 4 MiB.
    """
    if not manifests:
        raise InputError(f"{what} lists no image", fix="name at least one in manifests")
    seen: dict[str, str] = {}
    for descriptor in manifests:
        digest = descriptor["digest"]
        if descriptor["mediaType"] not in _KNOWN_TYPES:
            raise InputError(
                f"{what}: {digest} is a {descriptor['mediaType']}, neither manifest nor index"
            )
        platform = _platform(descriptor, what)
        # Engines take the first one that fits: the second would never be used.
        if platform and seen.setdefault(platform, digest) != digest:
            raise InputError(
                f"{what}: {seen[platform]} and {digest} are both for {platform}",
                fix="keep one of them, or build them for different platforms",
            )
    value: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_types.INDEX,
        "manifests": [dict(descriptor) for descriptor in (*manifests, *artifacts)],
    }
    if subject is not None:
        value["subject"] = {key: subject[key] for key in _REFERENCE}
    if annotations:
        value["annotations"] = dict(annotations)
    data = document.dumps(value)
    if len(data) > document.MAX_DOCUMENT_BYTES:
        raise LimitError(
            f"{what} has {len(data)} bytes, registries accept {document.MAX_DOCUMENT_BYTES}",
            fix="list fewer images, or shorten the annotations",
        )
    return data


def _platform(descriptor: Mapping[str, Any], what: str) -> str:
    """Everything an engine chooses by, as one text; empty for an artifact or a nested index."""
    platform = descriptor.get("platform")
    if platform is None:
        if descriptor.get("artifactType") or descriptor["mediaType"] in media_types.INDEX_TYPES:
            return ""
        raise InputError(
            f"{what}: {descriptor['digest']} does not say which platform it is for",
            fix="build it with image_manifest, whose descriptor says so",
        )
    if not isinstance(platform, dict) or not (platform.get("os") and platform.get("architecture")):
        raise InputError(f"{what}: {descriptor['digest']} has the platform {platform!r:.120}")
    words = [platform.get(key) or "" for key in ("os", "architecture", "variant", "os.version")]
    features = platform.get("os.features") or []
    return "/".join(str(word) for word in (*words, *sorted(features)) if word)
