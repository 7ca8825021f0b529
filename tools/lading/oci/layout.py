"""The OCI image layout as pure data (image-spec 1.1, image-layout.md): names and `index.json`.

Reading is tolerant of what other tools leave out (`schemaVersion`, `mediaType`, a manifest's
platform); writing is strict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lading.errors import CorruptError, InputError, NotFoundError
from lading.oci import document, media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.record import field, record, replace

__all__ = [
    "INDEX_FILE",
    "MARKER",
    "MARKER_FILE",
    "REF_NAME",
    "LayoutIndex",
    "blob_files",
    "blob_name",
    "check_marker",
    "tag_names",
]

#: The file that says that a directory is a layout, and what it holds.
MARKER_FILE = "oci-layout"
MARKER = b'{"imageLayoutVersion":"1.0.0"}'
INDEX_FILE = "index.json"
#: The annotation of a descriptor in `index.json` that holds its tag.
REF_NAME = "org.opencontainers.image.ref.name"


def blob_name(digest: Digest) -> str:
    """Where a layout keeps the content of `digest`, relative to its directory."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


def tag_names(manifests: Iterable[Descriptor]) -> str:
    """What the entries of an `index.json` are tagged with, in a line for people."""
    return ", ".join(sorted(one.annotations.get(REF_NAME, "?") for one in manifests))[:200]


def blob_files(directory: Path) -> Iterator[tuple[Digest, Path]]:
    """Every blob of the layout in `directory`, sorted; files with other names are passed over.

    Raises NotFoundError when there is no such layout.
    """
    if not (directory / "blobs").is_dir():
        raise NotFoundError(f"{directory} is no OCI image layout: it has no directory blobs")
    for algorithm in sorted((directory / "blobs").iterdir()):
        for path in sorted(algorithm.iterdir()):
            try:
                digest = Digest.parse(f"{algorithm.name}:{path.name}")
            except InputError:
                continue
            yield digest, path


def check_marker(data: bytes, *, what: str) -> None:
    """Raises CorruptError unless `data` is an `oci-layout` file of version 1."""
    version = document.loads_object(data, what=what).get("imageLayoutVersion")
    if not isinstance(version, str) or version.split(".")[0] != "1":
        raise CorruptError(f"{what} has the imageLayoutVersion {version!r}, not 1.0.0")


@record
class LayoutIndex:
    """What `index.json` says: the layout's roots, tagged by annotation or not at all.

    `extra` keeps the fields that are not known here (annotations, `subject`, …).
    """

    manifests: tuple[Descriptor, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def parse(data: bytes, *, what: str) -> LayoutIndex:
        """Reads `index.json`; `what` names it. Raises CorruptError or LimitError."""
        value = document.loads_object(data, what=what)
        if value.get("schemaVersion", 2) != 2:
            raise CorruptError(f"{what} has the schemaVersion {value['schemaVersion']!r}, not 2")
        if str(value.get("mediaType", media_types.INDEX)) not in media_types.INDEX_TYPES:
            raise CorruptError(f"{what} has the mediaType {value['mediaType']!r:.80}")
        if "layers" in value or "config" in value:
            raise CorruptError(f"{what} claims to be an index and a manifest at once")
        manifests = value.get("manifests")
        # Go programs write an empty list as null.
        if not isinstance(manifests, list) and ("manifests" not in value or manifests is not None):
            raise CorruptError(f"{what} has no list of manifests")
        found = tuple(Descriptor.from_json(item, what=what) for item in manifests or ())
        known = {"schemaVersion", "mediaType", "manifests"}
        return LayoutIndex(found, {key: item for key, item in value.items() if key not in known})

    def dumps(self) -> bytes:
        """The bytes of `index.json`."""
        return document.dumps(
            {
                "schemaVersion": 2,
                "mediaType": media_types.INDEX,
                "manifests": [descriptor.to_json() for descriptor in self.manifests],
                **self.extra,
            }
        )

    def tags(self) -> dict[str, Descriptor]:
        """Every tag with the descriptor it names, sorted; the last of two equal tags counts."""
        named = ((item.annotations.get(REF_NAME, ""), item) for item in self.manifests)
        return dict(sorted((tag, item) for tag, item in named if tag))

    def find(self, tag: str) -> Descriptor:
        """The descriptor tagged `tag`; raises NotFoundError listing the tags there are."""
        tags = self.tags()
        if tag not in tags:
            known = ", ".join(list(tags)[:8]) + (", …" if len(tags) > 8 else "")
            raise NotFoundError(f"there is no tag {tag!r}", fix=f"tags here: {known or 'none'}")
        return tags[tag]

    def with_root(self, root: Descriptor, tags: Iterable[str]) -> LayoutIndex:
        """This index with `root` under every one of `tags`, or untagged when there is none.

        A tag that moves keeps no trace of what it named: the old root stays only under its
        other tags. The result is sorted, so equal contents are equal bytes.
        """
        wanted = set(tags)
        kept = [
            item
            for item in self.manifests
            if item.annotations.get(REF_NAME, "") not in wanted
            and not (item.digest == root.digest and not item.annotations.get(REF_NAME))
        ]
        tagged = any(item.digest == root.digest for item in kept)
        if wanted:
            kept += [_tagged(root, tag) for tag in wanted]
        elif not tagged:
            kept.append(_tagged(root, ""))
        return replace(self, manifests=_sorted(kept))


def _tagged(root: Descriptor, tag: str) -> Descriptor:
    annotations = {key: text for key, text in root.annotations.items() if key != REF_NAME}
    if tag:
        annotations[REF_NAME] = tag
    return replace(root, annotations=annotations)


def _sorted(items: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
    return tuple(
        sorted(items, key=lambda item: (item.annotations.get(REF_NAME, ""), str(item.digest)))
    )
