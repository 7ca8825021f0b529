"""What the dashboard knows about an image: plain values, already checked, ready to show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from lading.oci import media_types
from lading.oci.digest import Digest
from lading.oci.platform import Platform

__all__ = ["Config", "Image", "Kind", "Layer", "Manifest", "Problem", "Role"]

#: What a manifest is: something that runs, a statement about such a thing, or anything else.
Role = Literal["image", "attestation", "artifact"]
Kind = Literal["image", "index", "artifact"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be: `where` names it, `message` says what is wrong."""

    where: str
    message: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer; `size` is in bytes as stored, so compressed.

    `created_by` is the matching entry of the config's history. `problem` is empty, or says why
    the blob cannot be what the manifest describes.
    """

    digest: Digest
    media_type: str
    size: int
    created_by: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """The part of an image config that a person asks for (image-spec 1.1, config.md).

    Of the environment only the names are kept: values may be secrets.
    """

    digest: Digest
    size: int
    platform: Platform | None = None
    created: datetime | None = None
    author: str = ""
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    stop_signal: str = ""
    env_names: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest with what it points at. `size` is its own size in bytes."""

    digest: Digest
    media_type: str
    size: int
    role: Role = "image"
    artifact_type: str = ""
    platform: Platform | None = None
    config: Config | None = None
    layers: tuple[Layer, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def created(self) -> datetime | None:
        """When the image says that it was made."""
        return self.config.created if self.config else None

    @property
    def all_problems(self) -> tuple[str, ...]:
        """What is wrong with it and its layers, each once."""
        layers = (layer.problem for layer in self.layers if layer.problem)
        return tuple(dict.fromkeys((*self.problems, *layers)))

    @property
    def total(self) -> int:
        """Bytes to transfer for this manifest: itself, its config and layers, each digest once."""
        return sum(dict(self.parts()).values())

    def parts(self) -> Iterator[tuple[Digest, int]]:
        """Digest and size of everything that belongs to the manifest, itself included."""
        yield self.digest, self.size
        if self.config:
            yield self.config.digest, self.config.size
        for layer in self.layers:
            yield layer.digest, layer.size


@dataclass(frozen=True, slots=True)
class Image:
    """One root of a layout: a manifest or an index, with all its tags.

    `stored` is when the layout received it: reproducible images are all created in 1970.
    """

    repository: str
    digest: Digest
    media_type: str
    size: int
    tags: tuple[str, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    stored: datetime | None = None
    problems: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """An image for one platform, an index of several, or content that does not run."""
        if self.media_type in media_types.INDEX_TYPES:
            return "index"
        if self.manifests and self.manifests[0].role != "image":
            return "artifact"
        return "image"

    @property
    def name(self) -> str:
        """How a person calls it: `repository:tag` with the first tag, or the repository."""
        return f"{self.repository}:{self.tags[0]}" if self.tags else self.repository

    @property
    def runnable(self) -> tuple[Manifest, ...]:
        """The manifests that are images, without statements about them."""
        return tuple(item for item in self.manifests if item.role == "image")

    @property
    def platforms(self) -> tuple[str, ...]:
        """Every platform it runs on, in the index's order, each once."""
        found = (str(item.platform) for item in self.runnable if item.platform)
        return tuple(dict.fromkeys(found))

    @property
    def created(self) -> datetime | None:
        """The latest creation time that any of its manifests states."""
        return max((item.created for item in self.manifests if item.created), default=None)

    @property
    def total(self) -> int:
        """Bytes of everything below the root and the root itself, each digest once."""
        return sum(dict(self.parts()).values())

    def parts(self) -> Iterator[tuple[Digest, int]]:
        """Digest and size of everything that belongs to the image."""
        yield self.digest, self.size
        for manifest in self.manifests:
            yield from manifest.parts()

    @property
    def all_problems(self) -> tuple[str, ...]:
        """What is wrong with it anywhere, each once."""
        found = list(self.problems)
        for manifest in self.manifests:
            found += manifest.all_problems
        return tuple(dict.fromkeys(found))
