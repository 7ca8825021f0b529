"""Verifies one blob in a single pass: digest, size, compression, diff_id, tar, entries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from lading.oci.digest import Digest
from lading.oci.verify_rules import Findings, Limits
from lading.scan.codec import CHUNK, Fault, decompress, sniff
from lading.scan.rules import LayerRules
from lading.scan.source import StreamSource
from lading.scan.tar import Entry, TarScanner
from lading.verify.budget import Budget
from lading.verify.hashing import hasher

__all__ = ["AuditedBlob", "Visitor", "audit_blob", "audit_layer", "audit_name"]

Visitor = Callable[[Entry, Iterator[bytes | memoryview]], None]
"""Is shown every entry with its data, which it need not take."""


@dataclass(frozen=True, slots=True)
class AuditedBlob:
    """What a blob was found to be. Sizes in bytes.

    `intact` says that digest and size are as described. `diff_id` is None when the blob was not
    read as a layer, or not to its end.
    """

    size: int
    intact: bool
    diff_id: Digest | None = None
    uncompressed_size: int = 0
    entries: int = 0


class _Blob:
    """The bytes of a blob as they pass: counted and hashed, and hardly more than described."""

    def __init__(self, stream: BinaryIO, digest: Digest, size: int, budget: Budget) -> None:
        self._stream = stream
        self._hash = hashlib.new(digest.algorithm)
        self._digest = digest
        self._expected = size
        self._budget = budget
        self.size = 0

    def chunks(self) -> Iterator[bytes]:
        # More than described is wrong already, and may never end.
        while self.size <= self._expected and (data := self._stream.read(CHUNK)):
            self._budget.spend(0)
            self._hash.update(data)
            self.size += len(data)
            yield data

    def check(self, subject: str, found: Findings) -> bool:
        """Reads what is left, notes a wrong size or digest, and says whether both are right."""
        for _ in self.chunks():
            pass
        if self.size != self._expected:
            more = "at least " if self.size > self._expected else ""
            what = f"{more}{self.size} bytes, described as {self._expected}"
            found.add("blob-size", subject, what)
            return False
        if self._hash.hexdigest() != self._digest.hex:
            actual = f"{self._digest.algorithm}:{self._hash.hexdigest()}"
            found.add("blob-digest", subject, f"the content is {actual}")
            return False
        return True


def audit_blob(
    stream: BinaryIO, digest: Digest, size: int, *, subject: str, found: Findings, budget: Budget
) -> AuditedBlob:
    """Checks content that has no rules of its own against its digest and size."""
    blob = _Blob(stream, digest, size, budget)
    try:
        intact = blob.check(subject, found)
    except Fault as fault:
        found.add(fault.rule, subject, fault.what)
        intact = False
    return AuditedBlob(blob.size, intact)


def audit_name(
    stream: BinaryIO, digest: Digest, *, subject: str, found: Findings, budget: Budget
) -> None:
    """Checks content that nothing describes against the digest that it is named by."""
    actual = hashlib.new(digest.algorithm)
    try:
        while data := stream.read(CHUNK):
            budget.spend(0)
            actual.update(data)
    except Fault as fault:
        found.add(fault.rule, subject, fault.what)
        return
    if actual.hexdigest() != digest.hex:
        what = f"the content is {digest.algorithm}:{actual.hexdigest()}"
        found.add("blob-digest", subject, what)


def audit_layer(
    stream: BinaryIO,
    digest: Digest,
    size: int,
    compression: str,
    *,
    diff_algorithm: str = "sha256",
    subject: str,
    found: Findings,
    limits: Limits,
    budget: Budget,
    visit: Visitor | None = None,
) -> AuditedBlob:
    """Reads a layer once, from its first byte to its last, and notes everything wrong with it.

    Args:
        stream: the compressed blob.
        digest, size: what the blob is described with.
        compression: what its media type says: `gzip`, `zstd` or `none`.
        diff_algorithm: what its diff_id is to be computed with.
        subject: how findings name the layer.
        found: where findings go. When the blob is not the one described, that alone is reported:
            everything else may follow from it.
        limits: caps on entries, uncompressed bytes and ratio.
        budget: time and bytes shared by all layers of an image.
        visit: is shown every entry; without it only headers are looked at.
    """
    blob = _Blob(stream, digest, size, budget)
    layer = _Layer(blob, diff_algorithm, limits, budget, subject)
    layer.read(compression, visit, threaded=size > CHUNK * 4)
    try:
        intact = blob.check(subject, found)
    except Fault as fault:
        layer.report(fault.rule, fault.at, fault.what)
        found.extend(layer.found)
        return AuditedBlob(blob.size, False, None, layer.size, layer.entries)
    if intact:
        found.extend(layer.found)
    diff_id = layer.diff_id if intact else None
    return AuditedBlob(blob.size, intact, diff_id, layer.size, layer.entries)


class _Layer:
    """One pass over a layer: what is found, and what is counted on the way."""

    def __init__(
        self, blob: _Blob, algorithm: str, limits: Limits, budget: Budget, subject: str
    ) -> None:
        self._blob = blob
        self._algorithm = algorithm
        self._limits = limits
        self._budget = budget
        self._subject = subject
        self.found = Findings(limits)
        self.diff_id: Digest | None = None
        self.size = 0
        self.entries = 0

    def report(self, rule: str, at: str, what: str) -> None:
        self.found.add(rule, self._subject, what, at=at)

    def read(self, compression: str, visit: Visitor | None, *, threaded: bool) -> None:
        """Reads the layer as far as it can be read; sets `diff_id` when that is to the end."""
        diff = hasher(self._algorithm, threaded=threaded)
        try:
            actual, chunks = self._sniff(compression)
            plain = self._pass_on(decompress(actual, chunks), diff.update)
            self._scan(TarScanner(StreamSource(plain), self.report), visit)
            for _ in plain:  # a fault in the tar does not change the layer's digest
                pass
            if not self.found.has_any(_UNREADABLE):
                self.diff_id = Digest(self._algorithm, diff.finish())
        except Fault as fault:
            self.report(fault.rule, fault.at, fault.what)
        finally:
            diff.finish()

    def _sniff(self, compression: str) -> tuple[str, Iterator[bytes]]:
        """How the blob is compressed by its own bytes, which have the last word, and its bytes."""
        chunks = self._blob.chunks()
        head = b""
        while len(head) < 512 and (chunk := next(chunks, None)) is not None:
            head += chunk
        actual = sniff(head)
        if actual != compression:
            if actual == "none" and head[257:262] != b"ustar":
                raise Fault("compression-corrupt", f"it is described as {compression} and is not")
            self.report("layer-compression", "", f"described as {compression}, is {actual}")
            if actual not in ("none", "gzip", "zstd"):
                raise Fault("compression-corrupt", f"{actual} is no compression of layers")
        return actual, chain((head,), chunks) if head else chunks

    def _pass_on(self, chunks: Iterator[bytes], update: Callable[[bytes], None]) -> Iterator[bytes]:
        limits = self._limits
        for chunk in chunks:
            update(chunk)
            self.size += len(chunk)
            self._budget.spend(len(chunk))
            if self.size > limits.layer_bytes:
                raise Fault("limit-size", f"more than {limits.layer_bytes} bytes uncompressed")
            if self.size > limits.ratio_floor and self.size > limits.ratio * self._blob.size:
                raise Fault("limit-ratio", f"{self.size} bytes from {self._blob.size}")
            yield chunk

    def _scan(self, scanner: TarScanner, visit: Visitor | None) -> None:
        rules = LayerRules(self.report)
        for entry in scanner:
            self.entries += 1
            if self.entries > self._limits.entries:
                raise Fault("limit-entries", f"more than {self._limits.entries} entries")
            rules.check(entry)
            if visit is not None:
                visit(entry, scanner.data())


#: After a finding of these, what was hashed is not the whole layer.
_UNREADABLE = frozenset(
    {
        "compression-corrupt",
        "compression-trailing-data",
        "limit-entries",
        "limit-ratio",
        "limit-size",
        "limit-time",
    }
)
