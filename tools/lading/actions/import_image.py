"""The ImageImport action: an OCI layout or an archive as a base for images built here.

Of a layout directory only the small documents are copied; its layers stay where they are. An
archive has no files of its own, so its layers are written beside as a layout.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from lading.actions import flags, worker
from lading.errors import InputError, NotFoundError, UsageError, cannot_write
from lading.oci import document, layout
from lading.oci.content import Content, copy_blob
from lading.oci.descriptor import Descriptor
from lading.oci.platform import Platform
from lading.store import image as images
from lading.store.archive import Archive
from lading.store.image import Image
from lading.store.layout_directory import Layout

__all__ = ["run"]

_OUTPUTS = ("manifest", "config", "descriptor", "digest")


def run(request: worker.Request) -> None:
    """Imports the image for one platform.

    Args:
        request: its arguments are `--directory=DIR` or `--archive=FILE`, `--platform=OS/ARCH`,
            `--ref=TAG` for one of several images, `--label=` for messages, the outputs
            `--manifest=`, `--config=`, `--descriptor=`, `--digest=`, and `--layout=DIR` to write
            the layers to.

    Raises:
        LadingError: there is no such image, or it is damaged.
    """
    one, _ = flags.parse(
        request.arguments,
        required=("platform", *_OUTPUTS),
        single=("directory", "archive", "ref", "label", "layout"),
    )
    if ("directory" in one) == ("archive" in one):
        raise UsageError("one of --directory and --archive is needed")
    platform, what = Platform.parse(one["platform"]), one.get("label", "image_import")
    if "directory" in one:
        content = Layout(Path(one["directory"]), follow_links=True)
        found = _one_of(content, _roots(content, one.get("ref", "")), platform, what)
        _write(one, content, found)
    else:
        # A sandbox shows inputs as links, which an archive must not be.
        with Archive(Path(os.path.realpath(one["archive"]))) as archive:
            _write(one, archive, archive.image(platform))


def _roots(content: Layout, ref: str) -> Sequence[Descriptor]:
    index = content.index()
    if ref:
        return [index.find(ref)]
    return list({item.digest: item for item in index.manifests}.values())


def _one_of(content: Content, roots: Sequence[Descriptor], platform: Platform, what: str) -> Image:
    """The one image for the platform; raises InputError where there are several, or none."""
    found, missing = [], []
    for root in roots:
        try:
            found.append(images.read(content, root, platform))
        except NotFoundError as error:
            missing.append(error)
    if not found:
        have = "; ".join(error.what for error in missing) or "the layout lists no image"
        raise InputError(
            f"{what}: no image for {platform}: {have}",
            fix="import an image for that platform, or build for one that is there",
        )
    if len({image.manifest.digest for image in found}) > 1:
        tags = sorted({root.annotations.get(layout.REF_NAME, str(root.digest)) for root in roots})
        raise InputError(
            f"{what}: several images for {platform}: {', '.join(tags)}", fix="set ref to one tag"
        )
    return found[0]


def _write(one: Mapping[str, str], content: Content, image: Image) -> None:
    described = image.manifest.to_json() | {"platform": image.platform.to_json()}
    described.pop("annotations", None)
    flags.write(one["manifest"], image.manifest_bytes)
    flags.write(one["config"], image.config_bytes)
    flags.write(one["descriptor"], document.dumps(described))
    flags.write(one["digest"], str(image.manifest.digest).encode())
    if "layout" not in one:
        return
    output = Path(one["layout"])
    try:
        for layer in {layer.digest: layer for layer in image.layers}.values():
            _copy(content, layer, output / layout.blob_name(layer.digest))
        # An image without layers has no directory for them yet.
        (output / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(output, error) from None


def _copy(content: Content, descriptor: Descriptor, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    layer = f"the layer {descriptor.digest}"
    copy_blob(content, descriptor, target, what=layer, fix="get the archive again")


if __name__ == "__main__":
    worker.main(run)
