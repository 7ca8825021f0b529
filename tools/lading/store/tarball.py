"""An image as one tar stream that is both a docker-archive and an OCI layout.

`manifest.json` makes it an archive for docker, podman and skopeo, `oci-layout` and `index.json`
make it a layout for whoever reads those; both point at the same blobs, so nothing is there
twice. The bytes depend on the image, its names and nothing else.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from lading.errors import CorruptError
from lading.oci import document, layout
from lading.oci.content import Content, checked
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.record import replace
from lading.store.image import Image

__all__ = [
    "ALIGNMENT",
    "DOCKER_MANIFEST",
    "Member",
    "Placed",
    "content_blocks",
    "docker_manifest",
    "docker_members",
    "end_of",
    "members",
    "placed",
    "stream",
]

#: The name of the file that makes a tar a docker-archive.
DOCKER_MANIFEST = "manifest.json"
_BLOCK = 256 * 1024
_RECORD = tarfile.BLOCKSIZE
_MODE = 0o644
#: Where a layer of at least this size begins in a file: at a multiple of it, which is the unit in
#: which file systems share bytes between files.
ALIGNMENT = 4096


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the tar: its name and either its bytes or the content to read them from."""

    name: str
    size: int
    data: bytes | None = None
    source: Descriptor | None = None
    #: Opens the member's bytes when they are not those of `source` as it is stored.
    opener: Callable[[], BinaryIO] | None = None

    @staticmethod
    def of(name: str, data: bytes) -> Member:
        """A file whose bytes are at hand."""
        return Member(name, len(data), data=data)


def members(
    image: Image, names: Sequence[str], annotations: Mapping[str, str] | None = None
) -> list[Member]:
    """The files of the archive of `image`, in order: documents first, layers last.

    Args:
        image: the image.
        names: what `manifest.json` says it is called, as `repository:tag`.
        annotations: what `index.json` says about it, such as its tag.
    """
    annotations = {**image.manifest.annotations, **(annotations or {})}
    root = replace(image.manifest, annotations=annotations, platform=image.platform)
    files = [
        Member.of(layout.MARKER_FILE, layout.MARKER),
        Member.of(layout.INDEX_FILE, layout.LayoutIndex((root,)).dumps()),
        docker_manifest(image, names),
        Member.of(layout.blob_name(image.manifest.digest), image.manifest_bytes),
        Member.of(layout.blob_name(image.config.digest), image.config_bytes),
    ]
    blobs = {layout.blob_name(layer.digest): layer for layer in image.layers}
    return files + [Member(name, layer.size, source=layer) for name, layer in blobs.items()]


def docker_members(image: Image, skip: Collection[Digest]) -> list[Member]:
    """The files of a plain docker-archive without a name, leaving out the layers in `skip`."""
    blobs = {layout.blob_name(layer.digest): layer for layer in image.layers}
    return [
        docker_manifest(image, []),
        Member.of(layout.blob_name(image.config.digest), image.config_bytes),
        *(
            Member(name, layer.size, source=layer)
            for name, layer in blobs.items()
            if layer.digest not in skip
        ),
    ]


@dataclass(frozen=True, slots=True)
class Placed:
    """A member and its place in a file: `head` is at `at`, its bytes follow right behind."""

    at: int
    head: bytes
    member: Member

    @property
    def data_at(self) -> int:
        """Where its first byte is."""
        return self.at + len(self.head)


def placed(files: Sequence[Member]) -> list[Placed]:
    """Where each member is in an archive on a disk, layers at multiples of ALIGNMENT.

    What fills the gaps before them is the `comment` of an extended header, which readers of tar
    ignore (POSIX.1-2017, pax).
    """
    found: list[Placed] = []
    at = 0
    for file in files:
        head = _header(file)
        if file.source is not None and file.size >= ALIGNMENT and (at + len(head)) % ALIGNMENT:
            # An extended header, a number of records, and the header of the member.
            count = (-at // _RECORD - 2) % (ALIGNMENT // _RECORD) or ALIGNMENT // _RECORD
            head = _header(file, fill=count)
        found.append(Placed(at, head, file))
        at += len(head) + file.size + -file.size % _RECORD
    return found


def end_of(places: Sequence[Placed]) -> int:
    """The size of the archive, its end included."""
    last = places[-1]
    return last.data_at + last.member.size + -last.member.size % _RECORD + 2 * _RECORD


def stream(
    files: Sequence[Member], content: Content, sent: Callable[[int], None] = lambda _: None
) -> Iterator[bytes]:
    """Yields the tar, verifying the digest and size of every blob as it passes.

    A blob that turns out wrong raises CorruptError before its last block is yielded, so that a
    reader never gets a complete archive. `sent` is called with the bytes yielded since the
    last call.
    """
    for file in files:
        header = _header(file)
        yield header
        if file.data is not None:
            yield file.data
        else:
            blocks = _opened(file) if file.opener else content_blocks(content, file)
            for block in blocks:
                yield block
                sent(len(block))
        yield bytes(-file.size % _RECORD)
    yield bytes(2 * _RECORD)


def content_blocks(content: Content, file: Member) -> Iterator[bytes]:
    """The bytes of a member's blob in blocks of up to 256 KiB, the last one only when all is right.

    Raises CorruptError when size or digest differ from the descriptor, NotFoundError when the
    blob is not there.
    """
    source = file.source
    assert source is not None
    with content.open(source) as opened:
        yield from checked(opened, source, what=f"the layer {source.digest}", block=_BLOCK)


def _opened(file: Member) -> Iterator[bytes]:
    assert file.opener is not None
    left = file.size
    with file.opener() as opened:
        while block := opened.read(_BLOCK):
            left -= len(block)
            yield block
    if left:
        raise CorruptError(f"{file.name} changed while it was read")


def docker_manifest(image: Image, names: Sequence[str]) -> Member:
    """The file that makes the archive of a layout one for Docker too; see `members` for `names`."""
    layers = [layout.blob_name(layer.digest) for layer in image.layers]
    config = layout.blob_name(image.config.digest)
    entry = {"Config": config, "RepoTags": list(names), "Layers": layers}
    return Member.of(DOCKER_MANIFEST, b"[" + document.dumps(entry) + b"]")


def _header(file: Member, *, fill: int = 0) -> bytes:
    """The header of a member, with an extended one of so many records before it."""
    info = tarfile.TarInfo(file.name)
    info.size, info.mode = file.size, _MODE
    if fill:
        # 64 bytes of the last record are left for the keywords, and for a size of more than 8 GiB.
        info.pax_headers = {"comment": " " * (fill * _RECORD - 64)}
    # Otherwise there is one only for such a size, which USTAR cannot hold.
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
