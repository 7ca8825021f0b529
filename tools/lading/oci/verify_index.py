"""Rules of image indexes and of the files of a layout (image-index.md, image-layout.md)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lading.oci import media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.layout import REF_NAME
from lading.oci.platform import Platform
from lading.oci.verify_descriptor import check_descriptor, is_media_type
from lading.oci.verify_json import check_annotations, parse_object, show
from lading.oci.verify_rules import Findings

__all__ = [
    "check_body_type",
    "check_index",
    "check_layout_marker",
    "check_ref_names",
    "check_schema_version",
]

_ALNUM = r"[A-Za-z0-9]+"
#: Marks an image that is there for readers of zstd, besides the same with gzip (containers/image).
_ZSTD = "io.github.containers.compression.zstd"
_COMPONENT = rf"{_ALNUM}(?:(?:[-._:@+]|--){_ALNUM})*"
# The specification's grammar, and any tag: tools write the tags they are given.
_REF_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*|[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}")


def check_layout_marker(data: bytes, *, subject: str, found: Findings) -> None:
    """Notes an `oci-layout` file that is not version 1.0.0."""
    value = parse_object(data, subject=subject, found=found)
    if value is not None and value.get("imageLayoutVersion") != "1.0.0":
        version = show(value.get("imageLayoutVersion"))
        found.add("layout-marker", subject, f"the imageLayoutVersion is {version}, not 1.0.0")


def check_schema_version(value: dict[str, object], *, subject: str, found: Findings) -> None:
    """Notes a `schemaVersion` other than the number 2."""
    version = value.get("schemaVersion")
    if type(version) is not int or version != 2:
        found.add("schema-version", subject, f"it is {show(version)}", at="/schemaVersion")


def check_body_type(
    value: dict[str, object], described: str, *, subject: str, found: Findings
) -> None:
    """Notes a body that denies the media type it is described with, or claims to be two things."""
    stated = value.get("mediaType")
    if stated is not None and stated != described:
        found.add(
            "document-media-type",
            subject,
            f"described as {show(described)}, says {show(stated)}",
            at="/mediaType",
        )
    if "manifests" in value and ("layers" in value or "config" in value):
        found.add("document-ambiguous", subject, "it has manifests, and layers or config")
    artifact_type = value.get("artifactType")
    if artifact_type not in (None, "") and not is_media_type(artifact_type):
        found.add(
            "descriptor-artifact-type",
            subject,
            f"{show(artifact_type)} is not a media type",
            at="/artifactType",
        )


def check_index(
    data: bytes, described: str, *, subject: str, found: Findings, root: bool = False
) -> list[Descriptor]:
    """The manifests of an index that can be followed, after noting its faults.

    Args:
        data: the document.
        described: the media type of the descriptor that led here.
        subject: how findings name the document.
        found: where they go.
        root: the document is a layout's `index.json`: its manifests are a list of names, not
            the platforms of one image, and need none.
    """
    value = parse_object(data, subject=subject, found=found)
    if value is None:
        return []
    check_schema_version(value, subject=subject, found=found)
    check_body_type(value, described, subject=subject, found=found)
    check_annotations(value.get("annotations"), subject=subject, at="", found=found)
    if value.get("subject") is not None:
        check_descriptor(value["subject"], subject=subject, at="/subject", found=found)
    items = value.get("manifests")
    if not isinstance(items, list):
        found.add("index-manifests", subject, f"manifests is {show(items)}", at="/manifests")
        return []
    result = []
    for number, item in enumerate(items):
        at = f"/manifests/{number}"
        descriptor = check_descriptor(item, subject=subject, at=at, found=found)
        if descriptor is not None:
            result.append(descriptor)
    if not root:
        _check_platforms(result, subject=subject, found=found)
    return result


def _check_platforms(manifests: Sequence[Descriptor], *, subject: str, found: Findings) -> None:
    images = [item for item in manifests if item.media_type in media_types.MANIFEST_TYPES]
    seen: dict[tuple[Platform, str], Digest] = {}
    for item in images:
        platform = item.platform
        if platform is None:
            # One artifact or image alone needs no platform to be found.
            if len(images) > 1 and not item.artifact_type:
                found.add("platform-missing", subject, f"{item.digest} has no platform")
        elif platform.os != "unknown" and not item.is_artifact:
            variant = platform, item.annotations.get(_ZSTD, "")
            first = seen.setdefault(variant, item.digest)
            if first != item.digest:
                found.add(
                    "platform-duplicate", subject, f"{first} and {item.digest} are for {platform}"
                )


def check_ref_names(manifests: Sequence[Descriptor], *, subject: str, found: Findings) -> None:
    """Notes tags of a layout's `index.json` that are malformed or that name two contents."""
    seen: dict[tuple[str, Platform | None], Digest] = {}
    for item in manifests:
        name = item.annotations.get(REF_NAME)
        if name is None:
            continue
        if not _REF_NAME.fullmatch(name):
            found.add("layout-ref-name", subject, f"{show(name)} is not a reference name")
        first = seen.setdefault((name, item.platform), item.digest)
        if first != item.digest:
            found.add("layout-ref-name", subject, f"{show(name)} names {first} and {item.digest}")
