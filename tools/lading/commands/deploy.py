"""The deploy specification: which files make up the image that a `bazel run` target is about.

`rules/private/deploy.bzl` writes it; its paths are relative to the runfiles directory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lading.errors import InputError, NotFoundError
from lading.oci import document
from lading.oci.content import FilesContent
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.reference import check_tag

__all__ = ["Deploy", "Source", "read"]

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Source:
    """A repository that holds layers which are not among the files."""

    registry: str
    repository: str


@dataclass(frozen=True, slots=True)
class Deploy:
    """An image and where the target's attributes say it goes."""

    label: str
    root: Descriptor
    content: FilesContent
    registry: str
    repository: str
    tags: tuple[str, ...]
    sources: tuple[Source, ...] = ()
    #: Keys of the specification that only one kind of target has, such as `daemon`.
    extra: Mapping[str, Any] = field(default_factory=dict)


def read(spec: Path, runfiles: Path) -> Deploy:
    """Reads a specification and the small files it names.

    Raises:
        NotFoundError: a file is not there: the target was not built.
        InputError: a tag file holds something that is no tag.
        CorruptError: a file is not what the rules write.
    """
    value = document.loads_object(_bytes(spec), what=str(spec))
    if value.get("version") != _VERSION:
        raise InputError(
            f"{spec} has version {value.get('version')!r}, this lading reads {_VERSION}",
            fix="build the target again",
        )
    image = value["image"]
    files = dict(_files(image, runfiles))
    tags = [*value.get("tags", [])]
    for path in value.get("tag_files", []):
        tags += _bytes(runfiles / path).decode().split()
    sources = {(item["registry"], item["repository"]): None for item in _sources(image)}
    known = {"image", "label", "registry", "repository", "tag_files", "tags", "version"}
    return Deploy(
        label=value["label"],
        root=_descriptor(runfiles / image["descriptor"]),
        content=FilesContent(files),
        registry=value.get("registry", ""),
        repository=value.get("repository", ""),
        tags=tuple(dict.fromkeys(check_tag(tag) for tag in tags)),
        sources=tuple(Source(*pair) for pair in sources),
        extra={key: item for key, item in value.items() if key not in known},
    )


def _files(image: Mapping[str, Any], runfiles: Path) -> Iterator[tuple[Digest, Path]]:
    """The digest of every file of an image, manifests and their parts alike."""
    own = runfiles / (image["index"] if "index" in image else image["manifest"])
    yield _descriptor(runfiles / image["descriptor"]).digest, own
    for manifest in image.get("manifests", []):
        yield from _files(manifest, runfiles)
    if "config" in image:
        config = runfiles / image["config"]
        yield Digest.of(_bytes(config)), config
    for layer in image.get("layers", []):
        if "blob" in layer:
            metadata = json.loads(_bytes(runfiles / layer["metadata"]))
            yield Digest.parse(metadata["digest"]), runfiles / layer["blob"]


def _sources(image: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    yield from image.get("sources", [])
    for manifest in image.get("manifests", []):
        yield from _sources(manifest)


def _descriptor(path: Path) -> Descriptor:
    return Descriptor.from_json(document.loads_object(_bytes(path), what=str(path)), what=str(path))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(
            f"{path} does not exist", fix="build the target first: bazel build, or bazel run"
        ) from None
