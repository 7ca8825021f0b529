"""An archive of one image on disk: ours, or whatever `docker save` and its like have written.

Opening one reads its documents and finds its layers, and refuses what is not exactly one
complete image. The bytes of layers are verified by whoever reads them, or by `verify`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from lading.errors import CorruptError, LadingError, NotFoundError
from lading.oci import document, layout, media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.scan.codec import sniff
from lading.store import disk, tarball, tarscan
from lading.store import image as images
from lading.store.entry import Entry
from lading.store.image import Image
from lading.store.tarscan import TarFile

__all__ = ["ENTRY", "Archive", "said", "verify"]

#: The annotation of the image in `index.json` that holds its catalog entry, as JSON, so that
#: the catalog can be rebuilt from the archives.
ENTRY = "dev.lading.store.entry"
#: Longest text of an archive about itself that counts: a thousand packages take 16 KiB.
_MOST = 256 * 1024
_CHUNK = 1024 * 1024


class Archive(AbstractContextManager["Archive"]):
    """An open archive. It is a `Content`.

    `roots` are its images, `root` is the first of them.

    Args:
        path: the file.
        several: whether an archive for docker may hold several images, which nothing but
            verification takes.

    Raises:
        NotFoundError: there is no such file.
        CorruptError: it is not the archive of one image; says in which of many ways.
    """

    def __init__(self, path: Path, *, several: bool = False) -> None:
        self.file_path = path
        self._file = disk.open_regular(path)
        self._made: dict[Digest, bytes] = {}
        self._blobs: dict[Digest, TarFile] = {}
        self._digests: dict[TarFile, Digest] = {}
        try:
            self._files = tarscan.scan(self._file.fileno(), what=str(path))
            if layout.INDEX_FILE in self._files and layout.MARKER_FILE in self._files:
                self.roots = [self._read_layout()]
            elif tarball.DOCKER_MANIFEST in self._files:
                entries = self._docker_entries() if several else [self._docker_entry()]
                self.roots = [self._read_docker(entry) for entry in entries]
                if not self.roots:
                    raise self._not_one(0, [])
            else:
                raise CorruptError(
                    f"{path} is a tar, but no image: it has no index.json and no manifest.json",
                    fix="an image is written by lading, docker save or podman save; "
                    "docker export writes something else",
                )
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def root(self) -> Descriptor:
        return self.roots[0]

    def close(self) -> None:
        """Closes the file. Layers that were opened before can still be read."""
        self._file.close()

    def fileno(self) -> int:
        """The descriptor of the open file."""
        return self._file.fileno()

    def image(self, platform: Platform | None = None) -> Image:
        """The image in it; with a platform, the one for that.

        Raises:
            NotFoundError: there is none for the platform.
            CorruptError: a part is missing or has another size than its descriptor says.
        """
        try:
            image = images.read(self, self.root, platform)
            for layer in image.layers:
                self._find(layer)
            self._agree(image)
        except LadingError as error:
            raise error.about(str(self.file_path)) from None
        return image

    def layer_places(self, image: Image) -> list[tuple[Digest, int]]:
        """Where in the file each layer of its image begins."""
        return [(layer.digest, self._find(layer).offset) for layer in image.layers]

    def open(self, descriptor: Descriptor) -> BinaryIO:
        made = self._made.get(descriptor.digest)
        if made is not None:
            return io.BytesIO(made)
        return tarscan.window(self._file.fileno(), self._find(descriptor))

    def path(self, descriptor: Descriptor) -> Path | None:
        return None

    def _find(self, descriptor: Descriptor) -> TarFile:
        found = self._blobs.get(descriptor.digest)
        if found is None:
            found = self._files.get(layout.blob_name(descriptor.digest))
        if found is None:
            raise CorruptError(
                f"{self.file_path} is incomplete: it does not hold {descriptor.digest}"
            )
        if found.size != descriptor.size:
            raise CorruptError(
                f"{self.file_path} is corrupt: {descriptor.digest} has {found.size} bytes in it, "
                f"not {descriptor.size}"
            )
        return found

    def _read_layout(self) -> Descriptor:
        what = f"{self.file_path}, {layout.INDEX_FILE}"
        layout.check_marker(self._document(layout.MARKER_FILE), what=str(self.file_path))
        roots = layout.LayoutIndex.parse(self._document(layout.INDEX_FILE), what=what).manifests
        distinct = {root.digest: root for root in roots}
        if len(distinct) != 1:
            raise self._not_one(
                len(distinct), [root.annotations.get(layout.REF_NAME, "") for root in roots]
            )
        return next(iter(distinct.values()))

    def _read_docker(self, entry: Mapping[str, Any]) -> Descriptor:
        """Makes the manifest that a docker-archive does not have, over its files as they are."""
        config_data = self._document(entry["Config"])
        config = Descriptor.of(media_types.CONFIG, config_data)
        stated = Path(entry["Config"]).name.removesuffix(".json")
        if len(stated) == 64 and stated != config.digest.hex:
            raise CorruptError(f"{self.file_path} is corrupt: its config is not what its name says")
        value = document.loads_object(config_data, what=f"{self.file_path}, {entry['Config']}")
        rootfs = value.get("rootfs")
        diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
        names = entry["Layers"]
        if not isinstance(diff_ids, list) or len(diff_ids) != len(names):
            raise CorruptError(f"{self.file_path} is corrupt: its layers and diff_ids do not agree")
        layers = [
            self._layer(name, Digest.from_json(diff_id, what=f"{self.file_path}, diff_ids"))
            for name, diff_id in zip(names, diff_ids, strict=True)
        ]
        manifest = document.dumps(
            {
                "schemaVersion": 2,
                "mediaType": media_types.MANIFEST,
                "config": config.to_json(),
                "layers": [layer.to_json() for layer in layers],
            }
        )
        root = Descriptor.of(media_types.MANIFEST, manifest)
        self._made |= {root.digest: manifest, config.digest: config_data}
        return root

    def _docker_entry(self) -> Mapping[str, Any]:
        entries = self._docker_entries()
        if len(entries) != 1:
            raise self._not_one(len(entries), [str(item.get("RepoTags")) for item in entries])
        return entries[0]

    def _docker_entries(self) -> list[Mapping[str, Any]]:
        what = f"{self.file_path}, {tarball.DOCKER_MANIFEST}"
        entries = document.loads(self._document(tarball.DOCKER_MANIFEST), what=what)
        if not isinstance(entries, list) or not all(isinstance(item, dict) for item in entries):
            raise CorruptError(f"{what} is not a list of images")
        for entry in entries:
            if not isinstance(entry.get("Config"), str) or not isinstance(
                entry.get("Layers"), list
            ):
                raise CorruptError(f"{what} has no Config or no Layers")
        return entries

    def _layer(self, name: object, diff_id: Digest) -> Descriptor:
        """Describes a layer of a docker-archive. A plain tar has its diff_id as its digest."""
        found = self._files.get(name) if isinstance(name, str) else None
        if found is None:
            raise CorruptError(f"{self.file_path} is incomplete: it does not hold {name!r:.200}")
        kinds = {"gzip": media_types.LAYER_GZIP, "zstd": media_types.LAYER_ZSTD}
        kind = kinds.get(sniff(os.pread(self._file.fileno(), 4, found.offset)), "")
        digest = self._hashed(found) if kind else diff_id
        self._blobs[digest] = found
        return Descriptor(kind or media_types.LAYER, digest, found.size)

    def _hashed(self, file: TarFile) -> Digest:
        # Many images may have one layer, and one image a layer many times.
        there = self._digests.get(file)
        if there is None:
            hasher = hashlib.sha256()
            with tarscan.window(self._file.fileno(), file) as window:
                while chunk := window.read(_CHUNK):
                    hasher.update(chunk)
            there = self._digests[file] = Digest("sha256", hasher.hexdigest())
        return there

    def _agree(self, image: Image) -> None:
        """What docker would load by `manifest.json` has to be what `index.json` says."""
        if tarball.DOCKER_MANIFEST not in self._files or image.config.digest in self._made:
            return
        entry = self._docker_entry()
        config = Digest.of(self._document(entry["Config"]), image.config.digest.algorithm)
        if config != image.config.digest or len(entry["Layers"]) != len(image.layers):
            raise CorruptError("its manifest.json and index.json are about different images")

    def _document(self, name: str) -> bytes:
        found = self._files.get(name)
        if found is None:
            raise CorruptError(f"{self.file_path} is incomplete: it does not hold {name!r:.200}")
        if found.size > document.MAX_DOCUMENT_BYTES:
            raise CorruptError(f"{self.file_path} is no image: {name!r:.200} is {found.size} bytes")
        return os.pread(self._file.fileno(), found.size, found.offset)

    def _not_one(self, count: int, names: list[str]) -> CorruptError:
        return CorruptError(
            f"{self.file_path} holds {count} images{': ' if count else ''}{', '.join(names)[:200]}",
            fix="the store keeps one image in one archive: save them one by one",
        )


def said(archive: Archive, name: str) -> Entry | None:
    """The entry that the archive holds about itself, if lading wrote it under this name."""
    text = archive.root.annotations.get(ENTRY, "")
    try:
        values: Any = json.loads(text) if len(text) <= _MOST else None
        return Entry.from_values(values) if values.get("name") == name else None
    except (ValueError, AttributeError, RecursionError, LadingError):
        return None


def verify(
    archive: Archive,
    image: Image,
    *,
    deep: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Reads every layer and compares it with its digest, and with its diff_id when `deep`.

    Raises CorruptError naming the archive and the layer.
    """
    blobs = {layer.digest: layer for layer in image.layers}
    done, total = 0, sum(layer.size for layer in blobs.values())
    for layer in blobs.values():
        member = tarball.Member("", layer.size, source=layer)
        try:
            for block in tarball.content_blocks(archive, member):
                done += len(block)
                progress(done, total)
        except (CorruptError, NotFoundError) as error:
            raise CorruptError(f"{archive.file_path} is corrupt: {error.what}") from None
    if deep:
        for layer, expected in zip(image.layers, image.diff_ids, strict=True):
            _check_diff_id(archive, layer, expected)


def _check_diff_id(archive: Archive, layer: Descriptor, expected: Digest) -> None:
    from lading.layer.decompress import uncompressed

    what = f"{archive.file_path}, the layer {layer.digest},"
    hasher = hashlib.new(expected.algorithm)
    with archive.open(layer) as stream:
        chunks = iter(lambda: stream.read(_CHUNK), b"")
        for chunk in uncompressed(chunks, layer.size, what=what):
            hasher.update(chunk)
    if hasher.hexdigest() != expected.hex:
        raise CorruptError(f"{what} does not unpack to its diff_id {expected}")
