"""The ImageLayout action: a whole image as one output, made only when somebody asks for it.

`oci_layout` is a directory, `oci_tarball` the same in a tar, `docker_archive` what `docker load`
reads. Blobs are real files: recent registry clients refuse symbolic links. They are cloned where
the file system can, else copied, and never hard-linked: a link changes the ctime by which Bazel
recognises its outputs, and gives a blob that is a source file the mode of an output.
"""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from lading.actions import flags, worker
from lading.errors import InputError, NotFoundError, cannot_write
from lading.oci import document, layout
from lading.oci.content import FilesContent, checked, walk
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.record import replace
from lading.store import image, tarball
from lading.store.tarball import Member

__all__ = ["run"]

_FICLONE = 0x40049409
#: Copying waits for the disk as much as for the hash.
_THREADS = 4
#: The annotation in `index.json` by which containerd, and so Docker, and podman name an image.
_CONTAINERD_NAME = "io.containerd.image.name"


@dataclass(frozen=True, slots=True)
class _Purpose:
    """What an archive for `docker load` calls its image, and the platform it is for, if any."""

    names: Sequence[str]
    platform: str


def run(request: worker.Request) -> None:
    """Writes one image.

    Args:
        request: its arguments are `--format=oci_layout` (the default), `oci_tarball` or
            `docker_archive`, `--output=PATH`, `--descriptor=PATH` of the image, `--document=PATH`
            for each index, manifest and config, `--blob=PATH<TAB>JSON` for each layer with its
            metadata or descriptor, `--layout=DIR` for each directory with more blobs, and
            `--name=REPOSITORY:TAG`, repeatable, for what a docker archive calls the image, and
            `--platform=` for the image of an index that is Docker's.

    Raises:
        NotFoundError: a part of the image is not among the inputs.
        CorruptError: a part does not match its digest and size.
        StorageError: the output cannot be written.
    """
    one, many = flags.parse(
        request.arguments,
        required=("output", "descriptor"),
        single=("format", "platform"),
        repeated=("document", "blob", "layout", "name"),
    )
    write = _FORMATS.get(one.get("format", "oci_layout"))
    if write is None:
        raise InputError(
            f"--format={one['format']:.40} is unknown", fix=f"formats are {', '.join(_FORMATS)}"
        )
    root = _descriptor(one["descriptor"])
    layouts = chain.from_iterable(layout.blob_files(Path(path)) for path in many["layout"])
    content = FilesContent(dict(chain(layouts, _documents(many["document"]), _blobs(many["blob"]))))
    output = Path(one["output"])
    try:
        write(output, root, content, _Purpose(many["name"], one.get("platform", "")))
    except OSError as error:
        raise cannot_write(output, error) from None


def _write_layout(
    output: Path, root: Descriptor, content: FilesContent, _purpose: _Purpose
) -> None:
    parts = list(walk(content, root))
    for algorithm in {descriptor.digest.algorithm for descriptor, _ in parts}:
        (output / "blobs" / algorithm).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda part: _put(output, content, *part), parts))
    (output / layout.INDEX_FILE).write_bytes(layout.LayoutIndex((root,)).dumps())
    # Last: a directory without this file is no layout.
    (output / layout.MARKER_FILE).write_bytes(layout.MARKER)


def _put(output: Path, content: FilesContent, descriptor: Descriptor, data: bytes | None) -> None:
    target = output / layout.blob_name(descriptor.digest)
    if data is not None:
        target.write_bytes(data)
        return
    with _open(content, descriptor) as source, target.open("w+b") as file:
        copied = _clone(source, file)
        blocks = checked(
            file if copied else source,
            descriptor,
            what=f"the content of {descriptor.digest}",
            fix="a layer's metadata belongs to another blob, or the blob was changed by hand",
        )
        for block in blocks:
            if not copied:
                file.write(block)


def _clone(source: BinaryIO, target: BinaryIO) -> bool:
    """Shares the blocks of `source` (btrfs, XFS); returns whether the file system can."""
    try:
        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        return False
    return True


def _write_tarball(
    output: Path, root: Descriptor, content: FilesContent, _purpose: _Purpose
) -> None:
    _write_tar(output, _layout_files(content, [root]), content)


def _layout_files(
    content: FilesContent, roots: Sequence[Descriptor], *more: Member
) -> list[Member]:
    """The files of a layout in a tar, `more` of them behind the first two; layers come last."""
    files = [
        Member.of(layout.MARKER_FILE, layout.MARKER),
        Member.of(layout.INDEX_FILE, layout.LayoutIndex(tuple(roots)).dumps()),
        *more,
    ]
    blobs = []
    for descriptor, data in walk(content, roots[0]):
        name = layout.blob_name(descriptor.digest)
        if data is not None:
            files.append(Member.of(name, data))
        else:
            blobs.append(Member(name, descriptor.size, source=descriptor))
    return files + blobs


def _write_archive(
    output: Path, root: Descriptor, content: FilesContent, purpose: _Purpose
) -> None:
    manifests = list(image.manifests(content, root))
    if len(manifests) == 1:
        one = image.read(content, manifests[0])
        _write_tar(output, tarball.members(one, purpose.names), content)
    elif purpose.platform:
        _write_index_archive(output, root, content, purpose)
    else:
        raise InputError(
            f"a docker archive holds one image, and {root.digest} lists {len(manifests)}",
            fix="ask for the archive of one of its manifests, or for oci_tarball",
        )


def _write_index_archive(
    output: Path, root: Descriptor, content: FilesContent, purpose: _Purpose
) -> None:
    """All images of an index for those who read layouts, and the one for the platform for others.

    Docker reads the layout where it keeps images in containerd, and `manifest.json` elsewhere.
    """
    roots = [_named(root, name) for name in purpose.names] or [root]
    try:
        one = image.read(content, root, Platform.parse(purpose.platform))
    except NotFoundError:
        # The index has none for that platform; what else is missing, the walk says.
        files = _layout_files(content, roots)
    else:
        files = _layout_files(content, roots, tarball.docker_manifest(one, purpose.names))
    _write_tar(output, files, content)


def _named(root: Descriptor, name: str) -> Descriptor:
    """`root` as `index.json` names it for containerd, Docker and podman, and by its tag."""
    names = {_CONTAINERD_NAME: name, layout.REF_NAME: name.rpartition(":")[2]}
    return replace(root, annotations={**root.annotations, **names})


def _write_tar(output: Path, files: Sequence[Member], content: FilesContent) -> None:
    with output.open("wb") as file:
        for block in tarball.stream(files, content):
            file.write(block)


def _open(content: FilesContent, descriptor: Descriptor) -> BinaryIO:
    try:
        return content.open(descriptor)
    except NotFoundError:
        raise NotFoundError(
            f"the layer {descriptor.digest} of the image is not among the inputs",
            fix='set layer_handling = "eager" where its base is pulled: it has no layers here',
        ) from None


def _documents(paths: Iterable[str]) -> Iterator[tuple[Digest, Path]]:
    for path in paths:
        yield Digest.of(flags.read(path)), Path(path)


def _blobs(items: Iterable[str]) -> Iterator[tuple[Digest, Path]]:
    for item in items:
        path, metadata = flags.tabbed(item, "--blob", "PATH<TAB>METADATA")
        yield _descriptor(metadata).digest, Path(path)


def _descriptor(path: str) -> Descriptor:
    return Descriptor.from_json(document.loads_object(flags.read(path), what=path), what=path)


_FORMATS: Mapping[str, Callable[[Path, Descriptor, FilesContent, _Purpose], None]] = {
    "oci_layout": _write_layout,
    "oci_tarball": _write_tarball,
    "docker_archive": _write_archive,
}


if __name__ == "__main__":
    worker.main(run)
