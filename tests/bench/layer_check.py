"""Whether a layer holds the files of a tree: what makes times of different tools comparable."""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import tarfile
import traceback
from pathlib import Path
from typing import IO, cast

from zstandard import ZstdDecompressor

from tests.bench.layer_inputs import Tree

__all__ = ["check"]


def check(tree: Tree, blob: Path, prefix: str) -> bool:
    """Whether `blob` has exactly the files of `tree`, below `prefix`; says on stderr what differs.

    A process of its own reads it, so that its memory is not taken for that of what runs next.
    """
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if _equal(tree, blob, prefix) else 1
        except BaseException:  # noqa: BLE001  # the parent says that it failed
            traceback.print_exc()
        os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def _equal(tree: Tree, blob: Path, prefix: str) -> bool:
    found = _files(blob)
    differing = {prefix + name for name in tree.files} ^ found.keys()
    for name in tree.files:
        with (tree.root / name).open("rb") as stream:
            if found.get(prefix + name) != hashlib.file_digest(stream, "sha256").digest():
                differing.add(prefix + name)
    if differing:
        sys.stderr.write(f"{len(differing)} files differ, such as {min(differing)}\n")
    return not differing


def _files(blob: Path) -> dict[str, bytes]:
    """The sha256 of each regular file in a layer by its path, hard links followed."""
    found: dict[str, bytes] = {}
    with blob.open("rb") as file, tarfile.open(fileobj=_uncompressed(file), mode="r|") as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if member.islnk():
                found[name] = found[member.linkname.removeprefix("./")]
            elif member.isreg():
                content = archive.extractfile(member)
                assert content is not None
                digest = hashlib.sha256()
                while data := content.read(1 << 20):
                    digest.update(data)
                found[name] = digest.digest()
    return found


def _uncompressed(file: IO[bytes]) -> IO[bytes]:
    magic = file.read(4)
    file.seek(0)
    if magic == b"\x28\xb5\x2f\xfd":
        return ZstdDecompressor().stream_reader(file, read_across_frames=True)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
