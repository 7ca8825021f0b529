"""Image manifests (image-spec 1.1, manifest.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lading.errors import InputError, LimitError
from lading.oci import document, media_types
from lading.oci.parts import describe

__all__ = ["EMPTY_DESCRIPTOR", "MAX_LAYERS", "assemble", "check_annotations", "descriptor"]

#: Most layers an image may have. overlayfs mounts at most 128 directories, one of them the
#: container's own.
MAX_LAYERS = 127

#: The empty JSON object with its content inline (manifest.md, "Guidance for an Empty Descriptor").
EMPTY_DESCRIPTOR = describe(media_types.EMPTY, b"{}") | {"data": "e30="}


def check_annotations(annotations: Mapping[str, Any], *, what: str) -> dict[str, str]:
    """Returns the annotations sorted by key; raises InputError for a key that is not valid.

    annotations.md: keys are not empty, values are strings and may be empty.
    """
    for key, value in annotations.items():
        if not key or any(ord(char) < 0x20 for char in key):
            raise InputError(
                f"{what}: {key!r:.80} is not the name of an annotation",
                fix="use a name such as org.opencontainers.image.title",
            )
        if not isinstance(value, str):
            raise InputError(f"{what}[{key!r:.80}] is not a string")
    return dict(sorted(annotations.items()))


def assemble(
    *,
    config: Mapping[str, Any],
    layers: Sequence[Mapping[str, Any]],
    annotations: Mapping[str, str],
    artifact_type: str,
    subject: Mapping[str, Any] | None,
    what: str,
) -> bytes:
    """The bytes of a manifest.

    Args:
        config: descriptor of the config.
        layers: descriptors of all layers, lowest first.
        annotations: as `check_annotations` returns them.
        artifact_type: empty for an image.
        subject: descriptor of the manifest or index that this one refers to.
        what: names the target in an error.

    Raises:
        LimitError: too many layers, or a manifest of more than 4 MiB.
    """
    if len(layers) > MAX_LAYERS:
        raise LimitError(
            f"{what} has {len(layers)} layers with its base's, more than the {MAX_LAYERS} that"
            " container engines can mount",
            fix="put several of its layers into one",
        )
    value: dict[str, Any] = {"schemaVersion": 2, "mediaType": media_types.MANIFEST}
    if artifact_type:
        value["artifactType"] = artifact_type
    value["config"] = dict(config)
    # "layers SHOULD have at least one entry", and registries refuse an artifact without.
    value["layers"] = [dict(layer) for layer in layers] or (
        [EMPTY_DESCRIPTOR] if artifact_type else []
    )
    if subject is not None:
        value["subject"] = {key: subject[key] for key in ("mediaType", "digest", "size")}
    if annotations:
        value["annotations"] = dict(annotations)
    data = document.dumps(value)
    if len(data) > document.MAX_DOCUMENT_BYTES:
        raise LimitError(
            f"the manifest of {what} has {len(data)} bytes, registries accept"
            f" {document.MAX_DOCUMENT_BYTES}",
            fix="shorten its annotations",
        )
    return data


def descriptor(
    manifest: bytes, *, platform: Mapping[str, Any] | None, artifact_type: str
) -> dict[str, Any]:
    """The descriptor of a manifest as an index lists it."""
    value = describe(media_types.MANIFEST, manifest)
    if platform:
        value["platform"] = dict(sorted(platform.items()))
    if artifact_type:
        value["artifactType"] = artifact_type
    return value
