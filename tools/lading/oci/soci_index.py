"""SOCI indexes, version 2: which zTOC belongs to which layer of an image.

An index is a manifest whose layers are zTOCs. The image names it in an annotation, by which
soci-snapshotter finds it in the image's repository (its `docs/index.md`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lading.oci import document, manifest
from lading.oci.parts import describe

__all__ = ["assemble", "listed"]

_TYPE = "application/vnd.amazon.soci.index.v2+json"
_CONFIG = b"{}"
_IMAGE = "com.amazon.soci.image-manifest-digest"


def assemble(ztocs: Sequence[Mapping[str, Any]], *, what: str) -> tuple[bytes, bytes, bytes, bytes]:
    """The bytes of an index's manifest, config, descriptor and digest file.

    Args:
        ztocs: descriptors of the zTOCs in the order of the image's layers; their annotations say
            which layer each is of.
        what: names the target in an error.

    Raises:
        LimitError: a manifest of more than 4 MiB.
    """
    data = manifest.assemble(
        config=describe(_TYPE, _CONFIG),
        layers=ztocs,
        annotations={"com.amazon.soci.build-tool-identifier": "lading"},
        artifact_type="",
        subject=None,
        what=f"{what}, the SOCI index",
    )
    descriptor = manifest.descriptor(data, platform=None, artifact_type=_TYPE)
    return data, _CONFIG, document.dumps(descriptor), descriptor["digest"].encode()


def listed(soci: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """The descriptor of a SOCI index as an image index lists it, behind the image it is of.

    It is as `soci convert` writes it, so whatever copies the image index takes it along.

    Args:
        soci: the index's descriptor.
        image: descriptor of the image's manifest.
    """
    value = {**soci, "annotations": {_IMAGE: image["digest"]}}
    if "platform" in image:
        value["platform"] = image["platform"]
    return value
