"""The LayerDescribe action: what has to be known about an archive that becomes a layer as it is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator

from lading.actions import flags, worker
from lading.errors import InputError, UsageError
from lading.layer.decompress import uncompressed
from lading.layer.reading import changed, open_file, state
from lading.layer.strict import read_strictly
from lading.oci import media_types
from lading.scan.codec import sniff
from lading.scan.source import file_chunks

__all__ = ["describe", "run"]

_TYPES = {
    "gzip": media_types.LAYER_GZIP,
    "none": media_types.LAYER,
    "zstd": media_types.LAYER_ZSTD,
}


def run(request: worker.Request) -> None:
    """Describes one archive.

    Args:
        request: its arguments are `--blob=PATH`, `--metadata=PATH`, which is the output, and what
            changes the descriptor: `--media_type=TYPE`, `--annotations=JSON`,
            `--annotations_file=PATH`, and `--diff_id_annotation=KEY` for one whose value is the
            diff_id. With `--opaque=1` the blob need not be an archive.

    Raises:
        LadingError: the archive cannot be read, is damaged, or no layer.
    """
    one, many = flags.parse(
        request.arguments,
        single=("annotations", "annotations_file", "blob", "media_type", "metadata", "opaque"),
        repeated=("diff_id_annotation",),
    )
    if "blob" not in one or "metadata" not in one:
        raise UsageError("--blob or --metadata is missing")
    described = (_opaque if one.get("opaque") else describe)(one["blob"])
    if one.get("media_type"):
        described["mediaType"] = one["media_type"]
    of_diff_id = {key: str(described["diff_id"]) for key in many["diff_id_annotation"]}
    annotations = flags.layer_annotations(one) | of_diff_id
    described["annotations"] = dict(sorted(annotations.items()))
    value = json.dumps(described, ensure_ascii=False, separators=(",", ":"))
    flags.write(one["metadata"], value.encode() + b"\n")


def describe(path: str) -> dict[str, object]:
    """The metadata of the archive at `path`, as a layer action writes it.

    The archive is read to its end: a damaged one fails here, not when a container starts.

    Raises:
        InputError: a compression that no layer has, a faulty archive, or one that changes.
        CorruptError: the compressed stream is damaged.
    """
    fd, size = open_file(path)
    before = state(fd)
    try:
        kind = sniff(os.pread(fd, 16, 0))
        if kind not in _TYPES:
            raise InputError(
                f"{path} is compressed with {kind}, which no image layer can be",
                fix="pack it anew: image_layer(tars = […])",
            )
        blob = _Hashed(file_chunks(fd, 0, size, what=path))
        plain = _Hashed(uncompressed(blob, size, what=path))
        fix = "pack it anew: image_layer(tars = […]) writes a clean one"
        read_strictly(plain, what=path, fix=fix)
        if state(fd) != before:
            raise changed(path)
    finally:
        os.close(fd)
    return _document(_TYPES[kind], blob, plain)


def _opaque(path: str) -> dict[str, object]:
    """The metadata of a file that nothing unpacks; what it would be uncompressed is itself."""
    fd, size = open_file(path)
    before = state(fd)
    try:
        blob = _Hashed(file_chunks(fd, 0, size, what=path))
        for _ in blob:
            pass
        if state(fd) != before:
            raise changed(path)
    finally:
        os.close(fd)
    return _document(media_types.LAYER, blob, blob)


def _document(media_type: str, blob: _Hashed, plain: _Hashed) -> dict[str, object]:
    return {
        "mediaType": media_type,
        "digest": f"sha256:{blob.hash.hexdigest()}",
        "size": blob.size,
        "diff_id": f"sha256:{plain.hash.hexdigest()}",
        "uncompressed_size": plain.size,
        "annotations": {},
        "history": {"created": "1970-01-01T00:00:00Z", "created_by": "lading image_layer"},
    }


class _Hashed(Iterator[bytes]):
    """Passes chunks on, hashed and counted."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.hash = hashlib.sha256()
        self.size = 0

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        self.hash.update(chunk)
        self.size += len(chunk)
        return chunk


if __name__ == "__main__":
    worker.main(run)
