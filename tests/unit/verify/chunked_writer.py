"""Writes zstd:chunked layers as containers/storage does: data, the table, tar-split, a footer."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
import tarfile
from dataclasses import dataclass, field
from typing import Any

import zstandard

__all__ = ["Chunked", "digest_of", "entries_of", "split_of", "write"]

_PREFIX = "io.github.containers.zstd-chunked."
_TYPES = {
    tarfile.REGTYPE: "reg", tarfile.LNKTYPE: "hardlink", tarfile.SYMTYPE: "symlink",
    tarfile.DIRTYPE: "dir", tarfile.CHRTYPE: "char",
}  # fmt: skip


@dataclass
class Chunked:
    """A layer, and the annotations of its descriptor."""

    tar: bytes
    blob: bytes
    annotations: dict[str, str] = field(default_factory=dict)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def entries_of(tar: bytes, chunk: int = 0) -> list[dict[str, Any]]:
    """The table's entries for an archive; files in chunks of so many bytes, zeros as such."""
    entries: list[dict[str, Any]] = []
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            value: dict[str, Any] = {
                "type": _TYPES[member.type],
                "name": member.name + "/" * member.isdir(),
                "linkName": member.linkname,
                "mode": member.mode,
                "size": member.size,
                "uid": member.uid,
                "gid": member.gid,
                "modtime": "2026-11-27T13:26:53Z",
                "devMajor": member.devmajor,
                "devMinor": member.devminor,
                "xattrs": {
                    key.removeprefix("SCHILY.xattr."): base64.b64encode(text.encode()).decode()
                    for key, text in member.pax_headers.items()
                    if key.startswith("SCHILY.xattr.")
                },
            }
            entries.append({key: item for key, item in value.items() if item})
            if member.isreg() and member.size:
                data = archive.extractfile(member).read()  # type: ignore[union-attr]
                entries[-1] |= {"digest": digest_of(data), "offset": 1, "endOffset": 2}
                if chunk and len(data) > chunk:
                    _add_chunks(entries, data, chunk)
    return entries


def _add_chunks(entries: list[dict[str, Any]], data: bytes, size: int) -> None:
    for offset in range(0, len(data), size):
        part = data[offset : offset + size]
        value: dict[str, Any] = {"chunkSize": len(part), "chunkDigest": digest_of(part)}
        if not any(part):
            value["chunkType"] = "zeros"
        if offset:
            name = entries[-1]["name"]
            entries.append({"type": "chunk", "name": name, "chunkOffset": offset, **value})
        else:
            entries[-1] |= value


def split_of(tar: bytes) -> list[dict[str, Any]]:
    """What is in the archive besides the data of files, and how much data is between."""
    segments: list[dict[str, Any]] = []
    end = 0
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            segments.append(_raw(tar[end : member.offset_data]))
            size = member.size if member.isreg() else 0
            segments.append({"type": 1, "name": member.name, "size": size, "payload": None})
            end = member.offset_data + size
    segments.append(_raw(tar[end:]))
    return [{**segment, "position": at} for at, segment in enumerate(segments)]


def _raw(data: bytes) -> dict[str, Any]:
    return {"type": 2, "payload": base64.b64encode(data).decode()}


def write(
    tar: bytes,
    entries: list[dict[str, Any]],
    split: list[dict[str, Any]] | None,
    **toc_changes: Any,
) -> Chunked:
    """The layer; without `split`, as versions before tar-split wrote it."""
    half = len(tar) // 2
    data = zstandard.compress(tar[:half]) + zstandard.compress(tar[half:])
    toc: dict[str, Any] = {"version": 1, "entries": entries}
    packed_split = lines = b""
    if split is not None:
        lines = b"".join(json.dumps(segment).encode() + b"\n" for segment in split)
        packed_split = zstandard.compress(lines)
        toc["tarSplitDigest"] = digest_of(packed_split)
    text = json.dumps(toc | toc_changes).encode()
    packed = zstandard.compress(text)
    at = len(data) + 8
    split_at = at + len(packed) + 8
    footer = struct.pack(
        "<7Q8s", at, len(packed), len(text), 1, split_at, len(packed_split), len(lines), b"GNUlInUx"
    )
    annotations = {
        _PREFIX + "manifest-checksum": digest_of(packed),
        _PREFIX + "manifest-position": f"{at}:{len(packed)}:{len(text)}:1",
    }
    if split is not None:
        annotations[_PREFIX + "tarsplit-position"] = f"{split_at}:{len(packed_split)}:{len(lines)}"
    frames = [packed, packed_split, footer] if split is not None else [packed, footer]
    skipped = (b"\x50\x2a\x4d\x18" + struct.pack("<I", len(frame)) + frame for frame in frames)
    return Chunked(tar, data + b"".join(skipped), annotations)
