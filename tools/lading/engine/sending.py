"""The body of a load: an archive made on the fly, counted, and unpacked for old daemons."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from lading.engine.engine import Progress, Sent
from lading.errors import CorruptError
from lading.oci import media_types
from lading.oci.content import Content
from lading.oci.digest import Digest
from lading.store import disk, tarball
from lading.store.image import Image
from lading.store.tarball import Member

__all__ = ["body", "unpacked"]

_ZSTD = frozenset({media_types.LAYER_ZSTD, media_types.DOCKER_LAYER_ZSTD})


def body(
    files: Sequence[Member], content: Content, progress: Progress, sent: Sent
) -> Iterator[bytes]:
    """The tar of `files`, with `progress` called and `sent` counted as it goes."""
    layers = [file for file in files if file.source is not None]
    total = sum(file.size for file in layers)

    def count(size: int) -> None:
        sent.bytes += size
        progress(sent.bytes, total)

    yield from tarball.stream(files, content, count)
    sent.layers = len(layers)


@contextlib.contextmanager
def unpacked(
    files: Sequence[Member], image: Image, content: Content, *, zstd: bool
) -> Iterator[list[Member]]:
    """`files`, with zstd layers replaced by plain tars when the daemon does not know zstd.

    A tar has to say a file's size first, so such a layer goes through an unnamed temporary
    file; its bytes are checked against both its digest and its diff_id.
    """
    diff_ids = {
        layer.digest: diff for layer, diff in zip(image.layers, image.diff_ids, strict=True)
    }
    ready: list[Member] = []
    opened: list[BinaryIO] = []
    try:
        for file in files:
            if zstd and file.source is not None and file.source.media_type in _ZSTD:
                plain = _decompress(file, content, diff_ids[file.source.digest])
                opened.append(plain)
                file = replace(file, size=plain.seek(0, 2), opener=partial(_again, plain))
            ready.append(file)
        yield ready
    finally:
        for stream in opened:
            stream.close()


def _again(stream: BinaryIO) -> BinaryIO:
    """A second handle on an unnamed file, at its start: whoever reads a member closes it."""
    stream.seek(0)
    return os.fdopen(os.dup(stream.fileno()), "rb", buffering=0)


def _decompress(file: Member, content: Content, diff_id: Digest) -> BinaryIO:
    from lading.layer.decompress import uncompressed

    hasher = hashlib.new(diff_id.algorithm)
    where = Path(tempfile.gettempdir())
    with contextlib.ExitStack() as stack, disk.guarded(where):
        plain = stack.enter_context(tempfile.TemporaryFile(prefix="lading-", dir=where))
        blocks = tarball.content_blocks(content, file)
        for data in uncompressed(blocks, file.size, what=f"the layer {file.name}"):
            hasher.update(data)
            plain.write(data)
        plain.flush()
        if hasher.hexdigest() != diff_id.hex:
            raise CorruptError(f"the layer {file.name} unpacks to something else than {diff_id}")
        stack.pop_all()
    return cast("BinaryIO", plain)
