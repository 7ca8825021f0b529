"""A sound image, and ways to spoil it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lading.oci import layout
from lading.oci.digest import Digest
from lading.store import layouts
from tests.unit.store import tiny

__all__ = ["Spoilt", "member", "sound", "tar_of"]


def sound(directory: Path) -> Path:
    """A layout with one image of two layers, gzip and zstd, under the tag v1."""
    content = tiny.MemoryContent()
    layers = [
        tiny.layer({"etc/a": b"a" * 100}),
        tiny.layer({"etc/b": b"b" * 100}, "zstd"),
    ]
    root = tiny.image(content, layers, config={"Env": ["PATH=/bin"], "Cmd": ["/a"]})
    layouts.write(directory, root, content, ["v1"])
    return directory


def member(name: str, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """An entry for `tar_of`."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar archive of entries, in the POSIX format."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Spoilt:
    """A layout that is changed and made consistent again, so that one fault is the only one."""

    def __init__(self, directory: Path) -> None:
        self.directory = sound(directory)

    def blob(self, digest: str) -> Path:
        return self.directory / layout.blob_name(Digest.parse(digest))

    def put(self, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blob(digest).write_bytes(data)
        return digest

    @property
    def index(self) -> dict[str, Any]:
        return self._json(self.directory / "index.json")

    @index.setter
    def index(self, value: Mapping[str, Any]) -> None:
        (self.directory / "index.json").write_text(json.dumps(value))

    @property
    def manifest(self) -> dict[str, Any]:
        return self._json(self.blob(self.index["manifests"][0]["digest"]))

    @property
    def config(self) -> dict[str, Any]:
        return self._json(self.blob(self.manifest["config"]["digest"]))

    def set_root(self, data: bytes, **changes: Any) -> None:
        index = self.index
        index["manifests"][0] |= {"digest": self.put(data), "size": len(data), **changes}
        self.index = index

    def change_manifest(self, change: Callable[[dict[str, Any]], object]) -> None:
        value = self.manifest
        change(value)
        self.set_root(json.dumps(value).encode())

    def change_config(self, change: Callable[[dict[str, Any]], object]) -> None:
        value = self.config
        change(value)
        data = json.dumps(value).encode()
        digest = self.put(data)

        def point(manifest: dict[str, Any]) -> None:
            manifest["config"] |= {"digest": digest, "size": len(data)}

        self.change_manifest(point)

    def set_layer(self, tar: bytes, blob: bytes | None = None) -> None:
        """The first layer is `tar`, with a diff_id and a digest that are right."""
        data = gzip.compress(tar, mtime=0) if blob is None else blob
        digest = self.put(data)

        def describe(manifest: dict[str, Any]) -> None:
            manifest["layers"][0] |= {"digest": digest, "size": len(data)}

        def state(config: dict[str, Any]) -> None:
            config["rootfs"]["diff_ids"][0] = f"sha256:{hashlib.sha256(tar).hexdigest()}"

        self.change_config(state)
        self.change_manifest(describe)

    def _json(self, path: Path) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(path.read_text())
        return value
