"""Rules of image manifests (image-spec 1.1, manifest.md)."""

from __future__ import annotations

from dataclasses import dataclass

from lading.oci import media_types
from lading.oci.descriptor import Descriptor
from lading.oci.verify_descriptor import check_descriptor
from lading.oci.verify_index import check_body_type, check_schema_version
from lading.oci.verify_json import check_annotations, parse_object, show
from lading.oci.verify_rules import Findings

__all__ = ["LAYER_COMPRESSION", "CheckedManifest", "check_manifest", "may_be_elsewhere"]

#: Layers that may be kept from registries (layer.md, "Non-Distributable Layers").
_FOREIGN = {
    "application/vnd.oci.image.layer.nondistributable.v1.tar": "none",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": "gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": "zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar": "none",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": "gzip",
}
#: How a layer of each media type that runtimes know is compressed.
LAYER_COMPRESSION = {
    media_types.LAYER: "none",
    media_types.LAYER_GZIP: "gzip",
    media_types.LAYER_ZSTD: "zstd",
    media_types.DOCKER_LAYER: "none",
    media_types.DOCKER_LAYER_GZIP: "gzip",
    media_types.DOCKER_LAYER_ZSTD: "zstd",
    **_FOREIGN,
}
_CONFIG_TYPES = frozenset({media_types.CONFIG, media_types.DOCKER_CONFIG})


@dataclass(frozen=True, slots=True)
class CheckedManifest:
    """What a manifest refers to, as far as it can be followed.

    `is_image` tells a container image, whose config and layers have rules, from an artifact.
    """

    config: Descriptor | None
    layers: tuple[Descriptor | None, ...]
    is_image: bool

    @property
    def has_nothing_to_run(self) -> bool:
        """Whether there are layers, and none of a type that runtimes know."""
        types = {item.media_type for item in self.layers if item is not None}
        return bool(types) and types.isdisjoint(LAYER_COMPRESSION)


def may_be_elsewhere(layer: Descriptor) -> bool:
    """Whether a layer need not be where its image is."""
    return layer.media_type in _FOREIGN and bool(layer.extra.get("urls"))


def check_manifest(
    data: bytes, described: str, *, subject: str, found: Findings
) -> CheckedManifest | None:
    """Reads a manifest described with the media type `described`, noting its faults."""
    value = parse_object(data, subject=subject, found=found)
    if value is None:
        return None
    check_schema_version(value, subject=subject, found=found)
    check_body_type(value, described, subject=subject, found=found)
    check_annotations(value.get("annotations"), subject=subject, at="", found=found)
    if value.get("subject") is not None:
        check_descriptor(value["subject"], subject=subject, at="/subject", found=found)
    config = None
    if value.get("config") is None:
        found.add("manifest-config", subject, "there is no config", at="/config")
    else:
        config = check_descriptor(value["config"], subject=subject, at="/config", found=found)
    is_image = config is not None and config.media_type in _CONFIG_TYPES
    empty = config is not None and config.media_type == media_types.EMPTY
    if empty and not value.get("artifactType"):
        found.add(
            "descriptor-artifact-type",
            subject,
            "a manifest with an empty config needs an artifactType",
            at="/artifactType",
        )
    items = value.get("layers")
    if not isinstance(items, list):
        found.add("manifest-layers", subject, f"layers is {show(items)}", at="/layers")
        return CheckedManifest(config, (), False)
    layers = tuple(
        check_descriptor(item, subject=subject, at=f"/layers/{number}", found=found)
        for number, item in enumerate(items)
    )
    if is_image and not layers:
        found.add("manifest-no-layers", subject, "it has no layers", at="/layers")
    return CheckedManifest(config, layers, is_image)
