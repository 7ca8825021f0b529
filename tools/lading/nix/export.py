"""Reads what `nix-store --export` writes: archives one after another, each with its references.

The stream is a 1 before each object and a 0 at the end. An object is its NAR, the bytes `NIXE`, its
path, the number of its references and these, its deriver, and a 0 where a signature once was.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from lading.layer.nar import NarReader
from lading.layer.outputs import Nowhere, Output, write_all
from lading.layer.reading import open_file
from lading.nix.closure import STORE, Closure, StorePath, check, parse_path
from lading.scan.source import file_chunks

__all__ = ["split"]

_MARK = 0x4558494E
_MOST_REFERENCES = 1 << 20


def split(export: Path, directory: Path | None, *, what: str, store: str = STORE) -> Closure:
    """Reads an export; writes each object's archive to `directory` as `BASE.nar`.

    Args:
        export: the file.
        directory: exists; None to write nothing.
        what: names the export in errors.
        store: the store directory that all paths have to be in.

    Raises:
        CorruptError: it is no export, or is cut off.
        InputError: see `closure.check`.
        StorageError: an archive cannot be written.
    """
    fd, size = open_file(str(export))
    paths = []
    try:
        reader = NarReader(fd, 0, what=what)
        while (word := reader.number()) == 1:
            start = reader.offset
            for _ in reader.nodes():
                pass
            end = reader.offset
            if reader.number() != _MARK:
                raise reader.damaged("no NIXE follows an object")
            base = parse_path(os.fsdecode(reader.text()), what=what, store=store)
            count = reader.number()
            if count > _MOST_REFERENCES:
                raise reader.damaged(f"{count} references")
            references = {
                parse_path(os.fsdecode(reader.text()), what=what, store=store) for _ in range(count)
            }
            reader.text()
            if reader.number() == 1:
                reader.text()
            output = directory / f"{base}.nar" if directory else None
            digest = _copy(file_chunks(fd, start, end - start, what=what), output)
            paths.append(StorePath(base, digest, end - start, tuple(sorted(references - {base}))))
        if word != 0 or reader.offset != size:
            raise reader.damaged("no end where one belongs")
    finally:
        os.close(fd)
    return check(paths, what=what, store=store)


def _copy(chunks: Iterator[bytes], output: Path | None) -> str:
    """Copies bytes to a file; returns their sha256 in hex."""
    digest = hashlib.sha256()
    with Output(str(output)) if output else Nowhere() as copy:
        for data in chunks:
            digest.update(data)
            write_all(copy.fd, data, what=str(output))
    return digest.hexdigest()
