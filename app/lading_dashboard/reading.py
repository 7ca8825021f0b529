"""From the roots of a layout to `Image` values.

What is wrong with one part becomes a problem of that part; everything else is still shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from lading.errors import CorruptError, LadingError
from lading.oci import document, media_types
from lading.oci.content import children, read_document
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.layout import REF_NAME
from lading_dashboard.configs import parse_config
from lading_dashboard.disk import DiskLayout
from lading_dashboard.images import Config, Image, Layer, Manifest, Role

__all__ = ["MAX_LAYERS", "MAX_MANIFESTS", "MAX_ROOTS", "read_layout"]

#: Most images shown of one layout, manifests of one image, and layers of one manifest: a layout
#: that somebody else writes decides neither how long a page takes nor how large it gets.
MAX_ROOTS = 2000
MAX_MANIFESTS = 200
MAX_LAYERS = 500
_MAX_DEPTH = 8
#: Sizes beyond this are no sizes of anything (2 to the 50th bytes, one pebibyte).
_MAX_SIZE = 2**50
_CONFIG_TYPES = frozenset({media_types.CONFIG, media_types.DOCKER_CONFIG})


def read_layout(disk: DiskLayout, repository: str) -> tuple[tuple[Image, ...], tuple[str, ...]]:
    """Every image of a layout, and what is wrong with the layout as a whole.

    One digest under several tags is one image. Raises the errors of `DiskLayout.index`.
    """
    roots: dict[Digest, tuple[Descriptor, list[str]]] = {}
    for item in disk.index().manifests:
        _, tags = roots.setdefault(item.digest, (item, []))
        if tag := item.annotations.get(REF_NAME):
            tags.append(tag)
    problems = (
        (f"index.json lists {len(roots)} images; the first {MAX_ROOTS} are shown",)
        if len(roots) > MAX_ROOTS
        else ()
    )
    shown = list(roots.values())[:MAX_ROOTS]
    return tuple(_image(disk, repository, root, tags) for root, tags in shown), problems


def _image(disk: DiskLayout, repository: str, root: Descriptor, tags: list[str]) -> Image:
    """One root with everything below it; never fails for what the layout contains."""
    image = Image(
        repository=repository,
        digest=root.digest,
        media_type=root.media_type,
        size=min(root.size, _MAX_SIZE),
        tags=tuple(sorted(set(tags))),
        stored=_stored(disk, root),
    )
    try:
        if root.media_type in media_types.INDEX_TYPES:
            value = document.loads_object(read_document(disk, root), what="the index")
            found = list(_below(disk, root, 0, set()))
            image = replace(image, annotations=_annotations(value))
            if len(found) > MAX_MANIFESTS:
                problem = f"the index has {len(found)} manifests; {MAX_MANIFESTS} are shown"
                image = replace(image, problems=(problem,))
            shown = tuple(_manifest(disk, item) for item in found[:MAX_MANIFESTS])
            return replace(image, manifests=shown)
        if root.media_type in media_types.MANIFEST_TYPES:
            manifest = _manifest(disk, root)
            return replace(image, manifests=(manifest,), annotations=manifest.annotations)
        raise CorruptError(f"{root.digest} is neither a manifest nor an index: {root.media_type}")
    except LadingError as error:
        return replace(image, problems=(*image.problems, error.what))


def _below(
    disk: DiskLayout, index: Descriptor, depth: int, seen: set[Digest]
) -> Iterator[Descriptor]:
    """The manifests below an index, those of nested indexes in their place."""
    if depth > _MAX_DEPTH:
        raise CorruptError(f"indexes nest deeper than {_MAX_DEPTH} levels")
    what = f"the index {index.digest}"
    for item in children(index.media_type, read_document(disk, index), what=what):
        if item.digest in seen:
            continue
        seen.add(item.digest)
        if item.media_type in media_types.INDEX_TYPES:
            yield from _below(disk, item, depth + 1, seen)
        else:
            yield item


def _manifest(disk: DiskLayout, descriptor: Descriptor) -> Manifest:
    manifest = Manifest(
        digest=descriptor.digest,
        media_type=descriptor.media_type,
        size=min(descriptor.size, _MAX_SIZE),
        role=_role(descriptor),
        artifact_type=descriptor.artifact_type,
        platform=descriptor.platform,
        annotations=_shown(descriptor.annotations),
    )
    if descriptor.media_type not in media_types.MANIFEST_TYPES:
        # An index may point at anything (image-spec 1.1, image-index.md); it is counted only.
        problem = disk.problem(descriptor)
        return replace(manifest, role="artifact", problems=(problem,) if problem else ())
    try:
        data = read_document(disk, descriptor)
        what = f"the manifest {descriptor.digest}"
        below = children(descriptor.media_type, data, what=what)
        value = document.loads_object(data, what=what)
    except LadingError as error:
        return replace(manifest, problems=(error.what,))
    config, layers = below[0], below[1:]
    manifest = replace(manifest, annotations={**manifest.annotations, **_annotations(value)})
    shown = tuple(_layer(disk, item) for item in layers[:MAX_LAYERS])
    problems = (
        [f"the manifest has {len(layers)} layers; the first {MAX_LAYERS} are shown"]
        if len(layers) > MAX_LAYERS
        else []
    )
    if config.media_type not in _CONFIG_TYPES:
        stated = value.get("artifactType")
        artifact_type = stated if isinstance(stated, str) else config.media_type
        role: Role = manifest.role if manifest.role != "image" else "artifact"
        problems += filter(None, [disk.problem(config)])
        return replace(
            manifest,
            role=role,
            artifact_type=artifact_type or manifest.artifact_type,
            config=Config(config.digest, min(config.size, _MAX_SIZE)),
            layers=shown,
            problems=tuple(problems),
        )
    try:
        parsed, steps, remarks = parse_config(
            read_document(disk, config), config, layers=len(layers)
        )
    except LadingError as error:
        return replace(manifest, layers=shown, problems=(*problems, error.what))
    return replace(
        manifest,
        platform=manifest.platform or parsed.platform,
        config=parsed,
        layers=tuple(
            replace(layer, created_by=step) for layer, step in zip(shown, steps, strict=False)
        ),
        # A statement about an image has a config without meaning: BuildKit fills it with dummies.
        problems=tuple(problems) + (remarks if manifest.role == "image" else ()),
    )


def _layer(disk: DiskLayout, descriptor: Descriptor) -> Layer:
    return Layer(
        digest=descriptor.digest,
        media_type=descriptor.media_type,
        size=min(descriptor.size, _MAX_SIZE),
        problem=disk.problem(descriptor),
    )


def _role(descriptor: Descriptor) -> Role:
    """BuildKit's attestations are images for the platform `unknown/unknown`, by annotation."""
    kind = descriptor.annotations.get("vnd.docker.reference.type")
    return "attestation" if kind == "attestation-manifest" else "image"


def _stored(disk: DiskLayout, descriptor: Descriptor) -> datetime | None:
    status = disk.status(descriptor)
    try:
        return datetime.fromtimestamp(int(status.st_mtime), UTC) if status else None
    except (ValueError, OverflowError, OSError):
        return None


def _annotations(value: dict[str, object]) -> dict[str, str]:
    found = value.get("annotations")
    if not isinstance(found, dict):
        return {}
    return _shown({key: text for key, text in found.items() if isinstance(text, str)})


def _shown(annotations: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in sorted(annotations.items()) if key != REF_NAME}
