"""Verifies what a user names: a layout directory, an archive, or an image in a registry."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lading.errors import InputError, LadingError, NotFoundError
from lading.oci import document, layout, media_types
from lading.oci.content import children, walk
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.oci.reference import MAX_NAME, Reference, check_repository, check_tag
from lading.oci.verify_index import check_index, check_layout_marker, check_ref_names
from lading.oci.verify_json import list_of_strings, show
from lading.oci.verify_rules import Finding, Findings, Limits
from lading.registry import manifests
from lading.registry.content import RegistryContent
from lading.registry.repository import Repository
from lading.scan.codec import sniff
from lading.store import disk, tarball, tarscan
from lading.store.archive import Archive
from lading.verify.audit import audit_name
from lading.verify.budget import Budget
from lading.verify.files import DirectoryFiles, Files, LayoutContent, TarFiles, read
from lading.verify.image import Counts, ImageVerifier, Progress

__all__ = ["Options", "Report", "verify_archive", "verify_directory", "verify_reference"]

_PARTS = (layout.MARKER_FILE, layout.INDEX_FILE, "blobs")
_MAGIC_BYTES = 6
_LIMIT = document.MAX_DOCUMENT_BYTES + 1


@dataclass(frozen=True, slots=True)
class Options:
    """How to verify.

    Attributes:
        limits: caps.
        platform: what every image has to be for.
        tag: only the image of this name in a layout.
        follow_links: accept links in a directory.
    """

    limits: Limits = field(default_factory=Limits)
    platform: Platform | None = None
    tag: str = ""
    follow_links: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, and what was examined."""

    findings: tuple[Finding, ...]
    counts: Counts


def verify_directory(
    directory: Path, options: Options, progress: Progress = lambda done, total: None
) -> Report:
    """Verifies a layout directory; raises NotFoundError if there is none."""
    if not directory.is_dir():
        raise NotFoundError(f"there is no {directory}")
    if not any(os.path.lexists(directory / name) for name in _PARTS):
        raise NotFoundError(
            f"{directory} is no OCI image layout: it has neither {' nor '.join(_PARTS)}",
            fix="name the directory that holds index.json",
        )
    found = Findings(options.limits)
    files = DirectoryFiles(directory, found, follow_links=options.follow_links)
    counts = _layout(files, found, options, progress)
    return Report(tuple(found.items()), counts)


def verify_archive(
    path: Path, options: Options, progress: Progress = lambda done, total: None
) -> Report:
    """Verifies an archive of a layout or of `docker save`; raises NotFoundError, InputError."""
    found = Findings(options.limits)
    counts = Counts()
    with disk.open_regular(path) as file:
        if (kind := sniff(file.read(_MAGIC_BYTES).ljust(_MAGIC_BYTES, b"\0"))) != "none":
            fix = f"unpack it first: {tarscan.UNPACK[kind]} FILE"
            raise InputError(f"{path} is compressed as a whole", fix=fix)
        files = TarFiles(file, found)
        is_layout = layout.INDEX_FILE in files.names or layout.MARKER_FILE in files.names
        is_docker = tarball.DOCKER_MANIFEST in files.names
        if is_docker:
            _docker(files, found, compare=is_layout)
        if is_layout:
            counts = _layout(files, found, options, progress)
        elif is_docker:
            counts = _docker_only(path, found, options, progress)
        elif files.names or not found.items():
            found.add("layout-index", "archive", "it is a tar without an image")
    return Report(tuple(found.items()), counts)


def verify_reference(
    repository: Repository,
    reference: str | Digest,
    options: Options,
    progress: Progress = lambda done, total: None,
) -> Report:
    """Verifies an image of a registry; raises what asking the registry raises."""
    found = Findings(options.limits)
    root, _ = manifests.get(repository, reference)
    verifier = ImageVerifier(
        RegistryContent(repository),
        found,
        options.limits,
        platform=options.platform,
        progress=progress,
    )
    verifier.verify(root)
    return Report(tuple(found.items()), verifier.counts)


def _layout(files: Files, found: Findings, options: Options, progress: Progress) -> Counts:
    marker = read(files, layout.MARKER_FILE, _LIMIT)
    if marker is None:
        found.add("layout-marker", layout.MARKER_FILE, "it is missing")
    else:
        check_layout_marker(marker, subject=layout.MARKER_FILE, found=found)
    verifier = ImageVerifier(
        LayoutContent(files), found, options.limits, platform=options.platform, progress=progress
    )
    index = read(files, layout.INDEX_FILE, _LIMIT)
    if index is None:
        found.add("layout-index", layout.INDEX_FILE, "it is missing")
        return verifier.counts
    roots = check_index(index, media_types.INDEX, subject=layout.INDEX_FILE, found=found, root=True)
    check_ref_names(roots, subject=layout.INDEX_FILE, found=found)
    chosen = [
        one
        for one in roots
        if not options.tag or one.annotations.get(layout.REF_NAME) == options.tag
    ]
    if options.tag and not chosen:
        tags = layout.tag_names(roots) or "none"
        raise NotFoundError(f"the layout has no tag {options.tag!r:.160}", fix=f"it has {tags}")
    for root in chosen:
        verifier.verify(root)
    if not options.tag:
        budget = Budget(options.limits.seconds, options.limits.total_bytes)
        _blob_names(files, found, verifier.counts, budget)
    return verifier.counts


def _blob_names(files: Files, found: Findings, counts: Counts, budget: Budget) -> None:
    reached = {layout.blob_name(digest) for digest in counts.blobs}
    for name in files.names:
        if not name.startswith("blobs/") or name in reached:
            continue
        try:
            digest = Digest.parse(name.removeprefix("blobs/").replace("/", ":", 1))
        except LadingError:
            found.add("layout-blob-name", name, "its name is no digest")
        else:
            found.add("layout-unreferenced", name, "nothing refers to it")
            # Who writes to the layout next takes it for what it is called.
            with files.open(name) as stream:
                audit_name(stream, digest, subject=name, found=found, budget=budget)


def _docker(files: Files, found: Findings, *, compare: bool) -> None:
    """Checks `manifest.json`, and that it says what `index.json` says."""
    name = tarball.DOCKER_MANIFEST
    try:
        entries = document.loads(read(files, name, _LIMIT) or b"", what=name)
    except LadingError as error:
        found.add("docker-manifest", name, error.what)
        return
    if not isinstance(entries, list) or not all(isinstance(item, dict) for item in entries):
        found.add("docker-manifest", name, "it is no list of images")
        return
    for number, item in enumerate(entries):
        tags = item.get("RepoTags") or []
        for tag in tags if isinstance(tags, list) else [tags]:
            if not isinstance(tag, str) or not _is_name_and_tag(tag):
                found.add("docker-tag", name, show(tag), at=f"/{number}/RepoTags")
        config, layers = item.get("Config"), list_of_strings(item.get("Layers"))
        if not isinstance(config, str) or layers is None:
            found.add("docker-manifest", name, "it lacks Config or Layers", at=f"/{number}")
            continue
        for part in (config, *layers):
            if part not in files.names:
                found.add("blob-missing", name, f"there is no {show(part)}", at=f"/{number}")
    if compare and entries:
        _compare(files, entries, found)


def _is_name_and_tag(text: str) -> bool:
    """Whether docker takes it: the name may begin with a registry, and need not."""
    name, _, tag = text.rpartition(":")
    host, _, rest = name.partition("/")
    with suppress(LadingError):
        check_tag(tag)
        with suppress(InputError):
            return len(check_repository(name)) <= MAX_NAME
        Reference(host, rest)
        return True
    return False


def _compare(files: Files, entries: list[dict[str, object]], found: Findings) -> None:
    """Each image of `manifest.json` has to be one that `index.json` leads to."""
    configs = _configs(files)
    algorithms = {digest.algorithm for digest in configs}
    for number, item in enumerate(entries):
        config = read(files, str(item.get("Config")), _LIMIT)
        if config is None or any(Digest.of(config, one) in configs for one in algorithms):
            continue
        found.add(
            "docker-oci-disagreement",
            tarball.DOCKER_MANIFEST,
            f"no manifest of the layout has the config {Digest.of(config)}",
            at=f"/{number}/Config",
        )


def _configs(files: Files) -> set[Digest]:
    """The configs of the images of a layout; what is damaged has findings of its own."""
    content, configs = LayoutContent(files), set()
    with suppress(LadingError):
        data = read(files, layout.INDEX_FILE, _LIMIT) or b""
        for root in layout.LayoutIndex.parse(data, what=layout.INDEX_FILE).manifests:
            with suppress(LadingError):
                for one, body in walk(content, root):
                    if body is not None and one.media_type in media_types.MANIFEST_TYPES:
                        configs.add(children(one.media_type, body, what="")[0].digest)
    return configs


def _docker_only(path: Path, found: Findings, options: Options, progress: Progress) -> Counts:
    try:
        with Archive(path, several=True) as archive:
            verifier = ImageVerifier(
                archive, found, options.limits, platform=options.platform, progress=progress
            )
            for root in archive.roots:
                verifier.verify(root)
            return verifier.counts
    except LadingError as error:
        found.add("docker-manifest", tarball.DOCKER_MANIFEST, error.what)
        return Counts()
