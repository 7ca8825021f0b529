"""Verifies everything below a descriptor: documents, platforms, layers as bytes and as tar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import BinaryIO

from lading.errors import CorruptError, LadingError, LimitError, NotFoundError
from lading.oci import document, media_types
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.oci.verify_config import check_config, is_for_no_platform
from lading.oci.verify_descriptor import same_platform
from lading.oci.verify_index import check_index
from lading.oci.verify_manifest import LAYER_COMPRESSION, check_manifest, may_be_elsewhere
from lading.oci.verify_rules import Findings, Limits
from lading.registry.threads import Threads
from lading.scan.codec import Fault
from lading.verify.audit import audit_blob, audit_layer
from lading.verify.budget import Budget
from lading.verify.claims import Claim, LayerClaim
from lading.verify.toc import TocCheck

__all__ = ["Counts", "ImageVerifier", "Progress"]

_THREADS = 4

#: Called with the bytes read and to read.
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Counts:
    """What was examined; `blobs` maps each digest seen to its size."""

    images: int = 0
    layers: int = 0
    entries: int = 0
    blobs: dict[Digest, int] = field(default_factory=dict)


class ImageVerifier:
    """Verifies images of one place; what two of them share is read once.

    Args:
        content: where the bytes are.
        found: where findings go.
        limits: caps; time and bytes are shared by everything that is verified.
        platform: what every image has to be for, if that matters.
        progress: is told bytes read and to read.
    """

    def __init__(
        self,
        content: Content,
        found: Findings,
        limits: Limits,
        *,
        platform: Platform | None = None,
        progress: Progress = lambda done, total: None,
    ) -> None:
        self._content = content
        self._found = found
        self._limits = limits
        self._platform = platform
        self._progress = progress
        self._budget = Budget(limits.seconds, limits.total_bytes)
        # What one descriptor says of some content, another may deny: it is examined as each.
        self._seen: set[Claim] = set()
        self._diff_ids: dict[LayerClaim, Digest | None] = {}
        self._platforms: dict[Digest, Platform | None] = {}
        self._documents = 0
        self._done = self._total = 0
        self.counts = Counts()

    def verify(self, root: Descriptor, *, depth: int = 0) -> None:
        """Verifies `root` and all below it."""
        if not self._is_new(root):
            self._compare_platform(root)
            return
        is_index = root.media_type in media_types.INDEX_TYPES
        if not is_index and root.media_type not in media_types.MANIFEST_TYPES:
            self._blob(root)
            return
        subject = str(root.digest)
        if depth > self._limits.depth:
            self._found.add("index-depth", subject, f"deeper than {self._limits.depth}")
            return
        data = self._document(root)
        if data is None:
            return
        if not is_index:
            self._manifest(root, data)
            return
        for child in check_index(data, root.media_type, subject=subject, found=self._found):
            self.verify(child, depth=depth + 1)

    def _manifest(self, root: Descriptor, data: bytes) -> None:
        subject = str(root.digest)
        checked = check_manifest(data, root.media_type, subject=subject, found=self._found)
        if checked is None or checked.config is None:
            return
        layers = checked.layers
        if not checked.is_image:
            self._blobs(checked.config, *layers)
            return
        config_data = self._document(checked.config)
        if config_data and checked.has_nothing_to_run and is_for_no_platform(config_data):
            self._blobs(*layers)
            return
        self.counts.images += 1
        diff_ids: tuple[Digest | None, ...] = ()
        if config_data is not None:
            config = check_config(
                config_data,
                layers=len(layers),
                subject=str(checked.config.digest),
                found=self._found,
            )
            if config is not None:
                diff_ids = config.diff_ids or ()
                self._check_platform(root, config.platform)
        claims = [
            (layer, diff_id)
            for layer, diff_id in zip_longest(layers, diff_ids)
            if layer is not None
        ]
        self._layers(claims)
        for layer, diff_id in claims:
            actual = self._diff_ids.get(LayerClaim.of(layer, diff_id))
            if diff_id is not None and actual is not None and actual != diff_id:
                self._found.add(
                    "diff-id", str(layer.digest), f"it is {actual}, the config says {diff_id}"
                )

    def _is_new(self, descriptor: Descriptor) -> bool:
        """Whether nothing has said the same of this content before."""
        claim = Claim.of(descriptor)
        is_new = claim not in self._seen
        self._seen.add(claim)
        return is_new

    def _check_platform(self, root: Descriptor, own: Platform | None) -> None:
        self._platforms[root.digest] = own
        self._compare_platform(root)
        if own and self._platform and not same_platform(self._platform, own):
            self._found.add("platform-expected", str(root.digest), f"it is for {own}")

    def _compare_platform(self, root: Descriptor) -> None:
        own = self._platforms.get(root.digest)
        if own is None or root.platform is None or same_platform(root.platform, own):
            return
        what = f"described as {root.platform}, is {own}"
        self._found.add("platform-mismatch", str(root.digest), what)

    def _layers(self, claims: list[tuple[Descriptor, Digest | None]]) -> None:
        """Reads layers, several at once; findings come in the order of the layers."""
        fresh = {
            claim: layer
            for layer, diff_id in claims
            if (claim := LayerClaim.of(layer, diff_id)) not in self._diff_ids
        }
        self._diff_ids |= dict.fromkeys(fresh)
        self._total += sum(one.size for one in fresh.values())
        with Threads(_THREADS) as threads:
            for own in threads.each(self._layer, fresh.items()):
                self._found.extend(own)

    def _layer(self, item: tuple[LayerClaim, Descriptor]) -> Findings:
        claim, layer = item
        own = Findings(self._limits)
        subject = str(layer.digest)
        compression = LAYER_COMPRESSION.get(layer.media_type)
        if compression is None:
            own.add("layer-media-type", subject, f"it is {layer.media_type!r:.120}")
            self._raw(layer, own)
            return own
        stream = self._open(layer, own)
        if stream is None:
            return own
        toc = TocCheck(
            layer.annotations, lambda rule, at, what: own.add(rule, subject, what, at=at)
        )
        with stream:
            try:
                audited = audit_layer(
                    toc.tapped(stream),
                    layer.digest,
                    layer.size,
                    compression,
                    diff_algorithm=claim.algorithm,
                    subject=subject,
                    found=own,
                    limits=self._limits,
                    budget=self._budget,
                    visit=toc.visit if toc.wanted else None,
                )
            except LadingError as error:
                own.add(_rule(error), subject, error.what)
                return own
        if toc.wanted and audited.diff_id is not None:
            toc.finish(lambda: self._content.open(layer), audited.uncompressed_size)
        self.counts.layers += 1
        self.counts.entries += audited.entries
        self._diff_ids[claim] = audited.diff_id
        self._advance(layer)
        return own

    def _blobs(self, *descriptors: Descriptor | None) -> None:
        for descriptor in descriptors:
            if descriptor is not None and self._is_new(descriptor):
                self._blob(descriptor)

    def _blob(self, descriptor: Descriptor) -> None:
        self._total += descriptor.size
        self._raw(descriptor, self._found)

    def _raw(self, descriptor: Descriptor, found: Findings) -> None:
        """Content without rules of its own: digest and size."""
        subject = str(descriptor.digest)
        stream = self._open(descriptor, found)
        if stream is None:
            return
        with stream:
            try:
                audit_blob(
                    stream,
                    descriptor.digest,
                    descriptor.size,
                    subject=subject,
                    found=found,
                    budget=self._budget,
                )
            except LadingError as error:
                found.add(_rule(error), subject, error.what)
        self._advance(descriptor)

    def _advance(self, descriptor: Descriptor) -> None:
        self._done += descriptor.size
        self._progress(self._done, self._total)

    def _open(self, descriptor: Descriptor, found: Findings) -> BinaryIO | None:
        self.counts.blobs[descriptor.digest] = descriptor.size
        try:
            return self._content.open(descriptor)
        except LadingError as error:
            if not (isinstance(error, NotFoundError) and may_be_elsewhere(descriptor)):
                found.add(_rule(error), str(descriptor.digest), error.what)
            return None

    def _document(self, descriptor: Descriptor) -> bytes | None:
        """A document that is as described; None, after noting it, for any other."""
        subject = str(descriptor.digest)
        self._documents += 1
        if self._documents > self._limits.documents:
            self._found.add("limit-documents", subject, f"more than {self._limits.documents}")
            return None
        stream = self._open(descriptor, self._found)
        if stream is None:
            return None
        limit = document.MAX_DOCUMENT_BYTES
        try:
            self._budget.spend(0)
            with stream:
                data = b""
                while len(data) <= limit and (more := stream.read(limit + 1 - len(data))):
                    data += more
        except Fault as fault:
            self._found.add(fault.rule, subject, fault.what)
            return None
        except LadingError as error:
            self._found.add(_rule(error), subject, error.what)
            return None
        if len(data) > limit:
            self._found.add("json-size", subject, f"it has more than {limit} bytes")
            return None
        if len(data) != descriptor.size:
            what = f"{len(data)} bytes, described as {descriptor.size}"
            self._found.add("blob-size", subject, what)
            return None
        actual = Digest.of(data, descriptor.digest.algorithm)
        if actual != descriptor.digest:
            self._found.add("blob-digest", subject, f"the content is {actual}")
            return None
        return data


def _rule(error: LadingError) -> str:
    """The rule that an error of a place of content stands for."""
    if isinstance(error, NotFoundError):
        return "blob-missing"
    if isinstance(error, LimitError):
        return "limit-size"
    if isinstance(error, CorruptError):
        return "blob-digest"
    raise error
