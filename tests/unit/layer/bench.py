"""Builds layers in a temporary directory and reads them back with independent readers."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

from lading.layer.build import LayerRequest, build_layer
from lading.layer.compress import Compression

__all__ = ["Built", "build", "gunzip", "put", "unzstd"]


class Built(NamedTuple):
    """A layer: the blob, the archive in it, and the document about it."""

    blob: bytes
    tar: bytes
    metadata: dict[str, Any]

    def members(self) -> dict[str, tarfile.TarInfo]:
        """What Python's tarfile finds, by name, in order."""
        with tarfile.open(fileobj=io.BytesIO(self.tar)) as archive:
            members = archive.getmembers()
        names = [member.name for member in members]
        assert len(set(names)) == len(names)
        return dict(zip(names, members, strict=True))

    def content(self, name: str) -> bytes:
        """Content of a file, by whichever of its names."""
        with tarfile.open(fileobj=io.BytesIO(self.tar)) as archive:
            stream = archive.extractfile(name)
            assert stream is not None
            return stream.read()


def build(directory: Path, lines: list[str], **options: Any) -> Built:
    """Builds a layer from source lines and checks what holds for every layer.

    Args:
        directory: for the outputs.
        lines: sources, as `collect` reads them.
        **options: of LayerRequest; compression may be a tuple for Compression.
    """
    compression = options.pop("compression", ("gzip", "fast"))
    if not isinstance(compression, Compression):
        compression = Compression(*compression)
    output = directory / "layer.blob"
    document = directory / "layer.json"
    build_layer(
        LayerRequest(str(output), lines, metadata=str(document), compression=compression, **options)
    )
    blob = output.read_bytes()
    metadata = json.loads(document.read_bytes())
    tar = {"gzip": gunzip, "zstd": unzstd}.get(compression.kind, bytes)(blob)
    assert metadata["digest"] == "sha256:" + hashlib.sha256(blob).hexdigest()
    assert metadata["size"] == len(blob)
    assert metadata["diff_id"] == "sha256:" + hashlib.sha256(tar).hexdigest()
    assert metadata["uncompressed_size"] == len(tar)
    assert tar.endswith(bytes(1024))
    assert len(tar) % 512 == 0
    return Built(blob, tar, metadata)


def gunzip(blob: bytes) -> bytes:
    """All members of a gzip file; every header is the fixed one, or that of an eStargz footer."""
    result = []
    while blob:
        assert blob[:3] == b"\x1f\x8b\x08"
        assert blob[3] == 0 or (blob[3] == 4 and len(blob) == 51)
        assert blob[4:8] == bytes(4)
        assert blob[9] == 255
        inflater = zlib.decompressobj(wbits=31)
        result.append(inflater.decompress(blob))
        assert inflater.eof
        blob = inflater.unused_data
    return b"".join(result)


def unzstd(blob: bytes) -> bytes:
    """All frames of a zstd file; each states the size of its content."""
    result = []
    while blob:
        assert zstandard.get_frame_parameters(blob).content_size > 0
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        result.append(decompressor.decompress(blob))
        assert decompressor.eof
        blob = decompressor.unused_data
    return b"".join(result)


def put(directory: Path, files: Mapping[str, bytes | str]) -> None:
    """Writes files below `directory`, making directories on the way."""
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
