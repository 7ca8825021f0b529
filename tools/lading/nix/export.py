"""Reads what `nix-store --export` writes: archives one after another, each with its references.

The stream is a 1 before each object and a 0 at the end. An object is its NAR, the bytes `NIXE`, its
path, the number of its references and these, its deriver, and a 0 where a signature once was.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from lading.errors import CorruptError, StorageError
from lading.layer.nar import NarReader
from lading.layer.reading import open_file
from lading.nix.closure import STORE, Closure, StorePath, check, parse_path

__all__ = ["split"]

_MARK = 0x4558494E
_CHUNK = 1 << 20
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
            digest = _copy(fd, start, end, directory / f"{base}.nar" if directory else None)
            paths.append(StorePath(base, digest, end - start, tuple(sorted(references - {base}))))
        if word != 0 or reader.offset != size:
            raise reader.damaged("no end where one belongs")
    finally:
        os.close(fd)
    return check(paths, what=what, store=store)


def _copy(fd: int, start: int, end: int, output: Path | None) -> str:
    """Copies a range to a file; returns its sha256 in hex."""
    digest = hashlib.sha256()
    try:
        with open(output or os.devnull, "wb", buffering=0) as stream:
            while start < end:
                data = os.pread(fd, min(_CHUNK, end - start), start)
                if not data:
                    raise CorruptError(f"{output} is cut off")
                digest.update(data)
                stream.write(data)
                start += len(data)
    except OSError as error:
        raise StorageError(f"{output} cannot be written: {error.strerror}") from None
    return digest.hexdigest()
