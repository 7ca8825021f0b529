"""A table of contents of a layer says what the layer says (containerd/stargz-snapshotter,
docs/estargz.md; `chunked`): who pulls lazily never looks at the tar itself, and would run other
files.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, BinaryIO, cast

from lading.errors import LadingError
from lading.layer.estargz import CHUNK, TOC_ANNOTATION, TOC_NAME
from lading.oci import document
from lading.scan.codec import Fault, uncompressed
from lading.scan.pax import attributes
from lading.scan.rules import clean_name
from lading.scan.source import StreamSource
from lading.scan.tar import Entry, TarScanner
from lading.verify import chunked
from lading.verify.chunked import LieError, TarSplit
from lading.verify.toc_table import Chunk, File, hashed, link_of, read_table, same_chunks

__all__ = ["ANNOTATIONS", "TocCheck"]

#: What descriptors say about tables.
ANNOTATIONS = (TOC_ANNOTATION, *chunked.ANNOTATIONS)
#: Largest table that is read, in bytes: about 300,000 files.
_MAX_TOC = 64 << 20


class TocCheck:
    """Collects a layer's entries while it is read, then compares them with its table.

    The table comes last: a layer with chunks of another size than 4 MiB, or with a tar-split, is
    read twice.

    Args:
        annotations: of the layer's descriptor.
        report: takes the identity of a rule, the place and what is there.
    """

    def __init__(
        self, annotations: Mapping[str, str], report: Callable[[str, str, str], None]
    ) -> None:
        self._estargz = annotations.get(TOC_ANNOTATION, "")
        self._chunked = annotations.get(chunked.CHECKSUM, "")
        self._parts = chunked.Parts(annotations) if self._chunked else None
        self._report = report
        self._files: dict[bytes, File] = {}
        self._toc: bytes | None = None

    @property
    def wanted(self) -> bool:
        """Whether the layer claims to have a table at all."""
        return bool(self._estargz or self._chunked)

    def tapped(self, blob: BinaryIO) -> BinaryIO:
        """The compressed layer, to be read instead of `blob`."""
        if self._parts is None:
            return blob
        return cast("BinaryIO", chunked.Tapped(blob, self._parts))

    def visit(self, entry: Entry, data: Iterator[bytes | memoryview]) -> None:
        """Takes note of an entry."""
        name = clean_name(entry.name)
        if self._estargz and name == TOC_NAME.encode():
            if entry.size <= _MAX_TOC:
                self._toc = b"".join(bytes(piece) for piece in data)
            return
        is_file = entry.type == "0"
        digest, chunks = hashed(data, repeat(CHUNK)) if is_file else ("", ())
        self._files[name] = File(
            entry.type,
            entry.size if is_file else 0,
            entry.mode & 0o7777,
            (entry.uid, entry.gid),
            link_of(entry.type, entry.link),
            entry.device if entry.type in "34" else (0, 0),
            frozenset(attributes(entry.pax).items()),
            digest,
            chunks,
        )

    def finish(self, again: Callable[[], BinaryIO], size: int) -> None:
        """Reports where table and layer differ; of many differences the first few.

        Args:
            again: opens the layer, if it has to be read once more.
            size: its bytes uncompressed.
        """
        split: TarSplit | None = None
        try:
            if self._estargz and self._chunked:
                raise LieError("there is one of eStargz and one of zstd:chunked")
            actual, toc = self._table()
            stated = self._estargz or self._chunked
            if actual != stated:
                self._wrong(f"it is {actual}, its annotation says {stated:.80}")
            others, split_digest = self._compare(toc)
            if self._parts is not None and split_digest:
                split = self._parts.tar_split(split_digest)
        except LieError as error:
            self._wrong(str(error))
            return
        except Fault:
            self._wrong("it is malformed")
            return
        if others or split is not None:
            try:
                with again() as stream:
                    self._read_again(stream, size, others, split)
            except Fault as fault:
                self._report(fault.rule, fault.at, fault.what)
            except LieError as error:
                self._wrong(str(error))

    def _table(self) -> tuple[str, bytes]:
        """The digest that is stated of the table, and the table; raises LieError, Fault."""
        if self._parts is not None:
            return self._parts.table(_MAX_TOC)
        if self._toc is None:
            raise LieError(f"there is no {TOC_NAME} of at most {_MAX_TOC} bytes")
        return f"sha256:{hashlib.sha256(self._toc).hexdigest()}", self._toc

    def _compare(self, toc: bytes) -> tuple[Mapping[bytes, Sequence[Chunk]], str]:
        """Compares entries; returns chunks to be looked at, and the digest of the tar-split."""
        try:
            value: dict[str, Any] = document.loads_object(toc, what=TOC_NAME, limit=_MAX_TOC)
            told, others = read_table(value["entries"])
            split = value.get("tarSplitDigest", "")
            if type(split) is not str:
                raise ValueError(split)
        except (LadingError, LookupError, TypeError, ValueError, AttributeError, binascii.Error):
            raise LieError("it is malformed") from None
        for name in sorted(self._files.keys() | told.keys()):
            ours, theirs = self._files.get(name), told.get(name)
            at = name.decode("utf-8", "backslashreplace")
            if ours is None:
                self._wrong("the table has it, the layer does not", at)
            elif theirs is None:
                # Directories that an entry lies in may be left out, and the root always is.
                if name:
                    self._wrong("the layer has it, the table does not", at)
            elif differs := list(self._differences(ours, theirs)):
                self._wrong(f"the table says another {', '.join(differs)}", at)
        return others, split

    def _differences(self, ours: File, theirs: File) -> Iterator[str]:
        for field, mine, other in zip(File._fields, ours, theirs, strict=True):
            # In eStargz they may be left out; in zstd:chunked the digest of what is empty.
            left_out = field == "chunks" or (
                field == "digest" and (self._parts is None or not ours.size)
            )
            if mine != other and not (left_out and not other):
                yield field

    def _read_again(
        self,
        stream: BinaryIO,
        size: int,
        told: Mapping[bytes, Sequence[Chunk]],
        split: TarSplit | None,
    ) -> None:
        plain = _exactly(uncompressed(stream), size)
        passing = plain if split is None else split.passing(plain)
        scanner = TarScanner(StreamSource(passing), lambda rule, at, what: None)
        for entry in scanner:
            if split is not None:
                split.saw(entry)
            chunks = told.get(clean_name(entry.name)) if entry.type == "0" else None
            if chunks is not None and not same_chunks(chunks, entry.size, scanner.data()):
                at = entry.name.decode("utf-8", "backslashreplace")
                self._wrong("the table says another chunks", at)
        for _ in passing:
            pass
        if split is not None:
            split.check_names()

    def _wrong(self, what: str, at: str = TOC_NAME) -> None:
        self._report("layer-toc", at, what)


def _exactly(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The chunks, as many bytes as there were the first time; raises Fault."""
    left = size
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        raise Fault("blob-digest", "it is another when it is read again")
