"""Small images as documents, for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from lading.oci import document, media_types, parts

__all__ = ["base", "base_documents", "digest", "layer", "layer_metadata"]


def digest(text: str) -> str:
    """The digest of some text: a digest that differs when the text does."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def layer_metadata(name: str, **changes: Any) -> dict[str, Any]:
    """What a layer action says about a layer called `name`."""
    return {
        "mediaType": media_types.LAYER_GZIP,
        "digest": digest(name),
        "size": len(name),
        "diff_id": digest(f"tar of {name}"),
        "uncompressed_size": 1024,
        "annotations": {},
        "history": {"created_by": f"lading {name}"},
        **changes,
    }


def layer(name: str) -> parts.Layer:
    """The same, read."""
    return parts.read_layer(document.dumps(layer_metadata(name)), what=name)


def base_documents(
    *,
    config: Mapping[str, Any] | None = None,
    top: Mapping[str, Any] | None = None,
    layers: Sequence[str] = ("debian",),
    history: Sequence[Mapping[str, Any]] | None = None,
    docker: bool = False,
) -> tuple[bytes, bytes]:
    """Manifest and config of a base image.

    Args:
        config: its execution parameters.
        top: fields of the config beside them, such as `author`.
        layers: names of its layers.
        history: by default one entry a layer; an empty list leaves the field out.
        docker: whether all media types are Docker's.
    """
    if history is None:
        history = [{"created_by": f"ADD {name}"} for name in layers]
    value: dict[str, Any] = {"architecture": "amd64", "os": "linux", **(top or {})}
    if config is not None:
        value["config"] = dict(config)
    value["rootfs"] = {"type": "layers", "diff_ids": [digest(f"tar of {name}") for name in layers]}
    if history:
        value["history"] = list(history)
    config_data = document.dumps(value)
    config_type = media_types.DOCKER_CONFIG if docker else media_types.CONFIG
    layer_type = media_types.DOCKER_LAYER_GZIP if docker else media_types.LAYER_GZIP
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_types.DOCKER_MANIFEST if docker else media_types.MANIFEST,
        "config": parts.describe(config_type, config_data),
        "layers": [
            {"mediaType": layer_type, "digest": digest(name), "size": len(name)} for name in layers
        ],
    }
    return document.dumps(manifest), config_data


def base(**changes: Any) -> parts.Base:
    """The same, read."""
    return parts.read_base(*base_documents(**changes), what="//:base")
