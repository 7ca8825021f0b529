"""Layouts made by hand for the tests: any bytes in any place, and digests that match them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lading.oci import layout, media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest

__all__ = ["Layout", "config_json", "write_json"]


class Layout:
    """A layout directory that holds what the test puts there, right or wrong."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.roots: list[dict[str, Any]] = []
        (directory / "blobs" / "sha256").mkdir(parents=True)
        (directory / layout.MARKER_FILE).write_bytes(layout.MARKER)
        self.write_index()

    def path(self, digest: Digest) -> Path:
        """The file of a blob."""
        return self.directory / layout.blob_name(digest)

    def blob(self, data: bytes, media_type: str = media_types.LAYER_GZIP) -> Descriptor:
        """Stores `data`."""
        descriptor = Descriptor.of(media_type, data)
        self.path(descriptor.digest).write_bytes(data)
        return descriptor

    def document(self, value: object, media_type: str) -> Descriptor:
        """Stores `value` as JSON."""
        return self.blob(write_json(value), media_type)

    def manifest(
        self,
        layers: Sequence[bytes] = (b"layer",),
        config: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> Descriptor:
        """Stores an image; `config` replaces fields of its config, `fields` of its manifest."""
        stored = [self.blob(data) for data in layers]
        described = self.document(config_json(len(layers)) | dict(config or {}), media_types.CONFIG)
        value = {
            "schemaVersion": 2,
            "mediaType": media_types.MANIFEST,
            "config": described.to_json(),
            "layers": [item.to_json() for item in stored],
        }
        return self.document(value | dict(fields or {}), media_types.MANIFEST)

    def index(self, *manifests: Mapping[str, Any]) -> Descriptor:
        """Stores an index of descriptors, given as JSON."""
        value = {
            "schemaVersion": 2,
            "mediaType": media_types.INDEX,
            "manifests": list(manifests),
        }
        return self.document(value, media_types.INDEX)

    def tag(self, root: Descriptor, *tags: str) -> Descriptor:
        """Lists `root` in `index.json`, once for each tag or once without."""
        for tag in tags or ("",):
            annotations = {layout.REF_NAME: tag} if tag else {}
            self.roots.append(root.to_json() | {"annotations": annotations})
        self.write_index()
        return root

    def write_index(self, data: bytes | None = None) -> None:
        """Replaces `index.json` as every writer should: by renaming."""
        whole = {"schemaVersion": 2, "manifests": self.roots}
        temporary = self.directory / "index.new"
        temporary.write_bytes(write_json(whole) if data is None else data)
        temporary.replace(self.directory / layout.INDEX_FILE)


def config_json(layers: int) -> dict[str, Any]:
    """A plain image config."""
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Entrypoint": ["/bin/app"]},
        "rootfs": {
            "type": "layers",
            "diff_ids": [str(Digest.of(bytes([number % 256]))) for number in range(layers)],
        },
    }


def write_json(value: object) -> bytes:
    """JSON in ASCII, which can hold even what is no text."""
    return json.dumps(value).encode("ascii")
