"""The deploy specification: which files make up the image that a `bazel run` target is about.

`rules/private/deploy.bzl` writes it; its paths are relative to the runfiles directory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lading.commands.outputs import Outputs
from lading.commands.places import Places
from lading.commands.recipes import Recipes
from lading.errors import InputError, NotFoundError
from lading.oci import document, stamp
from lading.oci.content import Content, FilesContent
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.reference import check_tag
from lading.record import field, record
from lading.registry.policy import content_tag

__all__ = ["Companion", "Deploy", "Source", "parse", "read", "read_all"]

_VERSION = 1
_MAX_SPEC_BYTES = 64 * 1024 * 1024
_KNOWN = {
    "build_settings", "destination_file", "image", "kind", "label", "manifest_tags", "mounts",
    "referrers", "registry", "remote", "repository", "status_files", "tag_files", "tags", "version",
}  # fmt: skip


@record
class Source:
    """A repository that holds layers which are not among the files."""

    registry: str
    repository: str


@record
class Companion:
    """What goes to the same repository: a manifest of the index by its own tags, or a referrer."""

    root: Descriptor
    tags: tuple[str, ...] = ()


@record
class Deploy:
    """An image and where the target's attributes say it goes."""

    label: str
    root: Descriptor
    content: FilesContent
    registry: str
    repository: str
    tags: tuple[str, ...]
    #: Those of `tags` that the workspace status made: a commit's, a build's.
    fresh: frozenset[str] = frozenset()
    #: Layers that do not exist as files, and can be made while they are sent.
    recipes: Recipes = field(default_factory=lambda: Recipes({}, Path()))
    #: Outputs of the build that are no runfiles, because the target is lazy.
    outputs: Outputs = field(default_factory=lambda: Outputs({}))
    sources: tuple[Source, ...] = ()
    companions: tuple[Companion, ...] = ()
    #: Repositories of the same registry that may have parts of the image.
    mounts: tuple[str, ...] = ()
    #: Where outputs that are not on this machine are: `remote_cache`, `credential_helper`, ….
    remote: Mapping[str, str] = field(default_factory=dict)
    #: Keys of the specification that only one kind of target has, such as `daemon`.
    extra: Mapping[str, Any] = field(default_factory=dict)

    def tags_to_set(
        self, given: Sequence[str] | None = None, *, content: bool = False
    ) -> tuple[str, ...]:
        """Its own tags or those `given`, then the content tag if that is wanted; each once.

        Raises InputError for one that is no tag.
        """
        tags = self.tags if given is None else map(check_tag, given)
        more = [content_tag(self.root.digest)] if content or self.extra.get("content_tag") else []
        return tuple(dict.fromkeys([*tags, *more]))

    def built(self) -> Content:
        """What is here without a registry or a cache: the files, and what recipes make."""
        if not self.recipes:
            return self.content
        places: list[tuple[str, Content]] = [
            ("the target's files", self.content),
            ("the layers' recipes", self.recipes),
        ]
        return Places(places, fix="build it again")


def read(spec: Path, runfiles: Path) -> Deploy:
    """Reads a specification and the small files it names.

    Raises:
        NotFoundError: a file is not there: the target was not built.
        InputError: a tag file holds something that is no tag, or a file cannot be read.
        CorruptError: a file is not what the rules write.
    """
    return parse(_load(spec), runfiles)


def read_all(spec: Path, runfiles: Path) -> list[tuple[str, Deploy]]:
    """Reads the specification of a `multi_deploy`: each operation's kind, and what it is about.

    Raises what `read` does.
    """
    value = _load(spec)
    remote = value.get("remote", {})
    return [
        (item["kind"], parse({"remote": remote, **item}, runfiles)) for item in value["operations"]
    ]


def parse(value: Mapping[str, Any], runfiles: Path) -> Deploy:
    """Reads one specification's object; see `read`."""
    image = value["image"]
    referrers = value.get("referrers", [])
    # Whatever has files, the image among them.
    images = {"descriptor": image["descriptor"], "manifests": [image, *referrers]}
    tags = [*value.get("tags", [])]
    for path in value.get("tag_files", []):
        tags += _lines(_text(runfiles / path))
    root = _descriptor(runfiles / image["descriptor"])
    variables = {"digest": str(root.digest), **_variables(value, runfiles)}

    def expand(text: str, attribute: str) -> str:
        return stamp.expand(text, variables, what=f"{value['label']}, {attribute}")

    # A condition may leave nothing of a tag.
    expanded = {found: tag for tag in tags if (found := expand(tag, "tag"))}
    stamped = bool(value.get("status_files"))
    sources = {(item["registry"], item["repository"]): None for item in _sources(images)}
    registry, repository = value.get("registry", ""), value.get("repository", "")
    if "destination_file" in value:
        registry, repository = _destination(runfiles / value["destination_file"])
    registry, repository = expand(registry, "registry"), expand(repository, "repository")
    try:
        _check_tags(expanded, repository, is_load=value.get("kind") == "load")
    except InputError as error:
        raise error.about(f"{value['label']}, tag") from None
    companions = [Companion(_descriptor(runfiles / item["descriptor"])) for item in referrers]
    files = dict(_files(images, runfiles)) | dict(_layers(images, "blob", runfiles, runfiles))
    # Of a lazy target Bazel has left layers where it put them, if it did.
    outputs = dict(_layers(images, "output", runfiles, _execution_root(runfiles)))
    recipes = dict(_layers(images, "recipe", runfiles, runfiles))
    return Deploy(
        label=value["label"],
        root=root,
        content=FilesContent(files),
        registry=registry,
        repository=repository,
        tags=tuple(expanded),
        fresh=frozenset(tag for tag, text in expanded.items() if stamped and tag not in text),
        recipes=Recipes(recipes, _execution_root(next(iter(recipes.values()), runfiles))),
        outputs=Outputs(outputs),
        sources=tuple(Source(*pair) for pair in sources),
        companions=(*_tagged_manifests(value, runfiles, variables), *companions),
        mounts=tuple(value.get("mounts", [])),
        remote=value.get("remote", {}),
        extra={key: item for key, item in value.items() if key not in _KNOWN},
    )


def _check_tags(tags: Iterable[str], repository: str, *, is_load: bool) -> None:
    """Raises InputError unless each is a tag or, of an image to load, a whole name."""
    for tag in tags:
        if is_load:
            # Only here: pushes start without what is for engines.
            from lading.engine.name import image_name, is_whole

            image_name(tag if is_whole(tag, repository) else f"{repository}:{tag}")
        else:
            check_tag(tag)


def _load(spec: Path) -> dict[str, Any]:
    value = document.loads_object(_bytes(spec), what=str(spec), limit=_MAX_SPEC_BYTES)
    if value.get("version") != _VERSION:
        raise InputError(
            f"{spec} has version {value.get('version')!r}, this lading reads {_VERSION}",
            fix="build the target again",
        )
    return value


def _lines(text: str) -> list[str]:
    """Tags of a file: one a line, or several separated by blanks where none is a template."""
    words = (line.strip() for line in text.splitlines())
    return [tag for word in words for tag in ([word] if "{{" in word else word.split())]


def _variables(value: Mapping[str, Any], runfiles: Path) -> dict[str, str | int]:
    """What templates know: build settings, which win, and the status as of the last build."""
    variables: dict[str, str | int] = {}
    for path in value.get("status_files", []):
        variables |= stamp.read_status(_bytes(runfiles / path), what=path)
    return {**variables, **value.get("build_settings", {})}


def _destination(path: Path) -> tuple[str, str]:
    """Registry and repository of a destination file: `registry/repository`, as it is written."""
    text = _text(path).strip()
    registry, slash, repository = text.partition("/")
    if not slash or "{{" in text or "\n" in text:
        raise InputError(f"{path} has {text!r:.120}", fix="write one line, registry/repository")
    return registry, repository


def _tagged_manifests(
    value: Mapping[str, Any], runfiles: Path, variables: Mapping[str, str | int]
) -> Iterator[Companion]:
    """The manifests of an index, each with the tags that `manifest_tags` gives it."""
    templates = value.get("manifest_tags", [])
    if not templates:
        return
    for manifest in value["image"]["manifests"]:
        root = _descriptor(runfiles / manifest["descriptor"])
        platform = root.platform.to_json() if root.platform else {}
        known = {"os": "", "architecture": "", "variant": "", **platform}
        known |= {"arch": known["architecture"], "cpu": known["architecture"], **variables}
        what = f"{value['label']}, manifest_tags"
        tags = [stamp.expand(text, known, what=what) for text in templates]
        yield Companion(root, tuple(dict.fromkeys(check_tag(tag) for tag in tags if tag)))


def _files(image: Mapping[str, Any], runfiles: Path) -> Iterator[tuple[Digest, Path]]:
    """The digest of every file of an image but its layers: manifests, configs, parts of layouts."""
    if "index" in image or "manifest" in image:
        own = runfiles / (image["index"] if "index" in image else image["manifest"])
        yield _descriptor(runfiles / image["descriptor"]).digest, own
    for manifest in _parts(image):
        yield from _files(manifest, runfiles)
    if "config" in image:
        config = runfiles / image["config"]
        yield Digest.of(_bytes(config)), config
    for directory in image.get("layouts", []):
        from lading.oci import layout

        yield from layout.blob_files(runfiles / directory)


def _layers(
    image: Mapping[str, Any], key: str, runfiles: Path, base: Path
) -> Iterator[tuple[Digest, Path]]:
    """The digest of every layer that has a path under `key`, which is relative to `base`."""
    for manifest in _parts(image):
        yield from _layers(manifest, key, runfiles, base)
    for layer in image.get("layers", []):
        if key in layer:
            metadata = json.loads(_bytes(runfiles / layer["metadata"]))
            yield Digest.parse(metadata["digest"]), base / layer[key]


def _execution_root(output: Path) -> Path:
    """Where paths like `bazel-out/…` begin: what is left of it in an output's real path.

    A test's sandbox has the runfiles, as links to the outputs, and not what those were made of.
    """
    return Path(os.path.realpath(output).partition("/bazel-out/")[0])


def _sources(image: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    yield from image.get("sources", [])
    for manifest in _parts(image):
        yield from _sources(manifest)


def _parts(image: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What an index lists: its images, and the artifacts that belong to them."""
    return [*image.get("manifests", []), *image.get("artifacts", [])]


def _descriptor(path: Path) -> Descriptor:
    return Descriptor.from_json(document.loads_object(_bytes(path), what=str(path)), what=str(path))


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8: {error.reason}", fix="write it as UTF-8") from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(
            f"{path} does not exist", fix="build the target first: bazel build, or bazel run"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
