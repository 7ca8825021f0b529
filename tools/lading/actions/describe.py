"""The LayerDescribe action: what has to be known about an archive that becomes a layer as it is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

from lading.actions import flags, worker
from lading.errors import InputError
from lading.layer.decompress import uncompressed
from lading.layer.metadata import layer_metadata
from lading.layer.reading import changed, open_file, state
from lading.layer.strict import read_strictly
from lading.layer.writer import Blob
from lading.oci import media_types
from lading.scan.codec import sniff
from lading.scan.source import file_chunks

__all__ = ["describe", "run"]

_ANEW = "pack it anew: image_layer(tars = […])"
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
        required=("blob", "metadata"),
        single=("annotations", "annotations_file", "media_type", "opaque"),
        repeated=("diff_id_annotation",),
    )
    media_type, blob = (_opaque if one.get("opaque") else describe)(one["blob"])
    annotations = flags.layer_annotations(one)
    annotations |= dict.fromkeys(many["diff_id_annotation"], blob.diff_id)
    metadata = layer_metadata(blob, one.get("media_type") or media_type, annotations)
    flags.write(one["metadata"], metadata)


def describe(path: str) -> tuple[str, Blob]:
    """The media type and the digests of the archive at `path`.

    The archive is read to its end: a damaged one fails here, not when a container starts.

    Raises:
        InputError: a compression that no layer has, a faulty archive, or one that changes.
        CorruptError: the compressed stream is damaged.
    """
    fd, size = open_file(path)
    before = state(fd)
    try:
        kind = sniff(b"".join(file_chunks(fd, 0, min(size, 16), what=path)))
        if kind not in _TYPES:
            raise InputError(
                f"{path} is compressed with {kind}, which no image layer can be",
                fix=_ANEW,
            )
        blob = _Hashed(file_chunks(fd, 0, size, what=path))
        plain = _Hashed(uncompressed(blob, size, what=path))
        read_strictly(plain, what=path, anew=_ANEW)
        if state(fd) != before:
            raise changed(path)
    finally:
        os.close(fd)
    return _TYPES[kind], _described(blob, plain)


def _opaque(path: str) -> tuple[str, Blob]:
    """The same of a file that nothing unpacks; what it would be uncompressed is itself."""
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
    return media_types.LAYER, _described(blob, blob)


def _described(packed: _Hashed, plain: _Hashed) -> Blob:
    blob = Blob()
    blob.digest = f"sha256:{packed.hash.hexdigest()}"
    blob.size = packed.size
    blob.diff_id = f"sha256:{plain.hash.hexdigest()}"
    blob.uncompressed_size = plain.size
    return blob


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
