"""OCI layouts around single layers, written with nothing but json: what other tools are shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.integration.layer.action import Layer

__all__ = ["write"]


def write(layout: Path, layers: Mapping[str, Layer]) -> dict[str, str]:
    """Writes an image with each layer, tagged by the layer's name; returns manifest digests."""
    (layout / "blobs/sha256").mkdir(parents=True)
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    manifests = []
    for name, layer in layers.items():
        metadata = layer.metadata
        config = _put(
            layout,
            "application/vnd.oci.image.config.v1+json",
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Cmd": ["/usr/bin/tool"]},
                "rootfs": {"type": "layers", "diff_ids": [metadata["diff_id"]]},
                "history": [metadata["history"]],
            },
        )
        described = {key: metadata[key] for key in ("mediaType", "digest", "size", "annotations")}
        (layout / "blobs/sha256" / metadata["digest"].partition(":")[2]).write_bytes(layer.blob)
        manifest = _put(
            layout,
            "application/vnd.oci.image.manifest.v1+json",
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": config,
                "layers": [described],
            },
        )
        manifests.append({**manifest, "annotations": {"org.opencontainers.image.ref.name": name}})
    index = {"schemaVersion": 2, "manifests": manifests}
    (layout / "index.json").write_text(json.dumps(index))
    return {
        item["annotations"]["org.opencontainers.image.ref.name"]: item["digest"]
        for item in manifests
    }


def _put(layout: Path, media_type: str, value: object) -> dict[str, Any]:
    data = json.dumps(value).encode()
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}
