"""What tables of contents say about entries, and what of it can be compared with a layer."""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from lading.layer.estargz import CHUNK
from lading.scan.rules import clean_name

__all__ = ["Chunk", "File", "hashed", "link_of", "read_table", "same_chunks"]

_TYPES = {
    "reg": "0", "hardlink": "1", "symlink": "2", "char": "3", "block": "4", "dir": "5", "fifo": "6",
}  # fmt: skip
_ZEROS = bytes(1 << 16)


class File(NamedTuple):
    """What both say about an entry. `chunks` are digests of the content by pieces of 4 MiB."""

    type: str
    size: int = 0
    mode: int = 0
    owner: tuple[int, int] = (0, 0)
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: frozenset[tuple[bytes, bytes]] = frozenset()
    digest: str = ""
    chunks: tuple[str, ...] = ()


class Chunk(NamedTuple):
    """Where a chunk of a file begins, and the digest of what lies there up to the next one.

    `size` is what the table says besides, 0 if nothing; `zeros`, that there is nothing to fetch.
    """

    offset: int
    digest: str
    size: int = 0
    zeros: bool = False


def read_table(
    entries: list[dict[str, Any]],
) -> tuple[dict[bytes, File], dict[bytes, list[Chunk]]]:
    """The table's entries by name, and chunks that are not of 4 MiB.

    Raises what comes of a malformed table.
    """
    found: dict[bytes, File] = {}
    chunks: dict[bytes, list[Chunk]] = {}
    for value in entries:
        name = clean_name(value["name"].encode("utf-8", "surrogateescape"))
        kind = value["type"]
        if kind in ("reg", "chunk") and (value.get("chunkDigest") or value.get("chunkType")):
            chunks.setdefault(name, []).append(_chunk(value))
        if kind == "chunk":
            continue
        if name in found:
            raise ValueError(name)
        link = value.get("linkName", "").encode("utf-8", "surrogateescape")
        xattrs = value.get("xattrs") or {}
        found[name] = File(
            _TYPES[kind],
            value.get("size", 0) if kind == "reg" else 0,
            value.get("mode", 0) & 0o7777,
            (value.get("uid", 0), value.get("gid", 0)),
            link_of(_TYPES[kind], link),
            (value.get("devMajor", 0), value.get("devMinor", 0)),
            frozenset((key.encode(), base64.b64decode(text)) for key, text in xattrs.items()),
            value.get("digest", "").removeprefix("sha256:"),
        )
    others = {}
    for name, listed in chunks.items():
        file = found[name]
        if not file.size:
            continue
        # One behind the other, from the file's beginning.
        ends = [*(chunk.offset for chunk in listed), file.size]
        if ends[0] or not all(type(two) is int and one < two for one, two in pairwise(ends)):
            raise ValueError(name)
        regular = all(offset == at * CHUNK for at, offset in enumerate(ends[:-1]))
        if regular and file.size <= len(listed) * CHUNK and all(map(_is_plain, listed, ends[1:])):
            found[name] = file._replace(chunks=tuple(chunk.digest for chunk in listed))
        else:
            others[name] = listed
    return found, others


def _chunk(value: Mapping[str, Any]) -> Chunk:
    kind, size = value.get("chunkType", ""), value.get("chunkSize", 0)
    if kind not in ("", "zeros") or type(size) is not int:
        raise ValueError(kind)
    digest = value.get("chunkDigest", "").removeprefix("sha256:")
    return Chunk(value.get("chunkOffset", 0), digest, size, kind == "zeros")


def _is_plain(chunk: Chunk, end: int) -> bool:
    """Whether its digest is all that has to be compared."""
    return not chunk.zeros and chunk.size in (0, end - chunk.offset)


def same_chunks(chunks: Sequence[Chunk], size: int, data: Iterator[bytes | memoryview]) -> bool:
    """Whether a file of that size and content has these chunks."""
    lengths = [two - one for one, two in pairwise([*(chunk.offset for chunk in chunks), size])]
    if lengths[-1] <= 0:
        return False
    _, digests = hashed(data, iter(lengths[:-1]))
    return len(digests) == len(chunks) and all(
        chunk.size in (0, length)
        and digest == (chunk.digest or digest)
        and (not chunk.zeros or digest == _digest_of_zeros(length))
        for chunk, length, digest in zip(chunks, lengths, digests, strict=True)
    )


def hashed(
    data: Iterable[bytes | memoryview], lengths: Iterator[int]
) -> tuple[str, tuple[str, ...]]:
    """Digests of the whole and of its chunks; those after the last length are one."""
    whole, chunk = hashlib.sha256(), hashlib.sha256()
    left, used = next(lengths, sys.maxsize), 0
    chunks: list[str] = []
    for piece in data:
        whole.update(piece)
        while piece:
            part = piece[: left - used]
            chunk.update(part)
            used += len(part)
            piece = piece[len(part) :]
            if used == left:
                chunks.append(chunk.hexdigest())
                chunk, left, used = hashlib.sha256(), next(lengths, sys.maxsize), 0
    if used:
        chunks.append(chunk.hexdigest())
    return whole.hexdigest(), tuple(chunks)


def _digest_of_zeros(size: int) -> str:
    digest = hashlib.sha256()
    while size > 0:
        digest.update(_ZEROS[:size])
        size -= len(_ZEROS)
    return digest.hexdigest()


def link_of(kind: str, target: bytes) -> bytes:
    """The target of a link as it can be compared."""
    if kind == "1":
        return clean_name(target)
    return target if kind == "2" else b""
