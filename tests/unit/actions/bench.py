"""A directory in which actions run, and the files they take and leave."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lading.actions import index, layout, manifest, worker
from lading.oci import document, media_types, parts

__all__ = ["AMD64", "Bench"]

AMD64 = {"os": "linux", "architecture": "amd64"}


class Bench:
    """Writes inputs into a directory and runs actions on them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._flags = 0

    def put(self, name: str, value: object) -> str:
        """Writes bytes, text or JSON; returns the path."""
        path = self.directory / name
        if isinstance(value, bytes):
            path.write_bytes(value)
        elif isinstance(value, str):
            path.write_text(value)
        else:
            path.write_text(json.dumps(value))
        return str(path)

    def flag(self, name: str, value: object) -> str:
        """Writes an input under a name of its own; returns the flag that passes its path."""
        self._flags += 1
        return f"--{name}={self.put(f'{name}.{self._flags}', value)}"

    def json(self, name: str) -> Any:
        return json.loads((self.directory / name).read_bytes())

    def layer(self, name: str, files: dict[str, bytes]) -> str:
        """Writes a real layer NAME.tar.gz with its metadata; returns the metadata's path."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for path, data in sorted(files.items()):
                info = tarfile.TarInfo(path)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        tar = stream.getvalue()
        blob = gzip.compress(tar, mtime=0)
        self.put(f"{name}.tar.gz", blob)
        metadata = parts.describe(media_types.LAYER_GZIP, blob) | {
            "diff_id": parts.describe("", tar)["digest"],
            "uncompressed_size": len(tar),
            "annotations": {},
            "history": {"created": "1970-01-01T00:00:00Z", "created_by": "lading image_layer"},
        }
        return self.put(f"{name}.metadata.json", metadata)

    def manifest(self, name: str, spec: dict[str, Any], *arguments: str) -> Any:
        """Runs the manifest action; its outputs are NAME.manifest.json and so on.

        Returns the config, which is None when it is no JSON.
        """
        attributes = json.dumps({"platform": AMD64, **spec})
        output = f"--manifest={self.directory / name}.manifest.json"
        manifest.run(worker.Request([f"--attributes={attributes}", *arguments, output]))
        return document.loads((self.directory / f"{name}.config.json").read_bytes(), what=name)

    def base(self, name: str) -> list[str]:
        """Arguments that make the image NAME the base of another."""
        prefix = self.directory / name
        return [f"--base_manifest={prefix}.manifest.json", f"--base_config={prefix}.config.json"]

    def index(self, name: str, images: Iterable[str], *arguments: str) -> Any:
        """Runs the index action on images made before; returns the index."""
        given = [
            f"--manifest_descriptor={self.directory / image}.descriptor.json" for image in images
        ]
        outputs = [
            f"--index={self.directory / name}.index.json",
            f"--descriptor={self.directory / name}.descriptor.json",
            f"--digest={self.directory / name}.digest",
        ]
        index.run(worker.Request([*given, *arguments, *outputs]))
        return self.json(f"{name}.index.json")

    def layout(
        self, output: str, name: str, images: Iterable[str], layers: Iterable[str], *more: str
    ) -> Path:
        """Runs the layout action on the image or index NAME."""
        path = self.directory / output
        documents = [
            self.directory / f"{image}.{kind}.json"
            for image in images
            for kind in ("manifest", "config", "index", "soci.manifest", "soci.config")
        ]
        arguments = [f"--document={file}" for file in documents if file.exists()]
        arguments += [
            f"--blob={self.directory / layer}.tar.gz\t{self.directory / layer}.metadata.json"
            for layer in layers
        ]
        arguments += [f"--descriptor={self.directory / name}.descriptor.json", f"--output={path}"]
        layout.run(worker.Request([*arguments, *more]))
        return path
