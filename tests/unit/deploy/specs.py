"""Deploy specifications as the rules write them, for images made in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lading.oci import content, document, media_types
from lading.oci.descriptor import Descriptor
from tests.registry_server.images import Image

__all__ = ["image_json", "operation", "write"]


def operation(image: Image, directory: Path, **settings: Any) -> dict[str, Any]:
    """One operation's object; the image's files go below `directory`."""
    return {"kind": "push", "label": "//app:push", "image": image_json(image, directory)} | settings


def write(directory: Path, value: Mapping[str, Any]) -> list[str]:
    """Writes a specification; returns the flags that name it."""
    spec = directory / "spec.json"
    spec.write_text(json.dumps({"version": 1, **value}))
    return [f"--spec={spec}", f"--runfiles={directory}"]


def image_json(image: Image, directory: Path) -> dict[str, Any]:
    """An image's object; its files go below `directory`."""
    children = content.children(image.root.media_type, image.data, what="image")
    if image.root.media_type in media_types.INDEX_TYPES:
        return {
            "descriptor": _json(directory, image.root),
            "index": _blob(image, directory, image.root),
            "manifests": [image_json(Image(child, image.content), directory) for child in children],
        }
    config, *layers = children
    return {
        "descriptor": _json(directory, image.root),
        "manifest": _blob(image, directory, image.root),
        "config": _blob(image, directory, config),
        "layers": [
            {"blob": _blob(image, directory, layer), "metadata": _json(directory, layer)}
            for layer in layers
        ],
        "sources": [],
    }


def _blob(image: Image, directory: Path, descriptor: Descriptor) -> str:
    (directory / descriptor.digest.hex).write_bytes(image.content.blobs[descriptor.digest])
    return descriptor.digest.hex


def _json(directory: Path, descriptor: Descriptor) -> str:
    name = descriptor.digest.hex + ".json"
    (directory / name).write_bytes(document.dumps(descriptor.to_json()))
    return name
